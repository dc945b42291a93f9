"""Long form: one person among 100,000. Everything that is kept of the one is found, shown and exported in time."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from gateway.core import limits
from gateway.core.channels import PAGE_PREFIX
from gateway.core.types import CheckIn, Consent, Envelope
from gateway.page.kept import Kept
from tests.kit.pages import ServedPage, page_config
from tests.kit.testbed import EVERYTHING

PEOPLE = limits.IDENTITIES_MAX - 1
AT_ONCE = 1_000
EXPORT_S_MAX = 5.0
OFFERS = 200


@pytest.mark.soak
def test_the_export_of_one_person_among_100_000(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ServedPage(page_config(tmp_path)) as served:
        visitor = served.visitor()
        visitor.agree()
        (device,) = served.app.state.people.identities
        for at in range(OFFERS):
            served.app.ask([CheckIn(device, ("plaza", "cafe")[at % 2])], device).result(60)
        for first in range(0, PEOPLE, AT_ONCE):
            crowd = [
                Consent(Envelope(f"{PAGE_PREFIX}{number:032x}", "b", 1), EVERYTHING, 1)
                for number in range(first, min(first + AT_ONCE, PEOPLE))
            ]
            served.app.ask(crowd, device).result(120)
        assert len(served.app.state.people.identities) == limits.IDENTITIES_MAX
        took: dict[str, float] = {}
        for name in ("export.json", "export.sqlite", "kept", "offers"):
            began_s = time.monotonic()
            page = visitor.open(name)
            took[name] = time.monotonic() - began_s
            assert page.status_code == 200
            if name == "export.json":
                assert msgspec.json.decode(page.content, type=Kept).rows["decisions"] == OFFERS
    with capsys.disabled():
        print({name: round(seconds, 3) for name, seconds in took.items()})  # noqa: T201 - the figures
    assert max(took.values()) <= EXPORT_S_MAX

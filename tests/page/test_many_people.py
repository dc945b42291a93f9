"""One person among 100,000: all that is kept of the one is found by indices, and in the long form shown and exported in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.adapters.store import Store
from gateway.adapters.store.reader import Reader
from gateway.core import limits
from gateway.core.channels import PAGE_PREFIX
from gateway.core.context import SubjectContext
from gateway.core.types import CheckIn, Consent, Envelope
from gateway.page.kept import Kept, kept
from tests.kit.pages import ServedPage, page_config
from tests.kit.testbed import EVERYTHING, KEY

PEOPLE = limits.IDENTITIES_MAX - 1
AT_ONCE = 1_000
EXPORT_S_MAX = 5.0
OFFERS = 200


class Explained(Reader):
    """A reader that notes how SQLite finds the rows of each statement."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, KEY)
        self.plans: list[str] = []

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        self.plans += [f"{row[3]} in {sql}" for row in super()._rows(f"EXPLAIN QUERY PLAN {sql}", values)]
        return super()._rows(sql, values)

    def scanned(self) -> list[str]:
        """The steps of an export that read a whole table of people."""
        self.plans.clear()
        context = SubjectContext("s", "phone-0001", ("presence",), "b", 1)
        self.subject_of("phone-0001")
        self.person("s")
        kept(self, context, 0)
        return [
            plan for plan in self.plans if plan.startswith("SCAN") and not plan.startswith("SCAN days ") and "shown_records" not in plan
        ]


def test_no_step_of_an_export_reads_the_rows_of_other_people(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db", KEY)
    reader = Explained(tmp_path / "a.db")
    assert reader.scanned() == []
    assert len(reader.plans) >= 10
    store._db.execute("DROP INDEX facts_by_subject")
    assert [plan.partition(" in ")[0] for plan in reader.scanned()] == ["SCAN facts"], "control: without an index"
    reader.close()
    store.close()


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

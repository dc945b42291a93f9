"""`wayside bundle show` and `verify` print patterns and priors, and refuse patterns without value."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from gateway.adapters import bundle
from gateway.core.learned import OfferPriors, Pattern
from tests.commands.terminal import wayside
from tests.kit.attributes import COLUMNS, MINED_SCHEMA
from tests.kit.bundles import make_bundle
from tests.kit.gateways import write_config

PATTERN = Pattern(("bar",), "coffee_house", 0.5, 2.5, 40, 192.0, 2_304.0)
PRIORS = OfferPriors("flat-white", (), 12.0, 13.5)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


def made(folder: Path, patterns: tuple[Pattern, ...]) -> Path:
    folder.mkdir()
    read = (*COLUMNS, "gain")
    return make_bundle(folder, version=2, patterns=patterns, priors=(PRIORS,), schema=MINED_SCHEMA, columns=read).bundle


def test_what_came_along_is_told(config: Path, tmp_path: Path) -> None:
    full = made(tmp_path / "full", (PATTERN,))
    assert wayside("bundle", "install", full, "--config", config).code == 0
    shown = json.loads(wayside("bundle", "show", "--config", config, "--json").out)
    assert (shown["patterns"], shown["priors"], shown["manifest"]["model"]["calibration"]) == (1, ["flat-white"], "none")
    assert {"patterns.json", "priors.json"} < set(shown["manifest"]["files"])
    printed = " ".join(wayside("bundle", "verify", full, "--config", config).out.split())
    assert "1, each with a value" in printed
    assert "groups none" in printed.replace("│", "").replace("  ", " ")
    assert "for flat-white" in printed


def test_what_did_not_come_along_is_told_too(config: Path) -> None:
    shown = json.loads(wayside("bundle", "show", "--config", config, "--json").out)
    assert (shown["patterns"], shown["priors"]) == (None, None)
    assert "none" in wayside("bundle", "show", "--config", config).out


def test_a_signed_pattern_without_a_value_is_not_installed(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed by a tool that does not check it."""
    with monkeypatch.context() as faulty:
        faulty.setattr(bundle, "read_patterns", lambda _: ())
        worthless = made(tmp_path / "worthless", (msgspec.structs.replace(PATTERN, worth_minor=0.0),))
    result = wayside("bundle", "install", worthless, "--config", config).refusal(1)
    assert result.startswith("bad_patterns: Expected `float` > 0.0 - at `$.patterns[0].worth_minor`")
    assert json.loads(wayside("bundle", "show", "--config", config, "--json").out)["manifest"]["version"] == 1

"""`wayside-models ope` on planted logs of the demonstration's bundle: estimates beside the truth, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gateway.adapters.bundle import open_bundle, read_public_keys
from models.inputs import Inputs
from tests.models.history.tables import DAY_MS, INTERACTION_COLUMNS, START_MS, interactions, run

DEMO = Path(__file__).resolve().parents[3] / "deploy" / "worlds" / "street"
BUNDLE = ("--bundle", DEMO / "street.bundle", "--pub", DEMO / "bundle.pub")
OPENED = open_bundle(DEMO / "street.bundle", read_public_keys(DEMO / "bundle.pub"), None)
COLUMNS = OPENED.manifest.model.columns
ZONE = "plaza"
OFFERS = ("cake-and-coffee", "bistro-lunch", "bistro-evening", "noodle-bowl")
RATES = {"cake-and-coffee": 0.3, "bistro-lunch": 0.2, "bistro-evening": 0.1, "noodle-bowl": 0.4}


def _log(folder: Path, decisions: int, probabilities: tuple[float, ...], stated: float | None = None, zone: str = ZONE) -> Path:
    """Random choices in one zone, with probabilities by offer; `stated` replaces the logged ones. One decision a person."""
    draws = np.random.default_rng(7)
    rows: list[dict[str, object]] = []
    for number in range(decisions):
        chosen = int(draws.choice(len(OFFERS), p=probabilities))
        values = {"hour": float(draws.choice([10.0, 14.0, 22.0])), "temperature": 20.0, "weather_sunny": 1.0, "occasion_entered": 1.0}
        values |= {"visits_restaurant_dear": float(draws.choice([2.0, 6.0])), "travel": 5.0}
        row = {"subject": f"s{number}", "at_ms": START_MS + number * 1_000, "what": "proposed", "zone": zone, "offer": OFFERS[chosen]}
        row |= {"decision": f"d{number}", "p_select": stated or probabilities[chosen], "propensity": 0.3}
        rows.append(row | {f"f_{name}": value for name, value in values.items()})
        if draws.random() < RATES[OFFERS[chosen]]:
            rows.append({"subject": f"s{number}", "at_ms": START_MS + number * 1_000 + 500, "what": "accepted", "decision": f"d{number}"})
    rows.append({"subject": "last", "at_ms": START_MS + 9 * DAY_MS, "what": "visit"})
    folder.mkdir()
    interactions(
        folder / "interactions.csv", rows, (*INTERACTION_COLUMNS, *(f"f_{name}" for name in COLUMNS)), Inputs(OPENED.schema, COLUMNS)
    )
    return folder


def _asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> dict[str, object]:
    run(monkeypatch, "ope", "--history", folder, *BUNDLE, "--json")
    asked: dict[str, object] = json.loads(capsys.readouterr().out)
    return asked


def test_the_earnings_of_the_bundle_are_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bundle always offers one of two meals with a large margin; the log chooses among four offers."""
    folder = _log(tmp_path / "log", 1_500, (0.4, 0.3, 0.1, 0.2))
    report = json.loads(json.dumps(_asked(monkeypatch, capsys, folder)))
    value = {offer.id: offer.value_minor for offer in OPENED.campaign.offers}
    low, high = RATES["bistro-evening"] * value["bistro-evening"], RATES["bistro-lunch"] * value["bistro-lunch"]
    assert report["overlap"]["refused"] == []
    assert report["decisions"] == 1_500
    for name in ("ips", "snips", "dr", "switch_dr"):
        found = report["estimates"][name]
        assert low * 0.8 < found["value"] < high * 1.2
        assert found["low"] < found["value"] < found["high"]
    assert report["logged"]["value"] == pytest.approx(0.4 * 0.3 * 216 + 0.3 * 0.2 * 2_145 + 0.1 * 0.1 * 1_950 + 0.2 * 0.4 * 345, rel=0.15)


def test_a_log_without_exploration_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder = _log(tmp_path / "log", 300, (0.4, 0.3, 0.1, 0.2), stated=1.0)
    assert run(monkeypatch, "ope", "--history", folder, *BUNDLE) == 1
    assert "no exploration in the log: p_select is 1 in all 300 decisions" in capsys.readouterr().err


def test_wrong_probabilities_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The log states 0.25 for every choice and made the bundle's own more often."""
    folder = _log(tmp_path / "log", 800, (0.05, 0.45, 0.45, 0.05), stated=0.25)
    assert run(monkeypatch, "ope", "--history", folder, *BUNDLE) == 1
    printed = capsys.readouterr().out
    assert "refused: mean weight 1.8" in printed
    assert "no estimate" in printed


def test_choices_that_the_log_never_made_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _log(tmp_path / "log", 800, (0.5, 0.0, 0.0, 0.5))
    assert run(monkeypatch, "ope", "--history", folder, *BUNDLE) == 1
    assert "the log could not make 100.0% of the other policy's choices" in capsys.readouterr().out


def test_another_site_and_a_missing_key_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _log(tmp_path / "log", 300, (0.4, 0.3, 0.1, 0.2), zone="elsewhere")
    assert run(monkeypatch, "ope", "--history", folder, *BUNDLE) == 1
    assert "are its zones those of the log?" in capsys.readouterr().err
    assert run(monkeypatch, "ope", "--history", folder, *BUNDLE[:2]) == 1
    assert "add --pub" in capsys.readouterr().err

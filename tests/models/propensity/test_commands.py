"""The commands `speed`, `items`, `priors` and `waves`, and training from a gateway's history."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from models import cli
from models.propensity.bayes import OfferBayes
from models.propensity.boosting import Recipe
from models.propensity.commands import named
from models.propensity.training_set import TrainingError
from tests.models.history import tables
from tests.models.history.tables import happened, proposed, run

DAY_MIN = 24 * 60


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of 40 subjects over 30 days: frequent visitors accept more often, and one of two offers is preferred."""
    folder = tmp_path_factory.mktemp("history")
    draws = np.random.default_rng(0)
    rows: list[tables.Row] = []
    for number in range(600):
        subject, minute, visits = f"s{number % 40}", float(number * 72), float(draws.integers(0, 10))
        offer = ("latte", "pizza")[number % 2]
        rows.append(
            {**proposed(subject, minute, f"d{number}", visits_this_kind=visits, travel=float(draws.integers(1, 20))), "offer": offer}
        )
        if draws.random() < 1 / (1 + np.exp(4.0 - 0.8 * visits - 0.7 * (offer == "latte"))):
            rows.append(happened(subject, minute + 5, "accepted", decision=f"d{number}"))
    rows.append(happened("s0", 40 * DAY_MIN, "visit", zone="cafe"))
    tables.interactions(folder / "interactions.csv", rows, (*tables.INTERACTION_COLUMNS, *tables.FEATURES))
    return folder


def test_training_from_a_history_tests_later_days(street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "RECIPES", (Recipe(rounds=20, rate=0.2, depth=3, leaf_rows_min=20),))
    chosen = "logistic,per-parameter,boosting"
    assert run(monkeypatch, "train", "--history", street, "--out", tmp_path / "model", "--estimators", chosen, "--json") == 0
    report = json.loads((tmp_path / "model" / "report.json").read_text(encoding="utf-8"))
    assert report["comparison"]["rows"] == 600
    assert report["comparison"]["evaluated"] == 180  # the later three tenths
    assert {of["estimator"] for of in report["comparison"]["estimators"]} == set(chosen.split(","))
    assert report["estimator"] == report["comparison"]["estimator"]
    assert report["comparison"]["champion"]["auc"]["value"] > 0.75
    assert report["parity_worst"] <= 1e-5
    assert any("have the same value in every row" in remark for remark in report["comparison"]["remarks"])


def test_an_unusable_history_is_one_line(
    street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (street / "interactions.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "interactions.csv").write_text("\n".join([*lines[:12], lines[-1]]) + "\n", encoding="utf-8")
    (tmp_path / "few" / "history.json").write_bytes((street / "history.json").read_bytes())
    (tmp_path / "other").mkdir()
    tables.baskets(tmp_path / "other" / "baskets.csv", [tables.line("a", 1)])
    for folder, message in (("few", "respondents are too few: at least 200"), ("other", "holds no interactions")):
        assert run(monkeypatch, "train", "--history", tmp_path / folder, "--out", tmp_path / "model") == 1
        err = capsys.readouterr().err
        assert err.startswith("error: ")
        assert message in err
        assert err.count("\n") == 1
    assert not (tmp_path / "model").exists()


def test_wrong_use_exits_2(street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "train", "--out", tmp_path / "model") == 2
    assert "either --table or --history" in capsys.readouterr().err
    assert run(monkeypatch, "train", "--history", street, "--out", tmp_path / "model", "--estimators", "forest") == 1
    assert "there is no estimator 'forest'; there are logistic, chaid" in capsys.readouterr().err
    with pytest.raises(TrainingError, match="'oak'"):
        named("logistic, oak")


def test_priors_hold_counts_for_every_offer(
    street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "priors.json"
    assert run(monkeypatch, "priors", "--history", street, "--out", out, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    models = {of.offer: of for of in msgspec.json.decode(out.read_bytes(), type=tuple[OfferBayes, ...])}
    assert set(models) == set(report["offers"]) == {"latte", "pizza"}
    latte = models["latte"]
    assert latte.taken + latte.refused == 300
    assert latte.propensity({"visits_this_kind": 9.0}) > latte.propensity({"visits_this_kind": 0.0}) + 0.3
    assert out.stat().st_size < 65_536


def test_waves_are_written_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    scores, out = tmp_path / "scores.csv", tmp_path / "waves.csv"
    pd.DataFrame({"subject": [f"s{n}" for n in range(200)], "propensity": np.linspace(0, 1, 200)}).to_csv(scores, index=False)
    command = ("waves", "--scores", scores, "--out", out, "--salt", "spring", "--first", "2026-11-02T09:00", "--gap-min", "30")
    assert run(monkeypatch, *command, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"out": str(out), "subjects": [20] * 10, "holdout": [1] * 10}
    written = pd.read_csv(out)
    assert written.loc[written["wave"] == 0, "subject"].isin([f"s{n}" for n in range(180, 200)]).all()
    assert np.diff(np.unique(written["starts_ms"])).tolist() == [30 * 60_000] * 9
    scores.write_text("subject,likely\na,1\n", encoding="utf-8")
    assert run(monkeypatch, *command) == 1
    assert "lacks the columns propensity; it has subject, likely" in capsys.readouterr().err


def test_items_are_compared_with_popularity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Two groups of subjects with fifteen items each: only similarity tells the groups apart."""
    draws = np.random.default_rng(0)
    rows = [tables.line(f"s{who}", day, f"item-{(who % 2) * 15 + int(draws.integers(15))}") for who in range(80) for day in range(0, 60, 5)]
    assert run(monkeypatch, "items", "--baskets", tables.baskets(tmp_path / "baskets.csv", rows), "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["items"] == 30
    assert report["new_only"]["difference"]["low"] > 0.0
    assert run(monkeypatch, "items", "--baskets", tmp_path / "baskets.csv") == 0
    assert "new items only" in capsys.readouterr().out


def test_speed_reports_every_estimator_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "speed", "--estimators", "hybrid,naive-bayes", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [of["estimator"] for of in found] == ["hybrid", "naive-bayes"]
    assert all(
        of["batch_1_us"] > 0 and of["parity_worst"] <= 1e-5 and of["bytes"] < 1_048_576 and of["parity_rows"] >= 1_000 for of in found
    )


@pytest.mark.parametrize("command", ["speed", "items", "priors", "waves"])
def test_help_has_an_example(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run(monkeypatch, command, "--help") == 0
    assert f"wayside-models {command}" in capsys.readouterr().out

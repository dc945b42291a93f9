"""`wayside-models value`: values of subjects, and the fitted parameters."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from tests.models.history import tables
from tests.models.history.tables import line, run
from tests.models.value import cdnow


def test_cdnow_from_transactions_to_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = cdnow.as_baskets(tmp_path / "baskets.csv"), tmp_path / "clv.csv"
    command = ("value", "--baskets", path, "--until", "1997-10-01", "--out", out)
    assert run(monkeypatch, *command, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    # The sample file lacks some subjects of the published summary, so the parameters are near the published ones, not equal.
    assert (report["forecast"]["chosen"], report["bg_nbd"]["modified"]) == ("MBG/NBD", True)
    assert report["forecast"]["covered"] >= 0.9
    for name, published, error in zip(
        ("r", "alpha", "a", "b"), (0.525, 6.183, 0.891, 1.614), report["bg_nbd"]["standard_errors"], strict=True
    ):
        assert abs(report["bg_nbd"][name] - published) < 3 * error
    assert sum(report["tiers"][1:]) == report["subjects"] > 1_000
    assert report["tiers"][0] == 0
    rows = pd.read_csv(out)
    assert len(rows) == report["subjects"]
    assert rows["clv_minor"].sum() == pytest.approx(report["total_minor"])
    one_time = rows["frequency"] == 0
    assert rows["probability_alive"].between(0, 1, inclusive="neither").all(), "a one-time buyer may have left too"
    assert report["one_time_buyers"] == one_time.sum() > 100
    assert report["mean_probability_alive"] == pytest.approx(rows.loc[~one_time, "probability_alive"].mean())
    assert report["mean_probability_alive_one_time"] == pytest.approx(rows.loc[one_time, "probability_alive"].mean()) != 1.0
    assert ((rows["clv_low_minor"] <= rows["clv_minor"]) & (rows["clv_minor"] <= rows["clv_high_minor"])).mean() > 0.9


def test_the_text_output_has_the_parameters_and_the_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        line(f"s{number}", day, amount=100 + 3 * number + day) for number in range(120) for day in range(number % 7, 100, 11 + number % 13)
    ]
    rows.append(line("once", 3))
    assert run(monkeypatch, "value", "--baskets", tables.baskets(tmp_path / "b.csv", rows)) == 0
    output = capsys.readouterr().out
    assert "BG/NBD" in output
    assert "without it: tier 0" in output
    assert "mean probability that a repeat buyer is still active: " in output
    assert "that of 1 one-time buyers, by MBG/NBD: " in output
    assert re.search(r"BG/NBD is used: mean log probability of a held-out month is BG/NBD -[0-9.]+, MBG/NBD -[0-9.]+;", output)


def test_faults_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ten = tables.baskets(tmp_path / "ten.csv", [line(f"s{number}", number) for number in range(10)])
    refused = tables.baskets(tmp_path / "refused.csv", [line("", 1)])
    for path, why in ((ten, "10 subjects with 0 repeat buyers are too few"), (refused, "no purchase")):
        assert run(monkeypatch, "value", "--baskets", path) == 1
        output = capsys.readouterr()
        assert why in output.err
        assert output.err.splitlines()[-1].startswith("error: ")
        assert output.err.count("error: ") == 1
    assert run(monkeypatch, "value", "--baskets", ten, "--months", 0) == 2

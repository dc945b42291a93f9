"""`wayside-models history`: text and JSON output, and one line per error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.models.history import tables
from tests.models.history.tables import happened, line, run


def test_check_counts_and_exits_with_1_if_rows_were_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = tables.baskets(tmp_path / "good.csv", [line("a", 1)])
    bad = tables.baskets(tmp_path / "bad.csv", [line("a", 1), line("", 1)])
    assert run(monkeypatch, "history", "check", "--baskets", good) == 0
    assert "1 rows in, 1 used; refused: none" in capsys.readouterr().out
    assert run(monkeypatch, "history", "check", "--baskets", bad) == 1
    assert "refused: no_subject 1" in capsys.readouterr().out
    assert run(monkeypatch, "history", "check", "--baskets", bad, "--json") == 1
    assert json.loads(capsys.readouterr().out)["tables"][0]["refused"] == {"no_subject": 1}


def test_summary_of_an_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    tables.baskets(tmp_path / "baskets.csv", [line("a", 0), line("a", 31, "[red]milk")])
    tables.interactions(tmp_path / "interactions.csv", [happened("b", 5, "visit", zone="cafe"), happened("b", 9, "visit", zone="pub")])
    assert run(monkeypatch, "history", "summary", "--dir", tmp_path, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["first_day"], report["last_day"], report["subjects"], report["baskets"], report["items"]) == (
        "2026-01-01",
        "2026-02-01",
        2,
        2,
        2,
    )
    assert report["interactions_by_type"] == [{"what": "visit", "rows": 2, "subjects": 1, "zones": 2}]
    assert report["distributions"][1]["maximum"] == 31.0
    assert run(monkeypatch, "history", "summary", "--dir", tmp_path) == 0
    assert "2026-01-01 to 2026-02-01, 2 subjects" in capsys.readouterr().out


def test_a_history_of_one_day_is_0_days_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    path = tables.baskets(tmp_path / "b.csv", [line("a", 0), line("b", 0)])
    assert run(monkeypatch, "history", "summary", "--baskets", path, "--json") == 0
    ages = json.loads(capsys.readouterr().out)["distributions"][2]
    assert (ages["name"], ages["mean"], ages["maximum"]) == ("days since the first", 0.0, 0.0)


def test_scale_measures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "history", "scale", "--rows", 2_000, "--memory-mb", 256, "--json") == 0
    assert json.loads(capsys.readouterr().out)["memory_limit_mb"] == 256


def test_faults_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tables.baskets(tmp_path / "empty.csv", [])
    for arguments, why in (
        (("check",), "no history is given"),
        (("check", "--dir", tmp_path), "holds neither"),
        (("check", "--baskets", empty, "--map", "subject=Nobody"), "lacks the column 'Nobody'"),
        (("summary", "--baskets", empty), "no row of the history can be used"),
    ):
        assert run(monkeypatch, "history", *arguments) == 1, arguments
        output = capsys.readouterr()
        assert output.err.splitlines()[-1].startswith("error: "), arguments
        assert why in output.err
        assert output.err.count("error: ") == 1
        assert output.out == ""


@pytest.mark.parametrize("command", ["history check", "history summary", "history scale", "rules", "journeys", "value"])
def test_help_has_an_example(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run(monkeypatch, *command.split(), "--help") == 0
    assert f"Example: wayside-models {command}" in capsys.readouterr().out

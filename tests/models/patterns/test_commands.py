"""`wayside-models rules` and `journeys`: every pattern is kept or counted with the reason why it is dropped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.history.synthetic import PLANTED, generate
from tests.kit.shared import shared_path
from tests.models.history import tables
from tests.models.history.tables import line, run


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    generate(folder / "export", 30_000, seed=5)
    return folder / "export"


def test_groceries_on_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    path = shared_path("data/tables/groceries/groceries_baskets.txt.gz")
    command = ("rules", "--baskets", path, "--lines", ";", "--confidence", 0.8, "--margin-minor", 100, "--json")
    assert run(monkeypatch, *command) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["baskets"], report["sets"], report["rules"]) == (9_835, 13_492, 410)
    assert (report["items"], report["rare_items"]) == (157, 12)
    assert report["rules"] == report["kept"] + sum(report["redundant"].values()) + sum(report["worthless"].values())


def test_rare_items_are_counted_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("tea;milk\n" * 9 + "tea;saffron;truffle\n", encoding="utf-8")
    command = ("rules", "--baskets", path, "--lines", ";", "--margin-minor", 100, "--support")
    assert run(monkeypatch, *command, 0.2) == 0
    assert "2 items in less than 20.000% of the baskets are left out: no set that holds one reaches --support" in capsys.readouterr().out
    assert run(monkeypatch, *command, 0.1) == 0
    assert "left out" not in capsys.readouterr().out


def test_the_planted_rule_is_found_valued_and_written(
    synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "patterns.json"
    assert run(monkeypatch, "rules", "--dir", synthetic, "--support", 0.005, "--out", out) == 0
    assert "rules by expected margin" in capsys.readouterr().out
    patterns = json.loads(out.read_text(encoding="utf-8"))["patterns"]
    assert {(*pattern["left"], pattern["right"]) for pattern in patterns[:2]} == {PLANTED, PLANTED[::-1]}
    assert len(patterns) < 10


def test_without_margins_everything_is_worthless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [line(f"s{day}", day, item, amount="") for day in range(60) for item in (("tea", "milk") if day % 2 else ("salt",))]
    rows += [line("more", day, "tea", amount="") for day in range(4)]
    path = tables.baskets(tmp_path / "b.csv", rows)
    out = tmp_path / "patterns.json"
    assert run(monkeypatch, "rules", "--baskets", path, "--support", 0.1, "--out", out, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["kept"], report["worthless"]) == (0, {"no_margin": 2})
    assert json.loads(out.read_text(encoding="utf-8"))["patterns"] == []
    margins = tmp_path / "margins.csv"
    margins.write_text("item,margin_minor\nmilk,50\n", encoding="utf-8")
    assert run(monkeypatch, "rules", "--baskets", path, "--support", 0.1, "--margins", margins, "--json") == 0
    assert [pattern["right"] for pattern in json.loads(capsys.readouterr().out)["top"]] == ["milk"]


def test_volume_follows_the_value_of_the_decision(
    synthetic: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read = []
    for mdv in (3_000, 6_000):
        assert run(monkeypatch, "rules", "--dir", synthetic, "--support", 0.02, "--mdv", mdv, "--json") == 0
        read.append(json.loads(capsys.readouterr().out)["baskets"])
    assert read[1] == pytest.approx(2 * read[0], rel=0.05)
    decision = ("--uplift", 0.03, "--margin-minor", 200, "--reach", 1_000, "--processing-minor", 3_000)  # .03 x 200 x 1,000 - 3,000
    assert run(monkeypatch, "rules", "--dir", synthetic, "--support", 0.02, *decision, "--json") == 0
    assert json.loads(capsys.readouterr().out)["baskets"] == read[0]
    assert run(monkeypatch, "rules", "--dir", synthetic, "--mdv", 0) == 1
    assert "nothing is mined" in capsys.readouterr().err


def test_journeys_of_a_synthetic_street(
    synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "patterns.json"
    command = ("journeys", "--dir", synthetic, "--window-days", 90, "--margin-minor", 300, "--k", 30, "--out", out)
    assert run(monkeypatch, *command, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert "station > plaza > cafe" in report["cohorts"]
    assert min(report["cohorts"].values()) >= 30
    assert report["journeys"] + report["candidates"] == report["kept"] + sum(report["worthless"].values())
    assert not any(key in json.dumps(report) for key in ("s000000", 'subjects":'))
    assert run(monkeypatch, *command) == 0
    assert "journeys," in capsys.readouterr().out


def test_faults_are_one_line(synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    margins = tmp_path / "margins.csv"
    margins.write_text("item,price\nmilk,50\n", encoding="utf-8")
    for arguments, why in (
        (("rules",), "no history is given"),
        (("rules", "--dir", synthetic, "--support", 0), "support of 0"),
        (("rules", "--dir", synthetic, "--margins", margins), "is not a table of margins"),
        (("rules", "--lines", ";"), "--lines needs --baskets"),
        (("journeys", "--dir", synthetic, "--by", "mood"), "not 'mood'"),
        (("journeys", "--dir", synthetic, "--window-days", 900), "windows of 900 days"),
    ):
        assert run(monkeypatch, *arguments) == 1, arguments
        output = capsys.readouterr()
        assert why in output.err
        assert output.err.splitlines()[-1].startswith("error: ")
        assert output.err.count("error: ") == 1

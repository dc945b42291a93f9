"""Planning commands: tables, CSV, charts, JSON, and one line per error."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from models import cli
from models.planning.behaviour import behaviour_table
from models.planning.segments import BEHAVIOUR
from models.planning.sheets import PlanningError
from models.planning.survey import cronbach_alpha

JUDGE = ",a,b,c\na,1,{ab},4\nb,,1,2\nc,,,1\n"


def models(*words: object) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def judge(tmp_path: Path) -> Path:
    path = tmp_path / "judge.csv"
    path.write_text(JUDGE.format(ab=2))
    return path


def test_ahp(judge: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "weights.csv", tmp_path / "weights.svg"
    result = models("ahp", judge, "--out", out, "--picture", picture, "--json")
    assert result.exit_code == 0
    group = json.loads(result.stdout)["group"]
    assert group["eigenvector"] == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert next(csv.reader(out.read_text().splitlines())) == ["criterion", "eigenvector", "row geometric mean", "column mean"]
    assert "CR 0.000 (limit 0.1): consistent" in picture.read_text()
    before = picture.read_bytes()
    models("ahp", judge, "--picture", picture)
    assert picture.read_bytes() == before  # the same figures, the same bytes


def test_ahp_exits_with_1_if_judges_are_inconsistent(judge: Path) -> None:
    judge.write_text(JUDGE.format(ab="1/9"))
    result = models("ahp", judge)
    assert result.exit_code == 1
    assert "NOT consistent" in result.stdout
    assert "ask again about a against c" in result.stdout


def test_ahp_judges_must_judge_the_same(judge: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text(JUDGE.format(ab=2).replace("c", "d"))
    with pytest.raises(PlanningError, match="does not compare the criteria"):
        models("ahp", judge, other)


def test_vikor(tmp_path: Path) -> None:
    table, picture, out = tmp_path / "table.csv", tmp_path / "table.svg", tmp_path / "q.csv"
    table.write_text("name,price,taste\nx,3,9\ny,2,2\nz,9,3\n")
    result = models("vikor", table, "--cost", "price", "--picture", picture, "--out", out)
    assert result.exit_code == 0
    assert "entropy weights measure how far" in result.stdout
    assert ">x</text>" in picture.read_text()
    stated = models("vikor", table, "--cost", "price", "--weight", "price=1", "--weight", "taste=0", "--json")
    assert json.loads(stated.stdout)["warnings"] == []
    assert json.loads(stated.stdout)["ranking"]["sweep"][0]["proposed"][0] == "y"
    for words, complaint in ((("--weight", "price=1"), "'taste' has no"), (("--weight", "price"), "is not criterion=number")):
        with pytest.raises(PlanningError, match=complaint):
            models("vikor", table, *words)


def test_segments(tmp_path: Path) -> None:
    table, out, picture = tmp_path / "people.csv", tmp_path / "segments.csv", tmp_path / "segments.svg"
    cells = np.random.default_rng(8).uniform(size=(120, 3))
    lines = [",".join(("subject", *BEHAVIOUR[:3]))] + [
        f"s{number}," + ",".join(f"{x:.3f}" for x in row) for number, row in enumerate(cells)
    ]
    table.write_text("\n".join(lines))
    result = models("segments", table, "--out", out, "--picture", picture)
    assert result.exit_code == 0
    assert "no cluster structure" in result.stdout
    assert len(out.read_text().splitlines()) == 121
    assert "Segments by behaviour" in picture.read_text()


def test_survey(tmp_path: Path) -> None:
    draws = np.random.default_rng(9)
    table, picture = tmp_path / "answers.csv", tmp_path / "answers.svg"
    common = draws.normal(size=(80, 1))
    answers = np.round(3 + common + draws.normal(0, 0.7, (80, 4)), 2)
    table.write_text("who,a,b,c,d\n" + "\n".join(f"r{number}," + ",".join(map(str, row)) for number, row in enumerate(answers.tolist())))
    result = models("survey", table, "--scale", "x=a,b,c,d", "--picture", picture, "--json")
    assert json.loads(result.stdout)["scales"][0]["alpha"] > 0.8
    assert "eigenvalue" in picture.read_text()
    with pytest.raises(PlanningError, match="is not name=item"):
        models("survey", table, "--scale", "a,b")


@pytest.mark.parametrize("named", [[], ["who"]], ids=["items only", "respondents named"])
def test_the_first_column_of_a_survey_is_an_item_where_a_scale_names_it(tmp_path: Path, named: list[str]) -> None:
    """With and without a column of respondents the answers are the same ones; a column in no scale is named and ignored."""
    draws = np.random.default_rng(9)
    table = tmp_path / "answers.csv"
    answers = np.round(3 + draws.normal(size=(80, 1)) + draws.normal(0, 0.7, (80, 3)), 2)
    lines = [",".join([*(f"r{number}" for _ in named), *map(str, row), "x"]) for number, row in enumerate(answers.tolist())]
    table.write_text("\n".join((",".join([*named, "a", "b", "c", "note"]), *lines)))
    report = json.loads(models("survey", table, "--scale", "x=a,b,c", "--json").stdout)
    assert report["ignored"] == [*named, "note"]
    assert (report["respondents"], report["factors"]["items"]) == (80, ["a", "b", "c"])
    assert report["scales"][0]["alpha"] == pytest.approx(cronbach_alpha(answers))
    assert "columns in no scale, ignored: " in models("survey", table, "--scale", "x=a,b,c").stdout
    with pytest.raises(PlanningError, match="has no column 'd'; there are"):
        models("survey", table, "--scale", "x=a,d")


def test_sample_size() -> None:
    assert models("sample-size", "0.05").stdout == "385\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "needs a header line"),
        ("a,b\n", "needs a header line"),
        ("n,a,b\nx,1\n", "line 2 has 2 cells, the header 3"),
        ("n,a,b\nx,1,two\n", "line 2, column 'b' holds 'two', which is not a number"),
        ("n,a,b\nx,1,1/0\n", "column 'b' holds '1/0'"),
        ("n,a,b\nx,1,inf\n", "not a finite number"),
        ("n,a,b\nx,1,\n", "column 'b' is empty"),
        ("n,a,a\nx,1,2\n", "the column 'a' occurs twice"),
        ("n,a,b\nx,1,2\nx,3,4\n", "the row 'x' occurs twice"),
    ],
)
def test_a_table_with_a_fault_is_refused_by_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(PlanningError, match=complaint):
        models("vikor", path)


def test_segments_use_behaviour_only_and_report_the_rest(tmp_path: Path) -> None:
    """An age column, an empty cell and a constant column do not end the command; each is reported."""
    table = tmp_path / "people.csv"
    lines = [f"s{number},{number},{'' if number == 7 else 1},{20 + number}" for number in range(40)]
    table.write_text("\n".join(("subject,visits_month,variety,age", *lines)))
    report = json.loads(models("segments", table, "--json").stdout)
    assert (report["ignored"], report["left_out"], report["clusters"]) == (["age"], 1, 0)
    assert "is constant" in report["clusters_skipped"]
    shown = " ".join(models("segments", table).stdout.split())
    assert "columns ignored, not behaviour: age" in shown
    assert "1 subjects with an empty cell" in shown


def test_segments_of_a_history(tmp_path: Path) -> None:
    """Known answers: redeeming the offers shown is economic; returning to many places and buying without offers is not."""
    day, rows = 86_400_000, ["subject,at_ms,what,zone,kind,offer,decision,amount_minor"]
    for number in range(30):
        keen, at = number % 2 == 0, 1_700_000_000_000 + number
        rows += [f"s{number},{at + visit * day},visit,z{visit % 2},bar,,," for visit in range(10 if keen else 3)]
        rows.append(f"s{number},{at + day},shown,z0,bar,o,d{number},")
        rows.append(f"s{number},{at + day + 1},{'dismissed' if keen else 'redeemed'},z0,bar,o,d{number},")
        rows.append(f"s{number},{at + day + 2},purchase,z0,bar,{'' if keen else 'o'},{'' if keen else f'd{number}'},{900 if keen else 300}")
    (tmp_path / "interactions.csv").write_text("\n".join([*rows, "s1,no time,visit,z0,bar,,,"]))
    out = tmp_path / "segments.csv"
    report = json.loads(models("segments", "--history", tmp_path, "--out", out, "--json").stdout)
    assert report["tables"][0]["refused"] == {"bad_at_ms": 1}
    assert report["ignored"] == []
    segment = dict(line.split(",")[:2] for line in out.read_text().splitlines()[1:])
    assert {segment[f"s{number}"] for number in range(1, 30, 2)} == {"economic"}
    assert "economic" not in {segment[f"s{number}"] for number in range(0, 30, 2)}
    sheet, _ = behaviour_table(tmp_path)
    behaviour = dict(zip(sheet.columns, sheet.cells[sheet.rows.index("s0")], strict=True))
    assert behaviour == {
        "visits_month": 10.0, "revisit_share": 0.8, "answered_share": 1.0, "purchases_month": 1.0, "amount_ratio": 1.5,
        "full_price_share": 1.0, "opened_share": 0.0, "variety": 1.0, "redeemed_share": 0.0,
    }  # fmt: skip

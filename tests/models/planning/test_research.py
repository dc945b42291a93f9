"""Commands for questionnaires and interviews: tables, CSV, charts, JSON, exit codes, and one line per error."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from models import cli
from models.planning.sheets import PlanningError


def models(*words: object) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """120 respondents; `trust` drives `use`, `noise` does not."""
    draws = np.random.default_rng(9)
    factors = draws.normal(size=(120, 3))
    factors[:, 1] = 0.7 * factors[:, 0] + 0.7 * factors[:, 1]
    items = factors.repeat(3, axis=1) + draws.normal(0, 0.5, (120, 9))
    path = tmp_path / "answers.csv"
    header = "t1,t2,t3,u1,u2,u3,n1,n2,n3"
    path.write_text("\n".join([header, *(",".join(f"{cell:.3f}" for cell in row) for row in items)]))
    return path


SCALES = ("--scale", "trust=t1,t2,t3", "--scale", "use=u1,u2,u3", "--scale", "noise=n1,n2,n3")


def test_survey_with_paths(answers: Path, tmp_path: Path) -> None:
    picture = tmp_path / "paths.svg"
    words = ("survey", answers, *SCALES, "--path", "use=trust,noise", "--draws", 100)
    shown = models(*words, "--picture", picture)
    assert "trust -> use" in shown.stdout
    assert "not distinguishable from no effect" in shown.stdout
    assert "predicts held-out respondents" in " ".join(shown.stdout.split())
    assert "Paths (95 %)" in picture.read_text()
    report = json.loads(models(*words, "--json", "--scheme", "centroid").stdout)["path_model"]
    assert (report["scheme"], report["draws"], report["respondents"]) == ("centroid", 100, 120)
    assert [path["verdict"] for path in report["paths"]] == ["supported", "not distinguishable from no effect"]


def test_survey_without_paths_has_no_path_model(answers: Path) -> None:
    assert json.loads(models("survey", answers, *SCALES, "--json").stdout)["path_model"] is None
    for words, complaint in ((("--path", "use"), "is not target=source"), (("--path", "use=trsut"), "no scale is called 'trsut'")):
        with pytest.raises(PlanningError, match=complaint):
            models("survey", answers, *SCALES, *words)


def test_criteria(tmp_path: Path) -> None:
    table, out, picture = tmp_path / "ratings.csv", tmp_path / "tests.csv", tmp_path / "tests.svg"
    rows = [f"{number + 100},{4 + number % 2},{1 + number % 5}" for number in range(20)]
    table.write_text("\n".join(["respondent,speed,colour", *rows]))
    words = ("criteria", table, "--scale", "1:5", "--ignore", "respondent")
    result = models(*words, "--out", out, "--picture", picture)
    assert "Means against 3" in result.stdout
    lines = list(csv.DictReader(out.read_text().splitlines()))
    assert [(line["criterion"], line["verdict"]) for line in lines] == [
        ("speed", "above the middle"),
        ("colour", "not distinguishable from the middle"),
    ]
    assert "Holm" in picture.read_text()
    report = json.loads(models(*words, "--json").stdout)
    assert (report["middle"], len(report["criteria"])) == (3, 2)
    for changed, complaint in (
        (
            ("criteria", table, "--scale", "1:5"),
            "outside the scale 1 to 5; a column that is no criterion is left out by --ignore respondent",
        ),
        (("criteria", table, "--scale", "5"), "is not lowest:highest"),
        ((*words, "--ignore", "speed", "--ignore", "colour"), "leaves no criterion"),
        ((*words, "--ignore", "age"), "there is no column 'age'"),
    ):
        with pytest.raises(PlanningError, match=complaint):
            models(*changed)


def test_the_help_of_criteria_names_the_gap_of_the_source() -> None:
    assert "prints no table of means" in " ".join(models("criteria", "--help").stdout.replace("│", " ").split())


@pytest.fixture
def segments(tmp_path: Path) -> Path:
    path = tmp_path / "segments.csv"
    rows = [f"{i},s{s},{coder},{'speed' if s % 2 else 'trust'}" for i in range(5) for s in range(4) for coder in ("ann", "bob")]
    path.write_text("\n".join(["interview,segment,coder,code", *rows, "0,s0,bob,price"]))
    return path


def test_coding(segments: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "codes.csv", tmp_path / "codes.svg"
    result = models("coding", segments, "--out", out, "--picture", picture)
    assert "saturated after 1 interviews: the next 3 add no code" in result.stdout
    assert "ann and bob, 20 segments of 5 interviews: pooled kappa" in result.stdout
    lines = list(csv.DictReader(out.read_text().splitlines()))
    assert [(line["code"], line["segments"], line["interviews"], line["kappa"]) for line in lines] == [
        ("speed", "10", "5", "1"),
        ("trust", "10", "5", "1"),
        ("price", "1", "1", "0"),
    ]
    assert "mean over all orders" in picture.read_text()
    report = json.loads(models("coding", segments, "--json", "--run", 4).stdout)
    assert report["saturation"]["reached_after"] == 1
    assert "not saturated" in models("coding", segments, "--run", 5).stdout
    with pytest.raises(PlanningError, match="is not first,second"):
        models("coding", segments, "--coders", "ann")


def test_coding_by_one_coder(segments: Path) -> None:
    segments.write_text(segments.read_text().replace(",bob,", ",ann,"))
    result = models("coding", segments)
    assert "one coder only" in result.stdout
    assert "20 rows occur twice and count once" in result.stdout


def test_fit_check() -> None:
    words = ("fit-check", "--nnfi", ".96", "--cfi", ".95", "--ifi", ".93", "--chi2-per-df", "1.34", "--rmsea", ".03", "--respondents", 384)
    result = models(*words, "--same", "R²=.790,.76")
    assert result.exit_code == 1
    assert result.stdout.count("IMPOSSIBLE") == 4
    assert result.stdout.count(" possible") == 1
    possible = models("fit-check", "--nnfi", ".94", "--cfi", ".95", "--ifi", ".96", "--json")
    assert (possible.exit_code, json.loads(possible.stdout)["possible"]) == (0, True)
    with pytest.raises(PlanningError, match="nothing to check"):
        models("fit-check")


def test_ahp_in_words(tmp_path: Path) -> None:
    judge, out = tmp_path / "judge.csv", tmp_path / "weights.csv"
    judge.write_text(",a,b\na,,moderately more important\nb,,\n")
    assert "fuzzy low" in models("ahp", judge, "--out", out).stdout
    first = next(csv.DictReader(out.read_text().splitlines()))
    assert (float(first["eigenvector"]), float(first["fuzzy middle"])) == pytest.approx((0.75, 0.75))
    assert float(first["fuzzy low"]) < 0.75 < float(first["fuzzy high"])

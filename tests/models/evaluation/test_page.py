"""The HTML report: it states the measured figures, loads nothing and runs no script."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models import cli
from models.evaluation.commands import read_forecasts
from models.evaluation.evaluation import evaluate_forecasts
from models.evaluation.lift import EvaluationError
from models.evaluation.page import page
from models.tables.reading import TableError

DRAWS = np.random.default_rng(2)
FORECAST = DRAWS.beta(2, 5, 800)
TAKEN = (DRAWS.uniform(size=800) < FORECAST).astype(np.int64)
PEOPLE = np.arange(800) // 2
SEGMENTS = ["<script>alert(1)</script>", "south"] * 400


@pytest.fixture(scope="module")
def text() -> str:
    return page(evaluate_forecasts("flat white & <b>more</b>", TAKEN, FORECAST, people=PEOPLE, segments=SEGMENTS))


class Walk(HTMLParser):
    """Collects tags and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [
            value or "" for name, value in attrs if name in {"src", "href", "xlink:href"} and not (value or "").startswith("#")
        ]


def test_the_page_stands_alone(text: str) -> None:
    walk = Walk()
    walk.feed(text)
    assert {"svg", "table", "figure"} < walk.tags
    assert not {"script", "link", "iframe", "img", "b><"} & walk.tags
    assert walk.addresses == []
    assert "default-src 'none'" in text
    assert not re.search(r"\son\w+=", text)
    assert text.count("<svg") == 3


def test_input_stays_text(text: str) -> None:
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "flat white &amp; &lt;b&gt;more&lt;/b&gt;" in text


def test_the_summary_states_the_figures(text: str) -> None:
    evaluation = evaluate_forecasts("x", TAKEN, FORECAST, people=PEOPLE)
    assert f"{100 * evaluation.base_rate:.0f} take the offer" in text
    assert f"{evaluation.lift.deciles[0].lift:.1f} times as many" in text
    assert f"{evaluation.figures.auc.value:.3f}" in text
    assert "guessing the commoner outcome" in text


def test_the_same_figures_give_the_same_page(text: str) -> None:
    assert page(evaluate_forecasts("flat white & <b>more</b>", TAKEN, FORECAST, people=PEOPLE, segments=SEGMENTS)) == text


def test_calibration_shows_the_outcomes() -> None:
    evaluation = evaluate_forecasts("x", TAKEN, FORECAST, people=PEOPLE)
    assert len(evaluation.calibration) == 10
    assert np.mean([one.taken for one in evaluation.calibration]) == pytest.approx(TAKEN.mean())
    inside = [one.low <= one.forecast <= one.high for one in evaluation.calibration]
    assert sum(inside) >= 8
    off = evaluate_forecasts("x", TAKEN, FORECAST**3, people=PEOPLE)
    assert sum(one.low <= one.forecast <= one.high for one in off.calibration) <= 4


def test_accuracy_stands_beside_guessing() -> None:
    evaluation = evaluate_forecasts("x", TAKEN, np.full(800, 0.1), people=PEOPLE)
    assert evaluation.accuracy == evaluation.majority_accuracy == pytest.approx(1 - TAKEN.mean())


def test_remarks_warn_of_few_rows() -> None:
    evaluation = evaluate_forecasts("x", TAKEN[:120], FORECAST[:120])
    assert len(evaluation.remarks) == 2
    assert "every row as a person of its own" in evaluation.remarks[0]


def test_the_command(tmp_path: Path) -> None:
    table, report = tmp_path / "forecasts.csv", tmp_path / "report.html"
    lines = [
        f"{taken},{forecast:.4f},p{person},{segment}"
        for taken, forecast, person, segment in zip(TAKEN, FORECAST, PEOPLE, ["n", "s"] * 400, strict=True)
    ]
    table.write_text("\n".join(["taken,forecast,person,segment", *lines, "maybe,0.5,p1,n", "1,1.5,p1,n"]))
    result = CliRunner().invoke(cli.app, ["judge", str(table), "--page", str(report), "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert (printed["evaluation"]["rows"], printed["evaluation"]["people"]) == (800, 400)
    assert printed["refused"] == {"unknown_outcome": 1, "no_probability": 1}
    assert "How good are the forecasts of forecasts?" in report.read_text()
    shown = CliRunner().invoke(cli.app, ["judge", str(table)], catch_exceptions=False)
    assert "802 rows in, 800 used; refused: no_probability 1, unknown_outcome 1" in shown.stdout


def test_a_table_without_its_columns(tmp_path: Path) -> None:
    table = tmp_path / "forecasts.csv"
    table.write_text("taken,score\n1,0.5\n")
    with pytest.raises(TableError, match="lacks the columns forecast; it has taken, score"):
        read_forecasts(table)
    table.write_text("")
    with pytest.raises(TableError, match="is not a CSV table"):
        read_forecasts(table)
    table.write_text("taken;forecast\n1;0.5\n")
    with pytest.raises(TableError, match="';' seems to separate its columns, and a comma should"):
        read_forecasts(table)
    table.write_bytes(b"taken,forecast,segment\n1,0.5,caf\xe9\n")
    with pytest.raises(TableError, match="save it as UTF-8"):
        read_forecasts(table)
    table.write_text("taken,forecast,person\n1,0.5,\n0,0.1,\n")
    with pytest.raises(EvaluationError, match="none of 2 rows can be used; refused: no_person 2"):
        read_forecasts(table)

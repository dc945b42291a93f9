"""`wayside-models boards`: its table, its refusals and its JSON."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from models.benchmarks.benchmark import Line, exact
from models.benchmarks.runner import BENCHMARKS, BenchmarkError, chosen, steps_of
from models.cli import app
from models.measures import Interval


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of tables with too few grocery baskets and nothing else."""
    folder = tmp_path / "tables" / "groceries"
    folder.mkdir(parents=True)
    text = "\n".join(["whole milk;bread"] * 30 + ["bread;beer"] * 20)
    (folder / "groceries_baskets.txt.gz").write_bytes(gzip.compress(text.encode()))
    return tmp_path


def test_a_missed_target_is_shown_with_its_gap(data: Path) -> None:
    done = CliRunner().invoke(app, ["boards", "--data", str(data)])
    assert done.exit_code == 0
    assert "50 rows in, 50 used; refused: none" in done.output
    assert "= 2,513: gap 2,483" in done.output
    assert "1 benchmarks, 0 of 4 targets reached" in done.output
    assert "missed: groceries: rules at confidence 0.8" in done.output


def test_strict_leaves_with_one_when_a_target_is_missed(data: Path) -> None:
    assert CliRunner().invoke(app, ["boards", "--data", str(data / "tables"), "--strict"]).exit_code == 1


def test_json_is_one_line_a_benchmark(data: Path) -> None:
    done = CliRunner().invoke(app, ["boards", "--data", str(data), "--only", "groceries", "--json"])
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("{")]
    printed = json.loads(line)
    assert printed["benchmark"]["counts"] == {"rows_in": 50, "rows_used": 50, "refused": {}}
    assert printed["reached"]["baskets with whole milk"] is False
    assert printed["gaps"]["baskets with whole milk"] == 2_483


def test_a_benchmark_that_cannot_be_run_states_a_reason(data: Path, tmp_path: Path) -> None:
    assert chosen(data, ()) == ["groceries"]
    with pytest.raises(BenchmarkError, match="there is no benchmark 'grocer'; there are online_shoppers"):
        chosen(data, ["grocer"])
    with pytest.raises(BenchmarkError, match="has no folder hillstrom"):
        chosen(data, ["hillstrom"])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BenchmarkError, match="has none of the folders"):
        chosen(empty, ())


def test_every_benchmark_states_its_steps() -> None:
    assert all(spec.steps > 0 for spec in BENCHMARKS.values())
    assert steps_of(["groceries", "cdnow"]) == 4


def test_a_target_may_be_of_the_lower_end() -> None:
    line = Line(figure="f", ours=Interval(value=0.5, low=0.4, high=0.6), target=0.45)
    assert line.reached is True
    unsure = msgspec.structs.replace(line, by_lower_end=True)
    assert unsure.reached is False
    assert unsure.gap == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("target", "within", "reached", "gap"),
    [(None, None, None, None), (0.5, None, True, None), (0.7, None, False, 0.2), (0.52, 0.05, True, None), (0.6, 0.05, False, 0.1)],
)
def test_a_target_is_reached_or_has_a_gap(target: float | None, within: float | None, reached: object, gap: float | None) -> None:
    line = Line(figure="f", ours=exact(0.5), target=target, within=within)
    assert line.reached is reached
    assert line.gap == (None if gap is None else pytest.approx(gap))

"""`wayside-models judge`: forecasts of any model beside the outcomes, as a table and as an HTML report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray

from models.evaluation.evaluation import Evaluation, evaluate_forecasts
from models.evaluation.lift import EvaluationError
from models.evaluation.page import page
from models.screen import counts_text, interval_text, print_json, say, show
from models.tables.reading import read_all, require_columns

_OUTCOMES = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1, "no": 0, "yes": 1}


class Forecasts(NamedTuple):
    """Outcomes 0/1, forecasts, person numbers and segments of a CSV, each (n,); `refused` counts rows left out by reason."""

    taken: NDArray[np.int64]
    forecast: NDArray[np.float64]
    people: NDArray[np.int64] | None
    segments: list[str] | None
    refused: dict[str, int]


def judge(
    table: Annotated[
        Path,
        typer.Argument(
            help="CSV file with columns taken (0 or 1), forecast (probability) and optionally person and segment.",
            exists=True,
            dir_okay=False,
        ),
    ],
    *,
    page_file: Annotated[Path | None, typer.Option("--page", help="HTML report to write, one file.", dir_okay=False)] = None,
    name: Annotated[str, typer.Option(help="Title of the report; default: name of the table file.")] = "",
    seed: Annotated[int, typer.Option(help="Random seed of the bootstrap intervals.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Evaluate predicted probabilities: lift, cumulative gains, AUC, calibration and fairness, with an HTML report."""
    given = read_forecasts(table)
    evaluation = evaluate_forecasts(
        name or table.stem, given.taken, given.forecast, people=given.people, segments=given.segments, seed=seed
    )
    if page_file is not None:
        page_file.write_text(page(evaluation), encoding="utf-8")
    if as_json:
        print_json({"evaluation": evaluation, "refused": given.refused})
        return
    _show(evaluation)
    rows_in = evaluation.rows + sum(given.refused.values())
    say(f"{table.name}: {rows_in:,} rows in, {evaluation.rows:,} used; refused: {counts_text(given.refused)}")


def read_forecasts(path: Path) -> Forecasts:
    """The usable rows of the CSV file at `path`; the others are counted.

    Raises TableError if the file cannot be read or lacks a column, EvaluationError if no row is usable.
    """
    frame = read_all(path)
    require_columns(path, frame, ("taken", "forecast"))
    taken = frame["taken"].str.strip().str.lower().map(_OUTCOMES)
    forecast = pd.to_numeric(frame["forecast"], errors="coerce")
    no_outcome, no_forecast = taken.isna(), ~forecast.between(0, 1)
    no_person = frame["person"].isna() if "person" in frame else no_outcome & False
    good = ~(no_outcome | no_forecast | no_person)
    refused = {
        "unknown_outcome": int(no_outcome.sum()),
        "no_probability": int((no_forecast & ~no_outcome).sum()),
        "no_person": int((no_person & ~no_outcome & ~no_forecast).sum()),
    }
    if not good.any():
        raise EvaluationError(f"{path}: none of {len(frame):,} rows can be used; refused: {counts_text(refused)}")
    kept = frame[good]
    return Forecasts(
        taken=np.asarray(taken[good], dtype=np.int64),
        forecast=forecast[good].to_numpy(dtype=np.float64),
        people=pd.factorize(kept["person"])[0].astype(np.int64) if "person" in kept else None,
        segments=list(kept["segment"].fillna("not stated")) if "segment" in kept else None,
        refused={reason: count for reason, count in refused.items() if count},
    )


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("judge", epilog="Example: [b]wayside-models judge forecasts.csv --page report.html[/b]")(judge)


def _show(evaluation: Evaluation) -> None:
    figures = evaluation.figures
    rows = [
        (one.number, f"{one.forecast_mean:.4f}", f"{one.taken_share:.4f}", f"{one.lift:.2f}", f"{one.capture_so_far:.2%}")
        for one in evaluation.lift.deciles
    ]
    title = f"{evaluation.name}: share taken {evaluation.base_rate:.4f}"
    show(title, ("tenth", "forecast", "took it", "lift", "takers found"), rows)
    rest = f"AP {figures.average_precision:.4f}, Brier {figures.brier:.4f}, log-loss {figures.log_loss:.4f}"
    say(f"AUC {interval_text(figures.auc)}, {rest}, calibration error {figures.calibration_error:.4f}")
    for part in evaluation.fairness.segments if evaluation.fairness else ():
        say(f"{part.name}: {part.rows:,} rows, {part.addressed:.1%} addressed; {'; '.join(part.remarks) or 'no remark'}")
    for remark in evaluation.remarks:
        say(f"note: {remark}")

"""`wayside-models judge`: forecasts of anybody's model against what happened, as a table and as a page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from models.judging.judgement import Judgement, judge
from models.judging.lift import JudgingError
from models.judging.page import page

_SCREEN = Console()
_OUTCOMES = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1, "no": 0, "yes": 1}


class Forecasts(NamedTuple):
    """A CSV of forecasts: who, what was said, what happened. `refused` counts rows left out, by reason."""

    taken: NDArray[np.int64]
    forecast: NDArray[np.float64]
    people: NDArray[np.int64] | None
    segments: list[str] | None
    refused: dict[str, int]


def judge_forecasts(
    table: Annotated[
        Path, typer.Argument(help="CSV: taken (0/1), forecast (0..1), perhaps person and segment.", exists=True, dir_okay=False)
    ],
    *,
    page_file: Annotated[Path | None, typer.Option("--page", help="Write the report here, one HTML file.", dir_okay=False)] = None,
    name: Annotated[str, typer.Option(help="What is forecast, for the title.")] = "",
    seed: Annotated[int, typer.Option(help="Same seed, same table: same intervals.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for machines.")] = False,
) -> None:
    """Lift, capture, AUC, calibration and fairness of forecasts, with a report to read."""
    given = read_forecasts(table)
    judgement = judge(name or table.stem, given.taken, given.forecast, people=given.people, segments=given.segments, seed=seed)
    if page_file is not None:
        page_file.write_text(page(judgement), encoding="utf-8")
    if as_json:
        sys.stdout.write(msgspec.json.encode({"judgement": judgement, "refused": given.refused}).decode() + "\n")
        return
    _show(judgement)
    refused = ", ".join(f"{reason} {count}" for reason, count in given.refused.items()) or "none"
    _SCREEN.print(f"{judgement.rows} rows used; refused: {refused}", markup=False, highlight=False)


def read_forecasts(path: Path) -> Forecasts:
    """Raises JudgingError naming the column that is missing; rows without a usable outcome or forecast are counted."""
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise JudgingError(f"{path} cannot be read as CSV ({str(error)[:120]})") from error
    for column in ("taken", "forecast"):
        if column not in frame:
            raise JudgingError(f"{path} has no column {column!r}; it has {', '.join(frame.columns[:12])}")
    taken = frame["taken"].str.strip().str.lower().map(_OUTCOMES)
    forecast = pd.to_numeric(frame["forecast"], errors="coerce")
    no_outcome, no_forecast = taken.isna(), ~forecast.between(0, 1)
    good = ~(no_outcome | no_forecast)
    refused = {"unknown_outcome": int(no_outcome.sum()), "no_probability": int((no_forecast & ~no_outcome).sum())}
    kept = frame[good]
    return Forecasts(
        taken=np.asarray(taken[good], dtype=np.int64),
        forecast=forecast[good].to_numpy(dtype=np.float64),
        people=pd.factorize(kept["person"])[0].astype(np.int64) if "person" in kept else None,
        segments=list(kept["segment"]) if "segment" in kept else None,
        refused={reason: count for reason, count in refused.items() if count},
    )


def register(app: typer.Typer) -> None:
    """Put it on the command line."""
    app.command("judge", epilog="Example: [b]wayside-models judge forecasts.csv --page report.html[/b]")(judge_forecasts)


def _show(judgement: Judgement) -> None:
    figures = judgement.figures
    table = Table("tenth", "forecast", "took it", "lift", "takers found", title=f"{judgement.name}: share taken {judgement.base_rate:.4f}")
    for one in judgement.lift.tenths:
        table.add_row(str(one.number), f"{one.forecast_mean:.4f}", f"{one.taken_share:.4f}", f"{one.lift:.2f}", f"{one.capture_so_far:.2%}")
    _SCREEN.print(table)
    auc = f"{figures.auc.value:.4f} ({figures.auc.low:.4f} … {figures.auc.high:.4f})"
    rest = f"AP {figures.average_precision:.4f}, Brier {figures.brier:.4f}, log-loss {figures.log_loss:.4f}"
    _SCREEN.print(f"AUC {auc}, {rest}, calibration error {figures.calibration_error:.4f}", markup=False, highlight=False)
    for part in judgement.fairness.segments if judgement.fairness else ():
        remarks = "; ".join(part.remarks) or "nothing to look at"
        _SCREEN.print(f"{part.name}: {part.rows} rows, {part.addressed:.1%} addressed; {remarks}", markup=False, highlight=False)
    for remark in judgement.remarks:
        _SCREEN.print(f"note: {remark}", markup=False, highlight=False)

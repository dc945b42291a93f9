"""`wayside-models`: the workstation's commands. What they do lives beside this file; here it is asked for and shown.

Tables for people go to the standard output, or one JSON object with `--json`; progress and errors go to the standard
error. Exit codes: 0 fine, 1 found faults, 2 wrong use.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gateway.adapters.bundle import MODEL, BundleError
from gateway.adapters.onnx_scorer import OnnxScorer, ScorerError
from gateway.core import features, limits
from models import bundles
from models.boards import commands as boards
from models.errors import ModelsError
from models.export import ExportError, export
from models.history import commands as history_commands
from models.judging import commands as judging
from models.measures import Figures, Interval, areas, figures
from models.patterns import commands as patterns
from models.planning import commands as planning
from models.propensity import commands as propensity
from models.propensity.boosting import RECIPES
from models.propensity.families import Step
from models.propensity.lessons import Taught, taught_by_coupons, taught_by_history
from models.propensity.sample import TrainingError
from models.report import Report, ReportError, TableReport, read_report, report_of, save_report, table_report
from models.tables.coupon import CouponError, Coupons, read_coupons
from models.training import Comparison, compare, contestants, fit_champion, steps_in
from models.value import commands as value

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help="From a table of answers to a signed bundle.")
app.add_typer(bundles.app, name="bundle")
judging.register(app)
planning.register(app)
history_commands.register(app)
patterns.register(app)
value.register(app)
propensity.register(app)
boards.register(app)
app.command(epilog="Example: [b]wayside-models keygen --out street[/b]")(bundles.keygen)

TableFile = Annotated[Path, typer.Option("--table", help="Coupon table, CSV, may be compressed.", exists=True, dir_okay=False)]
MaybeTable = Annotated[Path | None, typer.Option("--table", help="Coupon table, CSV, may be compressed.", exists=True, dir_okay=False)]
MaybeHistory = Annotated[Path | None, typer.Option("--history", help="Folder of a gateway's history.", exists=True, file_okay=False)]
Seed = Annotated[int, typer.Option(help="Same seed, same table, same tools: same model.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object for machines.")]


class Evaluation(msgspec.Struct, frozen=True):
    """A finished model on a table."""

    table: TableReport
    respondents: int
    base_rate: float
    model: Figures


@app.command(epilog="Example: [b]wayside-models train --table coupons.csv.gz --out build/model[/b]")
def train(
    out: Annotated[Path, typer.Option(help="Folder for the model, its parity rows and its report.", file_okay=False)],
    table: MaybeTable = None,
    history: MaybeHistory = None,
    *,
    which: propensity.Families = propensity.ALL,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Compare all families on people they never met, then fit the best to all rows and write it as ONNX.

    Learns from a coupon table (--table) or from the proposals of a gateway's history (--history). The best is the family
    of least log-loss; Brier score and error break ties.
    """
    compete = contestants(propensity.named(which), RECIPES, seed)
    taught = _taught(table, history, seed)
    with _progress(steps_in(compete, then_fit=True) + 1) as step:
        comparison = compare(taught.sample, seed, compete, step, taught.raw)
        (winner,) = (family for family in compete if family.name == comparison.family)
        fitted = fit_champion(taught.sample, seed, winner, step)
        exported = export(fitted, seed)
        step("exported")
    report = report_of(taught.table, comparison, fitted, exported)
    exported.save(out)
    save_report(report, out)
    if as_json:
        _print_json(report)
    else:
        _show_table(report.table)
        _show_comparison(comparison)
        _show_model(report, out)


@app.command(epilog="Example: [b]wayside-models evaluate --table coupons.csv.gz --model build/model[/b]")
def evaluate(
    table: TableFile,
    model: Annotated[Path | None, typer.Option(help="Folder of a trained model, measured as it is.", exists=True, file_okay=False)] = None,
    *,
    which: propensity.Families = propensity.ALL,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Compare the models by grouped folds, or measure one finished model.

    Without --model both are trained anew inside the folds and nothing is written. With it, the model in that folder is
    measured as it is, which says something only on a table that it has not seen.
    """
    if model is not None:
        history = read_coupons(table)
        evaluation = _measured(model, table_report(table, history), history, seed)
        if as_json:
            _print_json(evaluation)
        else:
            _show_table(evaluation.table)
            _show_figures({"model": evaluation.model}, evaluation.base_rate)
        return
    compete = contestants(propensity.named(which), RECIPES, seed)
    taught = taught_by_coupons(table, seed)
    with _progress(steps_in(compete, then_fit=False)) as step:
        comparison = compare(taught.sample, seed, compete, step, taught.raw)
    if as_json:
        _print_json(comparison)
    else:
        _show_table(taught.table)
        _show_comparison(comparison)


def main() -> None:
    """Run the command line; what can go wrong outside ends as one line and an exit code."""
    try:
        app()
    except (
        ModelsError,
        CouponError,
        ExportError,
        ReportError,
        BundleError,
        ScorerError,
        bundles.MakeError,
        OSError,
    ) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


def _taught(table: Path | None, history: Path | None, seed: int) -> Taught:
    if table is not None and history is None:
        return taught_by_coupons(table, seed)
    if history is not None and table is None:
        return taught_by_history(history, seed)
    raise typer.BadParameter("give either --table or --history")


def _measured(model: Path, table: TableReport, history: Coupons, seed: int) -> Evaluation:
    report = read_report(model)
    scorer = OnnxScorer((model / MODEL).read_bytes(), report.model)
    if table.sha256 == report.table.sha256:
        Console(stderr=True).print("warning: the model was trained on this very table, so these figures flatter it", style="yellow")
    if len(np.unique(history.taken)) < 2:
        raise TrainingError("every usable row has the same outcome: there is nothing to measure")
    rows = features.matrix(history.situations)
    starts = range(0, len(rows), limits.OFFERS_MAX)
    forecast = np.concatenate([scorer.score(rows[start : start + limits.OFFERS_MAX]) for start in starts]).astype(np.float64)
    auc = areas(history.taken, history.respondents, (forecast,), seed).of(0)
    return Evaluation(
        table=table,
        respondents=len(np.unique(history.respondents)),
        base_rate=float(history.taken.mean()),
        model=figures(history.taken, forecast, auc),
    )


@contextmanager
def _progress(steps: int) -> Iterator[Step]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("training", total=steps)
        yield lambda what: progress.update(task, advance=1, description=what)


def _print_json(value: msgspec.Struct) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def _show_table(table: TableReport) -> None:
    refused = ", ".join(f"{reason} {count}" for reason, count in sorted(table.refused.items())) or "none"
    _say(f"{table.name}: {table.rows_in} rows in, {table.rows_used} used; refused: {refused}")


def _show_comparison(comparison: Comparison) -> None:
    _show_figures({"plain logistic": comparison.logistic, **{of.family: of.figures for of in comparison.families}}, comparison.base_rate)
    errors = ", ".join(f"{of.family} {of.error:.4f} ({of.hybrid_loss})" for of in comparison.families)
    _say(f"share on the wrong side of one half (rows, the hybrid loss): {errors}")
    for remark in comparison.remarks:
        _say(f"remark: {remark}")
    _say(
        f"best by log-loss: {comparison.family}; "
        f"AUC above plain logistic {_text(comparison.difference)}; {comparison.folds} folds by {comparison.respondents} respondents, "
        "95 % intervals over respondents; with weather, temperature and habits unknown "
        f"the best one's AUC is {comparison.blind_auc:.4f}"
    )


def _show_figures(rows: dict[str, Figures], base_rate: float) -> None:
    table = Table("", "AUC (95 %)", "AP", "Brier", "log-loss", "calibration error", title=f"share taken {base_rate:.4f}")
    for name, of in rows.items():
        numbers = (of.average_precision, of.brier, of.log_loss, of.calibration_error)
        table.add_row(name, _text(of.auc), *(f"{number:.4f}" for number in numbers))
    Console().print(table)


def _show_model(report: Report, out: Path) -> None:
    _say(
        f"model in {out}: {report.family} ({report.setting}, {report.calibration}), {report.model_bytes} bytes, "
        f"{', '.join(report.model.ops)}; ONNX differs by at most {report.parity_worst:.1g} on {report.parity_rows} synthetic and as many "
        f"wild rows; {report.batch_1_us} µs for 1 row, {report.batch_64_us} µs for 64"
    )


def _say(text: str) -> None:
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


def _text(interval: Interval) -> str:
    return f"{interval.value:.4f} ({interval.low:.4f} … {interval.high:.4f})"


if __name__ == "__main__":
    main()

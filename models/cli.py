"""`wayside-models`: the workstation's commands. What they do lives beside this file; here it is asked for and shown.

Tables for people go to the standard output, or one JSON object with `--json`; progress and errors go to the standard
error. Exit codes: 0 fine, 1 found faults, 2 wrong use.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray

from gateway.adapters.bundle import MODEL
from gateway.adapters.onnx_scorer import OnnxScorer, ScorerError
from gateway.core import limits
from gateway.core.bundle import BundleError
from models import bundles
from models.boards import commands as boards
from models.errors import ModelsError
from models.export import export
from models.history import commands as history_commands
from models.judging import commands as judging
from models.judging.judgement import judge
from models.judging.page import page
from models.measures import Figures, areas, figures
from models.patterns import commands as patterns
from models.planning import commands as planning
from models.propensity import commands as propensity
from models.propensity.boosting import RECIPES
from models.propensity.lessons import Taught, taught_by_coupons, taught_by_history
from models.propensity.sample import Sample
from models.report import Report, TableReport, read_report, report_of, save_report
from models.screen import complain, counts_text, interval_text, print_json, progressing, say, show, warn
from models.training import Comparison, compare, contestants, fit_champion, offer_kinds, steps_in
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
    with progressing("training", steps_in(compete, then_fit=True) + 1) as step:
        comparison = compare(taught.sample, seed, compete, step, taught.raw).comparison
        (winner,) = (family for family in compete if family.name == comparison.family)
        fitted = fit_champion(taught.sample, seed, winner, step)
        exported = export(fitted, seed)
        step("exported")
    report = report_of(taught.table, comparison, fitted, exported)
    exported.save(out)
    save_report(report, out)
    if as_json:
        print_json(report)
    else:
        _show_table(report.table)
        _show_comparison(comparison)
        _show_model(report, out)


@app.command(epilog="Example: [b]wayside-models evaluate --table coupons.csv.gz --page report.html[/b]")
def evaluate(
    table: MaybeTable = None,
    history: MaybeHistory = None,
    model: Annotated[Path | None, typer.Option(help="Folder of a trained model, measured as it is.", exists=True, file_okay=False)] = None,
    *,
    page_file: Annotated[Path | None, typer.Option("--page", help="Write a report to read here, one HTML file.", dir_okay=False)] = None,
    which: propensity.Families = propensity.ALL,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Compare the models by grouped folds, or measure one finished model.

    Without --model all are trained anew inside the folds, and the page judges the best one by people it never met. With it,
    the model in that folder is measured as it is, which says something only on a table that it has not seen.
    """
    if model is not None:
        _evaluate_finished(model, _taught(table, history, seed), page_file, seed, as_json=as_json)
        return
    compete = contestants(propensity.named(which), RECIPES, seed)
    taught = _taught(table, history, seed)
    with progressing("training", steps_in(compete, then_fit=False)) as step:
        comparison, rows, forecast = compare(taught.sample, seed, compete, step, taught.raw)
    if page_file is not None:
        _write_page(page_file, f"{taught.table.name} ({comparison.family})", taught.sample.take(rows), forecast, seed)
    if as_json:
        print_json(comparison)
    else:
        _show_table(taught.table)
        _show_comparison(comparison)


def main() -> None:
    """Run the command line; what can go wrong outside ends as one line and an exit code."""
    try:
        app()
    except (ModelsError, BundleError, ScorerError, OSError) as error:
        complain(error)
        sys.exit(1)


def _taught(table: Path | None, history: Path | None, seed: int) -> Taught:
    if table is not None and history is None:
        return taught_by_coupons(table, seed)
    if history is not None and table is None:
        return taught_by_history(history, seed)
    raise typer.BadParameter("give either --table or --history")


def _evaluate_finished(model: Path, taught: Taught, page_file: Path | None, seed: int, *, as_json: bool) -> None:
    sample = taught.sample
    forecast = _asked(model, taught)
    people = np.unique(sample.groups, return_inverse=True)[1].astype(np.int64)
    measured = figures(sample.taken, forecast, areas(sample.taken, people, (forecast,), seed).of(0))
    evaluation = Evaluation(table=taught.table, respondents=sample.people, base_rate=float(sample.taken.mean()), model=measured)
    if page_file is not None:
        _write_page(page_file, f"{taught.table.name} ({model.name})", sample, forecast, seed)
    if as_json:
        print_json(evaluation)
    else:
        _show_table(evaluation.table)
        _show_figures({"model": evaluation.model}, evaluation.base_rate)


def _asked(model: Path, taught: Taught) -> NDArray[np.float64]:
    """What the gateway's own scorer says of every row."""
    report = read_report(model)
    scorer = OnnxScorer((model / MODEL).read_bytes(), report.model)
    if taught.table.sha256 == report.table.sha256:
        warn("the model was trained on this very table, so these figures flatter it")
    rows = taught.sample.rows
    starts = range(0, len(rows), limits.OFFERS_MAX)
    return np.concatenate([scorer.score(rows[start : start + limits.OFFERS_MAX]) for start in starts]).astype(np.float64)


def _write_page(path: Path, name: str, sample: Sample, forecast: NDArray[np.float64], seed: int) -> None:
    """The report to read: what addressing the best brings, and whether it is as right for every kind of offer."""
    people = np.unique(sample.groups, return_inverse=True)[1].astype(np.int64)
    judgement = judge(name, sample.taken, forecast, people=people, segments=offer_kinds(sample.rows), seed=seed)
    path.write_text(page(judgement), encoding="utf-8")


def _show_table(table: TableReport) -> None:
    say(f"{table.name}: {table.rows_in} rows in, {table.rows_used} used; refused: {counts_text(table.refused)}")


def _show_comparison(comparison: Comparison) -> None:
    _show_figures({"plain logistic": comparison.logistic, **{of.family: of.figures for of in comparison.families}}, comparison.base_rate)
    errors = ", ".join(f"{of.family} {of.error:.4f} ({of.hybrid_loss})" for of in comparison.families)
    say(f"share on the wrong side of one half (rows, the hybrid loss): {errors}")
    for remark in comparison.remarks:
        say(f"remark: {remark}")
    say(
        f"best by log-loss: {comparison.family}; "
        f"AUC above plain logistic {interval_text(comparison.difference)}; "
        f"{comparison.folds} folds by {comparison.respondents} respondents, "
        "95 % intervals over respondents; with weather, temperature and habits unknown "
        f"the best one's AUC is {comparison.blind_auc:.4f}"
    )


def _show_figures(rows: dict[str, Figures], base_rate: float) -> None:
    header = ("", "AUC (95 %)", "AP", "Brier", "log-loss", "calibration error")
    listed = [
        (name, interval_text(of.auc), *(f"{figure:.4f}" for figure in (of.average_precision, of.brier, of.log_loss, of.calibration_error)))
        for name, of in rows.items()
    ]
    show(f"share taken {base_rate:.4f}", header, listed)


def _show_model(report: Report, out: Path) -> None:
    say(
        f"model in {out}: {report.family} ({report.setting}, {report.calibration}), {report.model_bytes} bytes, "
        f"{', '.join(report.model.ops)}; ONNX differs by at most {report.parity_worst:.1g} on {report.parity_rows} synthetic and as many "
        f"wild rows; {report.batch_1_us} µs for 1 row, {report.batch_64_us} µs for 64"
    )


if __name__ == "__main__":
    main()

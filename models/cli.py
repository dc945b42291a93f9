"""`wayside-models`: the command line of the workstation, with `train` and `evaluate`.

Tables, or one JSON object with `--json`, go to the standard output; progress and errors go to the standard error. Exit
codes: 0 success, 1 faults found, 2 wrong use.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray

from gateway.adapters.bundle import MODEL
from gateway.adapters.onnx_scorer import OnnxScorer, ScorerError
from gateway.core import limits
from gateway.core.bundle import BundleError
from models import bundles, making
from models.benchmarks import commands as benchmarks
from models.dataset import asking, leaks, options
from models.dataset.loading import SCHEMA_FILE, LoadedTable, load_by_columns, load_table
from models.dataset.roles import Roles
from models.errors import ModelsError
from models.evaluation import commands as evaluation
from models.evaluation.evaluation import evaluate_forecasts
from models.evaluation.page import page
from models.export import export
from models.history import commands as history_commands
from models.measures import Figures, areas, figures
from models.off_policy import commands as off_policy
from models.patterns import commands as patterns
from models.planning import commands as planning
from models.propensity import commands as propensity
from models.propensity.boosting import RECIPES
from models.propensity.cross_validation import REPETITIONS
from models.propensity.loading import load_history
from models.propensity.training_set import TrainingSet, validated
from models.report import Report, TableReport, read_report, report_of, save_report
from models.screen import complain, counts_text, interval_text, print_json, progressing, say, show, warn
from models.training import NEW_PEOPLE, Comparison, compare, feature_estimators, fit_champion, offer_categories, steps_in
from models.uplift import commands as uplift
from models.value import commands as value

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Train and evaluate models, mine patterns, plan campaigns, and sign bundles for gateways.",
)
making.register(bundles.app)
app.add_typer(bundles.app, name="bundle")
evaluation.register(app)
planning.register(app)
history_commands.register(app)
patterns.register(app)
value.register(app)
propensity.register(app)
benchmarks.register(app)
off_policy.register(app)
uplift.register(app)
app.command(epilog="Example: [b]wayside-models keygen --out street[/b]")(bundles.keygen)

MaybeHistory = Annotated[
    Path | None, typer.Option("--history", help="Folder written by `wayside history export`.", exists=True, file_okay=False)
]
Seed = Annotated[int, typer.Option(help="Random seed, for reproducible results.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


class FinishedModel(msgspec.Struct, frozen=True):
    """Figures of a trained model on a table."""

    table: TableReport
    respondents: int
    base_rate: float
    model: Figures


@app.command(epilog="Example: [b]wayside-models train --table shoppers.csv --target Revenue --drop PageValues --out build/model[/b]")
def train(
    out: Annotated[Path, typer.Option(help="Folder for the model, its schema, its parity rows and its report.", file_okay=False)],
    table: options.MaybeTable = None,
    target: options.Target = "",
    positive: options.Positive = "",
    group: options.Group = "",
    time: options.Time = "",
    drop: options.Drop = "",
    keep: options.Keep = "",
    schema: options.MaybeSchema = None,
    rows_max: options.RowsMax = options.ROWS,
    history: MaybeHistory = None,
    *,
    ordered: options.Ordered = False,
    which: propensity.Estimators = propensity.ALL,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Cross-validate all estimators by person, fit the best to all rows and write it as ONNX.

    The training set is a table (--table, --target) or the proposals of a gateway's history (--history). Without --schema, types and
    categories are proposed from the table and written to OUT/schema.toml. A column that seems to state the outcome is asked about. The
    best estimator is that of least log-loss; Brier score and error break ties.
    """
    asked = _Asked(table, target, positive, group, time, drop, keep, schema, rows_max, history, ordered=ordered, seed=seed)
    loaded = _loaded(asked)
    compete = feature_estimators(loaded.inputs, propensity.named(which), RECIPES, seed)
    with progressing("training", steps_in(compete, then_fit=True) + 1) as step:
        comparison = compare(loaded.data, seed, compete, step).comparison
        (winner,) = (estimator for estimator in compete if estimator.name == comparison.estimator)
        fitted = fit_champion(loaded.data, seed, winner, step)
        exported = export(fitted, loaded.inputs, seed)
        step("exported")
    report = report_of(loaded.table, comparison, fitted, exported)
    exported.save(out)
    save_report(report, out)
    if loaded.schema:
        (out / SCHEMA_FILE).write_text(loaded.schema, encoding="utf-8")
    if as_json:
        print_json(report)
    else:
        _show_table(report.table)
        _show_comparison(comparison)
        _show_model(report, out)


@app.command(epilog="Example: [b]wayside-models evaluate --table later.csv --model build/model --page report.html[/b]")
def evaluate(
    table: options.MaybeTable = None,
    target: options.Target = "",
    positive: options.Positive = "",
    group: options.Group = "",
    time: options.Time = "",
    drop: options.Drop = "",
    keep: options.Keep = "",
    schema: options.MaybeSchema = None,
    rows_max: options.RowsMax = options.ROWS,
    history: MaybeHistory = None,
    model: Annotated[Path | None, typer.Option(help="Folder of a trained model to evaluate.", exists=True, file_okay=False)] = None,
    *,
    ordered: options.Ordered = False,
    page_file: Annotated[Path | None, typer.Option("--page", help="HTML report to write, one file.", dir_okay=False)] = None,
    which: propensity.Estimators = propensity.ALL,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Cross-validate all estimators by person, or evaluate one trained model.

    Without --model, all estimators are fitted in each fold, and the HTML report has the best one's figures on unseen people.
    With it, the model in that folder is evaluated on the whole table, which should not be the one that it was trained on. Its outcome
    and groups are those of the training unless stated, and columns are matched by name.
    """
    asked = _Asked(table, target, positive, group, time, drop, keep, schema, rows_max, history, ordered=ordered, seed=seed)
    if model is not None:
        _evaluate_finished(model, asked, page_file, as_json=as_json)
        return
    loaded = _loaded(asked)
    compete = feature_estimators(loaded.inputs, propensity.named(which), RECIPES, seed)
    with progressing("training", steps_in(compete, then_fit=False)) as step:
        comparison, rows, forecast = compare(loaded.data, seed, compete, step)
    if page_file is not None:
        _write_page(page_file, f"{loaded.table.name} ({comparison.estimator})", loaded.data.take(rows), forecast, seed)
    if as_json:
        print_json(comparison)
    else:
        _show_table(loaded.table)
        _show_comparison(comparison)


def main() -> None:
    """Run the command line; an error in the input is printed as one line and exits with 1."""
    try:
        app()
    except (ModelsError, BundleError, ScorerError, OSError) as error:
        complain(error)
        sys.exit(1)


class _Asked(NamedTuple):
    """Options of `train` and `evaluate` that describe the rows."""

    table: Path | None
    target: str
    positive: str
    group: str
    time: str
    drop: str
    keep: str
    schema: Path | None
    rows_max: int
    history: Path | None
    ordered: bool
    seed: int

    def check(self) -> None:
        """Raise BadParameter unless there is exactly one table or history."""
        if (self.table is None) == (self.history is None):
            raise typer.BadParameter("give either --table or --history")


def _loaded(asked: _Asked) -> LoadedTable:
    asked.check()
    if asked.history is not None:
        data, inputs, table = load_history(asked.history, asked.seed)
        return LoadedTable(data, inputs, table, "")
    assert asked.table is not None
    roles = options.roles_of(asked.target, asked.positive, asked.group, asked.time, ordered=asked.ordered)
    drop = options.listed(asked.drop)
    loaded = _read(asked, asked.table, roles, drop)
    validated(loaded.data)
    with progressing("looking for leaks", leaks.steps_of(loaded.inputs)) as step:
        found = leaks.find_leaks(loaded.data, loaded.inputs, asked.seed, step)
    columns = {one.attribute: one.column for one in reversed(loaded.table.columns) if one.attribute}
    more = asking.columns_to_drop(found, columns, options.listed(asked.keep))
    return _read(asked, asked.table, roles, (*drop, *more)) if more else loaded


def _read(asked: _Asked, table: Path, roles: Roles, drop: Sequence[str]) -> LoadedTable:
    return load_table(table, roles, schema=asked.schema, drop=drop, rows_max=asked.rows_max, seed=asked.seed)


def _evaluate_finished(model: Path, asked: _Asked, page_file: Path | None, *, as_json: bool) -> None:
    report = read_report(model)
    loaded = _other(model, report, asked)
    data = loaded.data
    forecast = _scores(model, report, loaded)
    people = np.unique(data.groups, return_inverse=True)[1].astype(np.int64)
    measured = figures(data.taken, forecast, areas(data.taken, people, (forecast,), asked.seed).of(0))
    finished = FinishedModel(table=loaded.table, respondents=data.people, base_rate=float(data.taken.mean()), model=measured)
    if page_file is not None:
        _write_page(page_file, f"{loaded.table.name} ({model.name})", data, forecast, asked.seed)
    if as_json:
        print_json(finished)
    else:
        _show_table(finished.table)
        _show_figures({"model": finished.model}, finished.base_rate)


def _other(model: Path, report: Report, asked: _Asked) -> LoadedTable:
    """The rows to evaluate a trained model on; attributes without a column are warned about."""
    asked.check()
    if asked.history is not None:
        return _loaded(asked)
    assert asked.table is not None
    known = report.table
    roles = options.roles_of(
        asked.target or known.target,
        asked.positive or ("" if asked.target else known.positive),
        asked.group or ",".join(known.groups),
        asked.time,
        ordered=asked.ordered,
    )
    loaded, absent = load_by_columns(
        asked.table, roles, asked.schema or model / SCHEMA_FILE, report.model.columns, rows_max=asked.rows_max, seed=asked.seed
    )
    if absent:
        warn(f"{loaded.table.name} has no column for {', '.join(absent)}: unknown in every row, and the figures are worse for it")
    return loaded


def _scores(model: Path, report: Report, loaded: LoadedTable) -> NDArray[np.float64]:
    """Probabilities of all rows by the gateway's own scorer, (n,)."""
    scorer = OnnxScorer((model / MODEL).read_bytes(), report.model)
    if loaded.table.sha256 == report.table.sha256:
        warn("the model was trained on this table, so these figures are too optimistic")
    rows = loaded.data.rows
    starts = range(0, len(rows), limits.SCORE_ROWS_MAX)
    return np.concatenate([scorer.score(rows[start : start + limits.SCORE_ROWS_MAX]) for start in starts]).astype(np.float64)


def _write_page(path: Path, name: str, data: TrainingSet, forecast: NDArray[np.float64], seed: int) -> None:
    """Write the HTML report, with the kinds of offer as segments."""
    people = np.unique(data.groups, return_inverse=True)[1].astype(np.int64)
    evaluation = evaluate_forecasts(
        name, data.taken, forecast, people=people, segments=offer_categories(data.rows, data.inputs) if data.inputs else None, seed=seed
    )
    path.write_text(page(evaluation), encoding="utf-8")


def _show_table(table: TableReport) -> None:
    drawn = f"; a sample: {table.not_drawn:,} rows were not drawn" if table.not_drawn else ""
    say(f"{table.name}: {table.rows_in:,} rows in, {table.rows_used:,} used; refused: {counts_text(table.refused)}{drawn}")
    for column in table.columns:
        if column.left_out not in {"", "the outcome", "the group", "the time"}:
            say(f"left out: {column.column}: {column.left_out}")
    for name, texts in table.unreadable.items():
        say(f"remark: {texts:,} values of {name} are not in the schema and read as unknown")


def _show_comparison(comparison: Comparison) -> None:
    baselines = {one.name: one.figures for one in comparison.baselines}
    _show_figures({**baselines, **{of.estimator: of.figures for of in comparison.estimators}}, comparison.base_rate)
    errors = ", ".join(f"{of.estimator} {of.error:.4f} ({of.hybrid_loss})" for of in comparison.estimators)
    say(f"misclassified share (rows, the hybrid loss): {errors}")
    for remark in comparison.remarks:
        say(f"remark: {remark}")
    above = ", ".join(f"{one.name} {interval_text(one.difference)}" for one in comparison.baselines)
    blind = "" if comparison.blind_auc is None else f"; with readings and the person unknown its AUC is {comparison.blind_auc:.4f}"
    say(
        f"best by log-loss: {comparison.estimator}; chosen inside each fold, so on rows that took no part in the choice: "
        f"AUC {interval_text(comparison.champion.auc)}, above {above}; "
        f"{NEW_PEOPLE} further people will show an AUC within {comparison.expected.low:.4f} … {comparison.expected.high:.4f}; "
        f"{comparison.folds} folds by {comparison.respondents:,} people, repeated {REPETITIONS} times, 95 % intervals for new people{blind}"
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
        f"model in {out}: {report.estimator} ({report.setting}, {report.calibration}), {report.model_bytes} bytes, "
        f"{', '.join(report.model.ops)}; ONNX differs by at most {report.parity_worst:.1g} on {report.parity_rows} synthetic and as many "
        f"extreme rows; {report.batch_1_us} µs for 1 row, {report.batch_64_us} µs for 64"
    )


if __name__ == "__main__":
    main()

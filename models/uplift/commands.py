"""`wayside-models uplift train` and `uplift evaluate`: the effect of a treatment on each customer, from a randomised trial."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from gateway.adapters.bundle import MODEL, SCHEMA
from gateway.adapters.onnx_scorer import OnnxScorer
from gateway.core import limits
from gateway.core.attributes.schema import schema_bytes
from gateway.core.bundle import ModelEntry
from models.arrays import Floats
from models.dataset.loading import SCHEMA_FILE
from models.dataset.options import listed
from models.errors import ModelsError
from models.export import UNKNOWN
from models.measures import BOOTSTRAPS, Interval, draw_units, interval
from models.screen import counts_text, interval_text, print_json, progressing, say, show
from models.tables.reading import Counts
from models.uplift import checks
from models.uplift.choice import CHOSEN, RANDOM, SHARES, SIMPLEST, Evaluated, choose, evaluate, names_chosen, steps_of, steps_of_choice
from models.uplift.export import PARITY_ROWS, TREATED, UNTREATED, export_uplift
from models.uplift.learners import LEARNERS, Learner
from models.uplift.loading import TrialRoles, TrialTable, load_trial, load_trial_by_columns
from models.uplift.ranking import UpliftRanking
from models.uplift.trial import Trial

REPORT = "uplift.json"
ENDS = ("", "_low", "_high")

app = typer.Typer(no_args_is_help=True, help="Uplift: the effect of a treatment on each customer, from a randomised trial.")

Table = Annotated[
    Path, typer.Option(help="CSV (any delimiter; .gz, .xz, .bz2), Parquet or SQLite file, one row a customer.", exists=True, dir_okay=False)
]
Treatment = Annotated[str, typer.Option(help="Column of the treatment: 0 or 1, or two values named by --treated and --control.")]
Outcome = Annotated[str, typer.Option(help="Column of the outcome.")]
Positive = Annotated[str, typer.Option(help="Value of the outcome to count; needless where it is yes, true or 1.")]
Group = Annotated[
    str, typer.Option(help="Column, or columns with commas between, that name the person, household or shop of a row; default: each row.")
]
Drop = Annotated[str, typer.Option(help="Columns to leave out, comma-separated: all that is written after the treatment.")]
Treated = Annotated[str, typer.Option(help="Value of the treatment column for treated customers.")]
Control = Annotated[str, typer.Option(help="Value of the treatment column for untreated customers.")]
Seed = Annotated[int, typer.Option(help="Random seed, for reproducible results.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


class UpliftError(ModelsError):
    """There is no such learner, or a folder holds no model of `uplift train`; the message names the remedy."""


class Arm(msgspec.Struct, frozen=True):
    """Customers of an arm, and the share with the outcome."""

    rows: int
    rate: float


class UpliftFigures(msgspec.Struct, frozen=True):
    """Qini above random, and uplift among the best share of customers, by share, of one ranking."""

    qini: Interval
    uplift_at: dict[str, Interval]


class UpliftReport(msgspec.Struct, frozen=True):
    """Result of `uplift train`: intervals for new units, on customers that took no part in the choice of the learner.

    `treatment` are the columns of the treatment in the table's schema. `randomised` is the AUC of the treatment predicted from the other
    columns, `effect` the difference of the two rates, `chosen` the learners that the folds chose, and `learner` the one that is exported.
    """

    table: str
    counts: Counts
    treated: Arm
    untreated: Arm
    units: int
    effect: Interval
    randomised: Interval
    chosen: tuple[str, ...]
    learner: str
    ranking: UpliftFigures
    simplest: UpliftFigures
    at_random: UpliftFigures
    treatment: tuple[str, ...]
    left_out: dict[str, str]
    model: ModelEntry
    parity_worst: float

    def metrics(self) -> dict[str, float]:
        """The figures for a bundle's manifest."""
        figures = {"effect": self.effect, "qini": self.ranking.qini}
        bounds = {
            f"{name}{end}": value for name, one in figures.items() for end, value in zip(ENDS, (one.value, one.low, one.high), strict=True)
        }
        return {"units": float(self.units)} | {name: round(value, 4) for name, value in bounds.items()}


class UpliftEvaluation(msgspec.Struct, frozen=True):
    """Result of `uplift evaluate`: figures of a finished model on another table, with intervals over its units."""

    table: str
    counts: Counts
    treated: Arm
    untreated: Arm
    effect: Interval
    ranking: UpliftFigures
    trained: UpliftFigures


@app.command(
    "train", epilog="Example: [b]wayside-models uplift train --table mails.csv --treatment mailed --outcome bought --out build/uplift[/b]"
)
def train(
    table: Table,
    treatment: Treatment,
    outcome: Outcome,
    out: Annotated[Path, typer.Option(help="Folder for the model, its parity rows and its report.", file_okay=False)],
    *,
    positive: Positive = "",
    group: Group = "",
    drop: Drop = "",
    treated: Treated = "",
    control: Control = "",
    which: Annotated[
        str, typer.Option("--learners", help=f"Learners to choose from, comma-separated, simplest first: {', '.join(LEARNERS)}.")
    ] = ",".join(LEARNERS),
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Choose a learner, measure its ranking on other customers, and write it as ONNX with two outputs: with and without the treatment.

    The learner is chosen inside each fold; where learners do not differ beyond chance, it is the simplest. Exit code 1 if the treatment was
    not randomised, an arm is too small or the outcome is constant.
    """
    learners = _named(which)
    read = load_trial(table, TrialRoles(treatment, outcome, positive, listed(group), listed(drop), treated, control), seed)
    trial = read.trial
    checks.check_arms(trial)
    with progressing("uplift", checks.steps_of() + steps_of(learners) + steps_of_choice(learners)) as step:
        randomised = checks.check_randomised(trial, read.inputs.columns, seed, step)
        evaluated = evaluate(trial, seed, step, learners)
        learner = choose(trial, seed, step, learners)
    fitted = learners[learner](trial, seed)
    exported = export_uplift(fitted, read.inputs.columns, read.inputs.drawn(seed, PARITY_ROWS, UNKNOWN), seed)
    exported.save(out)
    (out / SCHEMA_FILE).write_text(read.schema, encoding="utf-8")
    (out / SCHEMA).write_bytes(schema_bytes(read.inputs.schema))
    report = UpliftReport(
        table=table.name,
        counts=read.counts,
        **_arms(trial),
        units=len(np.unique(trial.units)),
        effect=_effect(trial, seed),
        randomised=randomised,
        chosen=evaluated.chosen,
        learner=learner,
        ranking=_over_folds(evaluated, CHOSEN),
        simplest=_over_folds(evaluated, SIMPLEST),
        at_random=_over_folds(evaluated, RANDOM),
        treatment=read.treatment,
        left_out=read.left_out,
        model=exported.entry,
        parity_worst=exported.parity_worst,
    )
    (out / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    if as_json:
        print_json(report)
    else:
        _show_training(report, out)


@app.command(
    "evaluate",
    epilog="Example: [b]wayside-models uplift evaluate --table later.csv --treatment mailed --outcome bought --model build/uplift[/b]",
)
def evaluate_model(
    table: Table,
    treatment: Treatment,
    outcome: Outcome,
    model: Annotated[Path, typer.Option(help="Folder written by `uplift train`.", exists=True, file_okay=False)],
    *,
    positive: Positive = "",
    group: Group = "",
    treated: Treated = "",
    control: Control = "",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Evaluate a trained model on another randomised trial with the same columns: Qini and uplift@k with intervals."""
    trained = report_in(model)
    roles = TrialRoles(treatment, outcome, positive, listed(group), (), treated, control)
    read = load_trial_by_columns(table, roles, model / SCHEMA_FILE, trained.model.columns, trained.treatment)
    checks.check_arms(read.trial)
    ranking = _over_units(read.trial, _forecast(model, trained.model, read), seed)
    found = UpliftEvaluation(
        table=table.name,
        counts=read.counts,
        **_arms(read.trial),
        effect=_effect(read.trial, seed),
        ranking=ranking,
        trained=trained.ranking,
    )
    if as_json:
        print_json(found)
        return
    _show_trial(found.table, found.counts, found.treated, found.untreated, found.effect)
    _show_figures({f"{table.name}, by its units": found.ranking, "expected by the training, for new units": found.trained})


def register(parent: typer.Typer) -> None:
    """Add the commands to the command line."""
    parent.add_typer(app, name="uplift")


def _named(text: str) -> dict[str, Learner]:
    """The learners in a comma-separated option, simplest first. Raises UpliftError for an unknown one."""
    names = listed(text)
    if unknown := [name for name in names if name not in LEARNERS]:
        raise UpliftError(f"there is no learner {unknown[0]!r}; there are {', '.join(LEARNERS)}")
    return {name: learner for name, learner in LEARNERS.items() if name in names} or dict(LEARNERS)


def _arms(trial: Trial) -> dict[str, Arm]:
    outcomes = {name: trial.outcome[trial.treated == arm] for name, arm in ((TREATED, 1), (UNTREATED, 0))}
    return {name: Arm(len(of), float(of.mean())) for name, of in outcomes.items()}


def _effect(trial: Trial, seed: int) -> Interval:
    """The difference of the two rates, with a 95 % interval over units."""
    on, happened = trial.treated.astype(np.float64), trial.outcome.astype(np.float64)

    def difference(weights: Floats) -> float:
        with_it, without = weights * on, weights * (1.0 - on)
        return float(with_it @ happened / with_it.sum() - without @ happened / without.sum())

    drawn = np.array([difference(weights) for weights in draw_units(trial.units, seed, BOOTSTRAPS)])
    return interval(difference(np.ones(len(on))), drawn)


def _over_folds(evaluated: Evaluated, name: str) -> UpliftFigures:
    of = evaluated.over_folds.of
    return UpliftFigures(of(f"{name} Qini"), {f"{share:.0%}": of(f"{name} uplift@{share:.0%}") for share in SHARES})


def _over_units(trial: Trial, forecast: Floats, seed: int) -> UpliftFigures:
    ranking = UpliftRanking(forecast, trial.treated, trial.outcome, seed)
    measures = {"Qini": ranking.qini} | {f"{share:.0%}": partial(ranking.uplift_at, share) for share in SHARES}
    drawn = [[measure(weights) for measure in measures.values()] for weights in draw_units(trial.units, seed, BOOTSTRAPS)]
    ones = np.ones(len(forecast))
    found = {name: interval(measure(ones), of) for (name, measure), of in zip(measures.items(), np.array(drawn).T, strict=True)}
    return UpliftFigures(found.pop("Qini"), found)


def report_in(folder: Path) -> UpliftReport:
    """The report of `uplift train`. Raises UpliftError if the folder has none."""
    try:
        return msgspec.json.decode((folder / REPORT).read_bytes(), type=UpliftReport)
    except (OSError, msgspec.DecodeError) as error:
        raise UpliftError(f"{folder} holds no usable {REPORT}; make it with `wayside-models uplift train --out {folder}`") from error


def _forecast(folder: Path, entry: ModelEntry, read: TrialTable) -> Floats:
    """Forecast effects of all rows by the gateway's own scorer, (n,)."""
    content, rows = (folder / MODEL).read_bytes(), read.trial.rows
    scorers = [OnnxScorer(content, msgspec.structs.replace(entry, output=output)) for output in (TREATED, UNTREATED)]
    starts = range(0, len(rows), limits.SCORE_ROWS_MAX)
    with_it, without = (
        np.concatenate([scorer.score(rows[start : start + limits.SCORE_ROWS_MAX]) for start in starts]) for scorer in scorers
    )
    effects: Floats = with_it.astype(np.float64) - without
    return effects


def _show_trial(name: str, counts: Counts, treated: Arm, untreated: Arm, effect: Interval) -> None:
    say(f"{name}: {counts.rows_in:,} rows in, {counts.rows_used:,} used; refused: {counts_text(counts.refused)}")
    say(
        f"outcome in {treated.rate:.2%} of {treated.rows:,} treated and {untreated.rate:.2%} of {untreated.rows:,} untreated rows: "
        f"effect {interval_text(effect)}"
    )


def _show_figures(rankings: dict[str, UpliftFigures]) -> None:
    header = ("ranking", "Qini above random (95 %)", *(f"uplift@{share:.0%}" for share in SHARES))
    rows = [
        (name, interval_text(of.qini, 5), *(interval_text(found, 3) for found in of.uplift_at.values())) for name, of in rankings.items()
    ]
    show("Rankings by forecast effect", header, rows)


def _show_training(report: UpliftReport, out: Path) -> None:
    _show_trial(report.table, report.counts, report.treated, report.untreated, report.effect)
    if report.left_out:
        say(f"columns left out: {', '.join(f'{name} ({why})' for name, why in report.left_out.items())}")
    say(f"the treatment is random as far as the columns show: AUC {interval_text(report.randomised, 3)}")
    named = {"chosen inside the folds": report.ranking, "the simplest": report.simplest, RANDOM: report.at_random}
    _show_figures(named)
    say(
        f"95 % intervals for new units, on customers that took no part in the choice; learners chosen: {names_chosen(report.chosen)}. "
        "Where learners do not differ beyond chance, the simplest is chosen"
    )
    verdict = "better than treating at random" if report.ranking.qini.low > 0 else "not better than treating at random beyond chance"
    say(
        f"the ranking is {verdict}; {report.learner} learner in {out}: outputs {TREATED} and {UNTREATED}, "
        f"{', '.join(report.model.ops)}; ONNX differs by at most {report.parity_worst:.1g} on {PARITY_ROWS} synthetic and as many extreme "
        "rows"
    )

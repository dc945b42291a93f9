"""`wayside-models rules` and `journeys`: patterns mined, pruned and valued; every dropped pattern is counted with its reason."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from gateway.core.learned import Pattern
from models.groups import GroupsFile, save_groups
from models.history import derived
from models.history.derived import Baskets
from models.history.mapping import HistoryError
from models.history.options import (
    AsJson,
    BasketsFile,
    Folder,
    HistorySource,
    InteractionsFile,
    MappingFile,
    MapText,
    MemoryMb,
    open_source,
    show_row_counts,
)
from models.history.reading import MEMORY_MB, RowCounts
from models.patterns.basket_file import read_basket_file
from models.patterns.cohorts import K, cohort_definitions, cohorts_of
from models.patterns.itemsets import frequent_itemsets, sample_baskets
from models.patterns.journeys import SUBJECTS_MIN, WINDOW_DAYS, WINDOWS_MIN, journeys_of, visit_sequences
from models.patterns.rules import ALPHA, IMPROVEMENT_MIN, LEVERAGE_MIN, LIFT_MIN, prune, rules_of
from models.patterns.valuation import ValuedPatterns, encode_pattern_file, value_journeys, value_rules
from models.screen import print_json, say, show, working
from models.value.effort import marketing_decision_value, rows_for

HOUR_MS = 3_600_000

MarginsFile = Annotated[
    Path | None, typer.Option("--margins", help="CSV file with the columns item and margin_minor.", exists=True, dir_okay=False)
]
MarginMinor = Annotated[
    float | None, typer.Option(help="Margin of one additional sale in minor units (cents), for items that --margins does not list.")
]
ContactCost = Annotated[float, typer.Option(min=0, help="Cost of one proposal (offer sent), minor units.")]
Lines = Annotated[str, typer.Option(help="Item separator, if --baskets is a text file with one basket per line.")]
Support = Annotated[float, typer.Option(min=0, max=1, help="Minimum support, as a share of baskets.")]
Confidence = Annotated[float, typer.Option(min=0, max=1, help="Minimum confidence.")]
Lift = Annotated[float, typer.Option(min=0, help="Minimum lift.")]
Leverage = Annotated[float, typer.Option(help="Minimum leverage.")]
Alpha = Annotated[float, typer.Option(min=0, max=1, help="False discovery rate (Benjamini-Hochberg).")]
Improvement = Annotated[float, typer.Option(help="Minimum gain in confidence over every shorter rule.")]
MarginShare = Annotated[float, typer.Option(min=0, max=1, help="Margin of an item, as a share of its mean amount per basket.")]
DecisionValue = Annotated[
    float | None,
    typer.Option(help="Value of the marketing decision, minor units, above 0: rows are read in proportion to it; default: all rows."),
]
Uplift = Annotated[
    float | None,
    typer.Option(min=-1, max=1, help="Instead of --mdv: probability of a purchase with an offer minus that without; needs --reach."),
]
Reach = Annotated[float, typer.Option(min=0, help="Number of people that the decision reaches, with --uplift.")]
ProcessingMinor = Annotated[float, typer.Option(min=0, help="Cost of processing, minor units, with --uplift.")]
Seed = Annotated[int, typer.Option(help="Random seed of the sample of baskets, if --mdv limits the rows.")]
Out = Annotated[Path | None, typer.Option(help="JSON file to write: the patterns with a positive value.", dir_okay=False)]
Top = Annotated[int, typer.Option(min=0, help="Number of patterns to show.")]


class RulesReport(msgspec.Struct, frozen=True):
    """Report of `rules`: every rule is either in `kept` or counted in `redundant` or `worthless`."""

    tables: tuple[RowCounts, ...]
    baskets: int
    items: int
    rare_items: int
    sets: int
    rules: int
    redundant: dict[str, int]
    worthless: dict[str, int]
    kept: int
    top: tuple[Pattern, ...]


class JourneyLine(msgspec.Struct, frozen=True):
    """One pattern of visits in the report, without its subjects."""

    steps: tuple[str, ...]
    state: str
    reason: str
    windows: int
    share_before: float
    share_later: float


class JourneysReport(msgspec.Struct, frozen=True):
    """Report of `journeys`: every pattern is either in `kept` or counted in `worthless`."""

    tables: tuple[RowCounts, ...]
    sequences: int
    journeys: int
    candidates: int
    cohorts: dict[str, int]
    definitions: tuple[str, ...]
    cohorts_too_small: int
    worthless: dict[str, int]
    kept: int
    top: tuple[JourneyLine, ...]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(epilog="Example: [b]wayside-models rules --baskets groceries_baskets.txt --lines ';' --margin-minor 100[/b]")(rules)
    app.command(epilog="Example: [b]wayside-models journeys --dir export --margin-minor 100 --out patterns.json[/b]")(journeys)


def rules(
    folder: Folder = None,
    baskets: BasketsFile = None,
    map_text: MapText = "",
    mapping: MappingFile = None,
    lines: Lines = "",
    support: Support = 0.001,
    confidence: Confidence = 0.1,
    lift: Lift = LIFT_MIN,
    leverage: Leverage = LEVERAGE_MIN,
    alpha: Alpha = ALPHA,
    improvement: Improvement = IMPROVEMENT_MIN,
    margins: MarginsFile = None,
    margin_minor: MarginMinor = None,
    margin_share: MarginShare = 0.3,
    contact_cost: ContactCost = 0.0,
    mdv: DecisionValue = None,
    uplift: Uplift = None,
    reach: Reach = 0.0,
    processing_minor: ProcessingMinor = 0.0,
    seed: Seed = 0,
    out: Out = None,
    top: Top = 20,
    *,
    memory_mb: MemoryMb = MEMORY_MB,
    as_json: AsJson = False,
) -> None:
    """Mine association rules with one item as consequent, prune redundant ones, and keep those with a positive expected value."""
    source = HistorySource(folder, None, baskets, map_text, mapping, memory_mb)
    found, mean_amounts, counted = _baskets_of(source, lines, support)
    with working("mining"):
        if uplift is not None:
            mdv = marketing_decision_value(uplift, margin_minor or 0.0, reach, processing_minor)
        part = found if mdv is None else _sampled(found, mdv, seed)
        sets = frequent_itemsets(part, support)
        tried = rules_of(sets, confidence)
        pruned = prune(tried, lift_min=lift, leverage_min=leverage, alpha=alpha, improvement_min=improvement)
        own = {item: amount * margin_share for item, amount in mean_amounts.items()} | _read_margins(margins)
        valued = value_rules(pruned.kept, _with_default(own, part.items, margin_minor), contact_cost)
    _write(valued, out)
    report = RulesReport(
        counted,
        part.total,
        len(part.items),
        part.rare,
        len(sets.counts),
        len(tried),
        pruned.dropped,
        _counts(valued),
        len(valued.kept),
        valued.kept[:top],
    )
    if as_json:
        print_json(report)
    else:
        _show_rules(report, support, out)


def journeys(
    folder: Folder = None,
    interactions: InteractionsFile = None,
    map_text: MapText = "",
    mapping: MappingFile = None,
    by: Annotated[str, typer.Option(help="Unit of a step: zone, or kind (kind of place).")] = "zone",
    window_days: Annotated[int, typer.Option(min=1, help="Length of a time window in days.")] = WINDOW_DAYS,
    windows: Annotated[int, typer.Option(min=1, help="Minimum number of time windows in which a journey occurs.")] = WINDOWS_MIN,
    subjects: Annotated[int, typer.Option(min=2, help="Minimum number of subjects of a journey in each window.")] = SUBJECTS_MIN,
    k: Annotated[int, typer.Option(min=2, help="Minimum number of subjects in a published cohort (k-anonymity).")] = K,
    margins: MarginsFile = None,
    margin_minor: MarginMinor = None,
    contact_cost: ContactCost = 0.0,
    out: Out = None,
    groups: GroupsFile = None,
    top: Top = 20,
    *,
    memory_mb: MemoryMb = MEMORY_MB,
    as_json: AsJson = False,
) -> None:
    """Mine frequent sequences of visits; those that recur in several time windows and on held-out later days are journeys.

    With --groups, each cohort becomes a definition for gateways; an attribute with source cohort names it.
    """
    step_column = _step_column(by)
    with open_source(HistorySource(folder, interactions, None, map_text, mapping, memory_mb)) as history, working("mining"):
        sequences, _ = visit_sequences(derived.sequences(history, step_column))
        found = journeys_of(sequences, window_days=window_days, windows_min=windows, subjects_min=subjects)
        counted = history.row_counts
    cohorts = cohorts_of(found, k)
    steps = sorted({step for journey in found for step in journey.steps})
    valued = value_journeys(found, _with_default(_read_margins(margins), steps, margin_minor), contact_cost)
    _write(valued, out)
    definitions = cohort_definitions(cohorts.cohorts, step_column, derived.VISIT_GAP_MS / HOUR_MS, window_days)
    if groups is not None:
        save_groups(groups, definitions)
    report = JourneysReport(
        tables=counted,
        sequences=len(sequences),
        journeys=sum(journey.state == "journey" for journey in found),
        candidates=sum(journey.state == "candidate" for journey in found),
        cohorts={" > ".join(cohort.steps): len(cohort.subjects) for cohort in cohorts.cohorts},
        definitions=tuple(of.name for of in definitions),
        cohorts_too_small=cohorts.too_small,
        worthless=_counts(valued),
        kept=len(valued.kept),
        top=tuple(JourneyLine(of.steps, of.state, of.reason, of.windows, of.share_before, of.share_later) for of in found[:top]),
    )
    if as_json:
        print_json(report)
    else:
        _show_journeys(report, out)


def _sampled(baskets: Baskets, mdv: float, seed: int) -> Baskets:
    part = sample_baskets(baskets, rows_for(mdv), seed)
    if part is None:
        raise HistoryError("the decision has no value (--mdv), so nothing is mined")
    return part


def _step_column(by: str) -> Literal["zone", "kind"]:
    columns: dict[str, Literal["zone", "kind"]] = {"zone": "zone", "kind": "kind"}
    if by not in columns:
        raise HistoryError(f"--by is zone or kind, not {by!r}")
    return columns[by]


def _baskets_of(source: HistorySource, lines: str, support: float) -> tuple[Baskets, dict[str, float], tuple[RowCounts, ...]]:
    if not 0 < support <= 1:
        raise HistoryError("a support of 0 would count every possible set: give a share above 0")
    if lines:
        if source.baskets is None:
            raise HistoryError("--lines needs --baskets, the text file to read")
        return read_basket_file(source.baskets, lines, support), {}, ()
    with open_source(source, optional=("subject", "at_ms")) as history:
        return derived.baskets(history, support), derived.mean_amounts(history), history.row_counts


def _read_margins(path: Path | None) -> dict[str, float]:
    if path is None:
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            margins = {row["item"]: float(row["margin_minor"]) for row in csv.DictReader(file)}
    except (KeyError, TypeError, ValueError, UnicodeDecodeError, csv.Error) as error:
        raise HistoryError(
            f"{path} is not a table of margins: it needs the columns item and margin_minor, a number ({str(error)[:80]})"
        ) from error
    if not margins:
        raise HistoryError(f"{path} holds no margin: add lines of item and margin_minor, or leave --margins out")
    return margins


def _with_default(margins: dict[str, float], items: Sequence[str], default: float | None) -> dict[str, float]:
    return margins if default is None else dict.fromkeys(items, default) | margins


def _counts(valued: ValuedPatterns) -> dict[str, int]:
    return {str(reason): count for reason, count in valued.dropped.items()}


def _write(valued: ValuedPatterns, out: Path | None) -> None:
    if out is not None:
        out.write_bytes(encode_pattern_file(valued.kept))


def _show_rules(report: RulesReport, support: float, out: Path | None) -> None:
    show_row_counts(report.tables)
    say(f"{report.baskets:,} baskets of {report.items:,} items: {report.sets:,} frequent sets, {report.rules:,} rules")
    if report.rare_items:
        say(f"{report.rare_items:,} items in less than {support:.3%} of the baskets are left out: no set that holds one reaches --support")
    _show_dropped(report.redundant, report.worthless, report.kept, out)
    header = ("left", "right", "confidence", "lift", "reach", "value, minor units")
    rows = [(", ".join(of.left), of.right, of.confidence, of.lift, of.reach, of.worth_minor) for of in report.top]
    show("rules by expected margin", header, rows)


def _show_journeys(report: JourneysReport, out: Path | None) -> None:
    show_row_counts(report.tables)
    say(
        f"{report.sequences:,} sequences: {report.journeys} journeys, {report.candidates} candidates; "
        f"cohorts: {len(report.cohorts)}, journeys with too few subjects for one: {report.cohorts_too_small}"
    )
    _show_dropped({}, report.worthless, report.kept, out)
    header = ("steps", "state", "reason", "windows", "share before", "share later")
    show(
        "journeys", header, [(" > ".join(of.steps), of.state, of.reason, of.windows, of.share_before, of.share_later) for of in report.top]
    )


def _show_dropped(redundant: dict[str, int], worthless: dict[str, int], kept: int, out: Path | None) -> None:
    dropped = [f"{reason} {count:,}" for reason, count in (*redundant.items(), *worthless.items()) if count]
    say(f"{kept:,} with a value are kept{f' in {out}' if out else ''}; dropped: {', '.join(dropped) or 'none'}")

"""`wayside-models history`: check and summarise a history, and measure the size that a machine can process."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.adapters.bundle import read_patterns
from gateway.adapters.toml_files import TomlFileError, load_campaign, load_schema
from gateway.core.attributes.grouping import Mined
from gateway.core.attributes.groups import NO_GROUPS
from models.groups import read_groups, read_schema_file
from models.history import derived, scale
from models.history import recompute as recomputed
from models.history.columns import ALTERNATIVES, COLUMNS
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
from models.history.reading import MEMORY_MB, THREADS, History, RowCounts
from models.history.rows import read_places, write_rows
from models.screen import print_json, progressing, say, show, working

app = typer.Typer(no_args_is_help=True, help="Check and summarise a history of visits, proposals, answers and purchases.")

_TYPES = "SELECT what, count(*), count(DISTINCT subject), count(DISTINCT zone) FROM interactions GROUP BY what ORDER BY what"
_SEEN = """
    SELECT min(at_ms), max(at_ms), count(DISTINCT subject)
    FROM (SELECT subject, at_ms FROM interactions UNION ALL SELECT subject, at_ms FROM baskets)
"""
_BASKETS = "SELECT count(DISTINCT basket), count(DISTINCT item) FROM baskets"


MinedGroups = Annotated[Path | None, typer.Option("--groups", help="Group definitions, JSON.", exists=True, dir_okay=False)]
MinedPatterns = Annotated[Path | None, typer.Option("--patterns", help="Patterns, JSON.", exists=True, dir_okay=False)]


class RecomputedReport(msgspec.Struct, frozen=True):
    """Report of `recompute`: the folder, its columns, the proposals with new columns, and those that the history log does not cover."""

    out: str
    columns: tuple[str, ...]
    proposals: int
    incomplete: int


class InteractionCount(msgspec.Struct, frozen=True):
    """Number of rows, subjects and zones of one type of interaction (`what`)."""

    what: str
    rows: int
    subjects: int
    zones: int


class Distribution(msgspec.Struct, frozen=True):
    """Mean and quantiles of one figure over the subjects."""

    name: str
    mean: float
    median: float
    p90: float
    maximum: float


class HistorySummary(msgspec.Struct, frozen=True):
    """Report of `summary`."""

    tables: tuple[RowCounts, ...]
    first_day: str
    last_day: str
    subjects: int
    interactions_by_type: tuple[InteractionCount, ...]
    baskets: int
    items: int
    distributions: tuple[Distribution, ...]


def register(parent: typer.Typer) -> None:
    """Add the group of commands to `parent`."""
    parent.add_typer(app, name="history")


@app.command(epilog="Example: [b]wayside-models history check --dir export[/b]")
def check(
    folder: Folder = None,
    interactions: InteractionsFile = None,
    baskets: BasketsFile = None,
    map_text: MapText = "",
    mapping: MappingFile = None,
    *,
    memory_mb: MemoryMb = MEMORY_MB,
    as_json: AsJson = False,
) -> None:
    """Check every row and count those refused, by reason. Exit code 1 if any was refused."""
    with open_source(HistorySource(folder, interactions, baskets, map_text, mapping, memory_mb)) as history:
        counted, features = history.row_counts, history.inputs is not None
    if as_json:
        print_json({"tables": counted, "features": features})
    else:
        show_row_counts(counted)
        say("feature columns (f_): present" if features else "feature columns (f_): none, so no model can be trained on the proposals")
        if any(of.refused for of in counted):
            _explain(counted)
    if any(of.refused for of in counted):
        raise typer.Exit(1)


@app.command(
    epilog="Example: [b]wayside-models history summary --baskets sales.csv --map subject=CustomerID,at=Date,basket=No,item=Code[/b]"
)
def summary(
    folder: Folder = None,
    interactions: InteractionsFile = None,
    baskets: BasketsFile = None,
    map_text: MapText = "",
    mapping: MappingFile = None,
    *,
    memory_mb: MemoryMb = MEMORY_MB,
    as_json: AsJson = False,
) -> None:
    """Contents of a history: days, subjects, interactions by type, and purchases per subject."""
    with open_source(HistorySource(folder, interactions, baskets, map_text, mapping, memory_mb)) as history:
        report = summary_of(history)
    if as_json:
        print_json(report)
        return
    show_row_counts(report.tables)
    say(f"{report.first_day} to {report.last_day}, {report.subjects:,} subjects; {report.baskets:,} baskets of {report.items:,} items")
    if report.interactions_by_type:
        show(
            "interactions",
            ("what", "rows", "subjects", "zones"),
            [(of.what, of.rows, of.subjects, of.zones) for of in report.interactions_by_type],
        )
    if report.distributions:
        header = ("figure over subjects", "mean", "median", "90 %", "maximum")
        show("purchases", header, [(of.name, of.mean, of.median, of.p90, of.maximum) for of in report.distributions])


@app.command(
    epilog="Example: [b]wayside-models history rows --dir past/gateway --schema schema.toml --campaign campaign.toml "
    "--config gw-a.toml --out past/rows[/b]"
)
def rows(
    folder: Annotated[Path, typer.Option("--dir", help="Folder with interactions.csv and facts.jsonl.", exists=True, file_okay=False)],
    schema: Annotated[Path, typer.Option(help="Schema of the new model, TOML.", exists=True, dir_okay=False)],
    campaign: Annotated[Path, typer.Option(help="Campaign with all proposed offers, TOML.", exists=True, dir_okay=False)],
    config: Annotated[list[Path], typer.Option(help="Config of a gateway of the site; repeat it for each.", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="Folder for the table with scored columns, which `train --history` takes.", file_okay=False)],
    groups: MinedGroups = None,
    patterns: MinedPatterns = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Work out the training rows of unscored proposals by the gateway's own functions. Exit code 1 (HistoryError) if they cannot be."""
    try:
        declared = load_schema(schema)
        offered = load_campaign(campaign, declared).campaign
    except TomlFileError as error:
        raise HistoryError(str(error)) from error
    with working("folding facts"):
        written = write_rows(folder, declared, offered, read_places(config), out, _mined(groups, patterns))
    if as_json:
        print_json(written)
        return
    say(f"{written.proposals:,} proposals to {written.people:,} people, {written.columns} columns, in {out}")
    if written.always_unknown:
        say(f"remark: always unknown: {', '.join(written.always_unknown)}")


@app.command("scale", epilog="Example: [b]wayside-models history scale --rows 1000000[/b]")
def measure_scale(
    rows: Annotated[int, typer.Option(min=1_000, max=200_000_000, help="Approximate number of rows to generate.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Random seed, for reproducible rows.")] = 0,
    *,
    memory_mb: MemoryMb = MEMORY_MB,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Number of DuckDB threads.")] = THREADS,
    as_json: AsJson = False,
) -> None:
    """Generate a synthetic history, and measure time and memory of each stage of reading it."""
    with progressing("generating rows", len(scale.STAGES)) as step:
        measured = scale.measure(rows, seed, memory_mb, threads, lambda name: step(f"{name} done"))
    if as_json:
        print_json(measured)
        return
    title = f"{measured.rows:,} rows, seed {measured.seed}, DuckDB within {measured.memory_limit_mb} MB on {measured.threads} threads"
    show(title, ("stage", "out", "s", "peak MB so far"), [(of.name, of.out, of.seconds, of.peak_mb) for of in measured.stages])
    say("rows are generated in a separate process; memory is the resident peak of the measuring process, Python included")


def summary_of(history: History) -> HistorySummary:
    """Summary of a history. Raises HistoryError if it has no usable row."""
    ((first, last, subjects),) = history.sql(_SEEN).fetchall()
    if first is None:
        raise HistoryError("no row of the history can be used; `wayside-models history check` counts the reasons")
    ((baskets, items),) = history.sql(_BASKETS).fetchall()
    distributions: tuple[Distribution, ...] = ()
    if history.sql("SELECT EXISTS (FROM purchases)").fetchall()[0][0]:
        table = derived.rfm(history, last + 1, unit_days=1.0)
        names = {"days with a purchase after the first": "frequency", "days from first to last": "recency", "days since the first": "age"}
        named = {**names, "amount per day after the first, minor units": "monetary_minor"}
        distributions = tuple(
            Distribution(name, *(float(value) for value in (column.mean(), *column.quantile([0.5, 0.9, 1.0]))))
            for name, column in ((name, table[column]) for name, column in named.items())
        )
    return HistorySummary(
        tables=history.row_counts,
        first_day=_day(first),
        last_day=_day(last),
        subjects=subjects,
        interactions_by_type=tuple(InteractionCount(*row) for row in history.sql(_TYPES).fetchall()),
        baskets=baskets,
        items=items,
        distributions=distributions,
    )


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()


def _explain(counted: tuple[RowCounts, ...]) -> None:
    say("reasons: no_<column> (value missing), bad_<column> (value not valid), or the fault of the whole row")
    for of in counted:
        columns = COLUMNS[of.table]
        say(f"columns of {of.table}: {', '.join(f'{column.name} ({column.note})' for column in columns)}")
    say("columns accepted instead: " + "; ".join(f"{name}, {note}" for name, note in ALTERNATIVES.items()))


@app.command(epilog="Example: [b]wayside-models history recompute --dir export --schema schema.toml --groups groups.json --out mined[/b]")
def recompute(
    folder: Annotated[Path, typer.Option("--dir", help="Folder written by `wayside history export`.", exists=True, file_okay=False)],
    schema: Annotated[Path, typer.Option(help="Schema (TOML) of the new columns.", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="Folder to write: interactions.csv and history.json, for `train --history`.", file_okay=False)],
    groups: MinedGroups = None,
    patterns: MinedPatterns = None,
    *,
    memory_mb: MemoryMb = MEMORY_MB,
    as_json: AsJson = False,
) -> None:
    """Work out the scored columns of past proposals anew, under another schema and with mined groups and patterns.

    A model can then be trained on attributes that were mined after the proposals. Exit code 1 (HistoryError) without a history log.
    """
    with open_source(HistorySource(folder, memory_mb=memory_mb)) as history, working("replaying the history log"):
        found = recomputed.recompute(history, folder, out, read_schema_file(schema), _mined(groups, patterns))
    report = RecomputedReport(str(out), found.columns, found.proposals, found.incomplete)
    if as_json:
        print_json(report)
        return
    say(f"{out}: {report.proposals:,} proposals with {len(report.columns)} columns")
    if report.incomplete:
        say(f"{report.incomplete:,} proposals are left out: the history log does not begin with the first fact of their subjects")


def _mined(groups: Path | None, patterns: Path | None) -> Mined:
    return Mined(NO_GROUPS if groups is None else read_groups(groups), () if patterns is None else read_patterns(patterns.read_bytes()))

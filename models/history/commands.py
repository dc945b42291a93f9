"""`wayside-models history`: is this history sound, what is in it, and how large a one can this machine take."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from models.history import derived, scale
from models.history.columns import ALTERNATIVES, COLUMNS, FEATURE_PREFIX
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
from models.screen import print_json, progressing, say, show

app = typer.Typer(no_args_is_help=True, help="Look at a history of visits, proposals, answers and purchases.")

_WHATS = "SELECT what, count(*), count(DISTINCT subject), count(DISTINCT zone) FROM interactions GROUP BY what ORDER BY what"
_SEEN = """
    SELECT min(at_ms), max(at_ms), count(DISTINCT subject)
    FROM (SELECT subject, at_ms FROM interactions UNION ALL SELECT subject, at_ms FROM baskets)
"""
_BASKETS = "SELECT count(DISTINCT basket), count(DISTINCT item) FROM baskets"


class InteractionCount(msgspec.Struct, frozen=True):
    """How often one thing happened, to how many subjects, in how many zones."""

    what: str
    rows: int
    subjects: int
    zones: int


class Distribution(msgspec.Struct, frozen=True):
    """A figure of a summary: its mean and quantiles over subjects."""

    name: str
    mean: float
    median: float
    p90: float
    maximum: float


class HistorySummary(msgspec.Struct, frozen=True):
    """What `summary` prints."""

    tables: tuple[RowCounts, ...]
    first_day: str
    last_day: str
    subjects: int
    interactions_by_type: tuple[InteractionCount, ...]
    baskets: int
    items: int
    distributions: tuple[Distribution, ...]


def register(parent: typer.Typer) -> None:
    """Hang the commands of this room into the command line."""
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
    """Check every row and count those refused, by reason. Exit code 1 when any was refused."""
    with open_source(HistorySource(folder, interactions, baskets, map_text, mapping, memory_mb)) as history:
        counted, features = history.row_counts, bool(history.feature_columns)
    if as_json:
        print_json({"tables": counted, "features": features})
    else:
        show_row_counts(counted)
        say("the features that the gateway scored are there" if features else "no f_ columns: nothing can be trained on proposals")
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
    """What is in the history: days, subjects, what happened how often, how subjects come and what they spend."""
    with open_source(HistorySource(folder, interactions, baskets, map_text, mapping, memory_mb)) as history:
        told = summary_of(history)
    if as_json:
        print_json(told)
        return
    show_row_counts(told.tables)
    say(f"{told.first_day} to {told.last_day}, {told.subjects:,} subjects; {told.baskets:,} baskets of {told.items:,} items")
    if told.interactions_by_type:
        show(
            "interactions",
            ("what", "rows", "subjects", "zones"),
            [(of.what, of.rows, of.subjects, of.zones) for of in told.interactions_by_type],
        )
    if told.distributions:
        header = ("subjects by purchases", "mean", "median", "90 %", "most")
        show("purchases", header, [(of.name, of.mean, of.median, of.p90, of.maximum) for of in told.distributions])


@app.command("scale", epilog="Example: [b]wayside-models history scale --rows 1000000[/b]")
def measure_scale(
    rows: Annotated[int, typer.Option(min=1_000, max=200_000_000, help="About how many rows to make.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Same seed, same rows.")] = 0,
    *,
    memory_mb: MemoryMb = MEMORY_MB,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads of DuckDB.")] = THREADS,
    as_json: AsJson = False,
) -> None:
    """Make a history of any size, then time every stage of reading it and the memory that it takes."""
    with progressing("making rows", len(scale.STAGES)) as step:
        measured = scale.measure(rows, seed, memory_mb, threads, lambda name: step(f"{name} done"))
    if as_json:
        print_json(measured)
        return
    title = f"{measured.rows:,} rows, seed {measured.seed}, DuckDB within {measured.memory_limit_mb} MB on {measured.threads} threads"
    show(title, ("stage", "out", "s", "peak MB so far"), [(of.name, of.out, of.seconds, of.peak_mb) for of in measured.stages])
    say("the rows are made in a process of their own; memory is the resident peak of the process that works, Python included")


def summary_of(history: History) -> HistorySummary:
    """What is in the history; `HistoryError` when nothing that can be used is."""
    ((first, last, subjects),) = history.sql(_SEEN).fetchall()
    if first is None:
        raise HistoryError("no row of the history can be used; `wayside-models history check` tells why")
    ((baskets, items),) = history.sql(_BASKETS).fetchall()
    distributions: tuple[Distribution, ...] = ()
    if history.sql("SELECT EXISTS (FROM purchases)").fetchall()[0][0]:
        table = derived.rfm(history, last + 1, unit_days=1.0)
        names = {"days with a purchase after the first": "frequency", "days from first to last": "recency", "days since the first": "age"}
        named = {**names, "amount a day after the first, minor units": "monetary_minor"}
        distributions = tuple(
            Distribution(name, *(float(value) for value in (column.mean(), *column.quantile([0.5, 0.9, 1.0]))))
            for name, column in ((name, table[column]) for name, column in named.items())
        )
    return HistorySummary(
        tables=history.row_counts,
        first_day=_day(first),
        last_day=_day(last),
        subjects=subjects,
        interactions_by_type=tuple(InteractionCount(*row) for row in history.sql(_WHATS).fetchall()),
        baskets=baskets,
        items=items,
        distributions=distributions,
    )


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()


def _explain(counted: tuple[RowCounts, ...]) -> None:
    say("a reason reads no_<column> (not stated), bad_<column> (not a value of it), or names what the whole row is")
    for of in counted:
        columns = [column for column in COLUMNS[of.table] if not column.name.startswith(FEATURE_PREFIX)]
        say(f"{of.table} have {', '.join(f'{column.name} ({column.note})' for column in columns)}")
    say("instead: " + "; ".join(f"{name}, {note}" for name, note in ALTERNATIVES.items()))

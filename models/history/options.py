"""What the commands that read a history have in common: their options, how they open it, how they say what became of its rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from models.history.columns import TableName
from models.history.mapping import HistoryError, HistoryMapping, parse_mapping, read_mapping
from models.history.reading import MEMORY_MB, History, RowCounts, find_tables, open_history
from models.screen import counts_text, say, working

Folder = Annotated[Path | None, typer.Option("--dir", help="Folder of an export: interactions and baskets.", exists=True, file_okay=False)]
InteractionsFile = Annotated[
    Path | None, typer.Option("--interactions", help="Interactions: CSV, Parquet, or a folder of parts.", exists=True)
]
BasketsFile = Annotated[Path | None, typer.Option("--baskets", help="Baskets: CSV, Parquet, or a folder of parts.", exists=True)]
MapText = Annotated[str, typer.Option("--map", help="Columns of the one table given: subject=CustomerID,at=Date,…")]
MappingFile = Annotated[Path | None, typer.Option("--mapping", help="The same for both tables, TOML.", exists=True, dir_okay=False)]
MemoryMb = Annotated[int, typer.Option("--memory-mb", min=128, help="What DuckDB may hold in memory; the rest goes to disk.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object for machines.")]


class HistorySource(msgspec.Struct, frozen=True):
    """The tables that a command line asked for."""

    folder: Path | None = None
    interactions: Path | None = None
    baskets: Path | None = None
    map_text: str = ""
    mapping: Path | None = None
    memory_mb: int = MEMORY_MB

    def tables(self) -> dict[TableName, Path]:
        """Which file is which table; `HistoryError` when none is given."""
        found = find_tables(self.folder) if self.folder else {}
        if self.interactions:
            found["interactions"] = self.interactions
        if self.baskets:
            found["baskets"] = self.baskets
        if not found:
            raise HistoryError("no history is given: use --dir, --interactions or --baskets")
        return found

    def column_mapping(self, tables: Collection[TableName]) -> HistoryMapping:
        """The mapping of the file, or that of --map, which speaks of the only table given."""
        if self.mapping and self.map_text:
            raise HistoryError("give --map or --mapping, not both")
        if self.mapping:
            return read_mapping(self.mapping)
        if not self.map_text:
            return HistoryMapping()
        if len(tables) != 1:
            raise HistoryError("--map speaks of one table and two are given: write both mappings to a file and use --mapping")
        (table,) = tables
        return HistoryMapping(**{table: parse_mapping(table, self.map_text)})


@contextmanager
def open_source(asked: HistorySource, optional: Collection[str] = ()) -> Iterator[History]:
    """The history asked for, with a sign of life on the standard error while it is read."""
    tables = asked.tables()
    mapping = asked.column_mapping(tables)
    with ExitStack() as stack:
        with working("reading and checking the history"):
            history = stack.enter_context(
                open_history(
                    interactions=tables.get("interactions"),
                    baskets=tables.get("baskets"),
                    mapping=mapping,
                    optional=optional,
                    memory_mb=asked.memory_mb,
                )
            )
        yield history


def show_row_counts(counted: Iterable[RowCounts]) -> None:
    """What became of the rows, table by table."""
    for of in counted:
        say(f"{of.table}: {of.rows_in:,} rows in, {of.used:,} used; refused: {counts_text(of.refused)}")

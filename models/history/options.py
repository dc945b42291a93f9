"""Options that the history commands share, and how these commands open the history and print its row counts."""

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

Folder = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        help="Folder written by `wayside history export`: history.sqlite, or interactions and baskets.",
        exists=True,
        file_okay=False,
    ),
]
InteractionsFile = Annotated[
    Path | None, typer.Option("--interactions", help="Table of interactions: CSV, Parquet, SQLite, or a folder of parts.", exists=True)
]
BasketsFile = Annotated[
    Path | None, typer.Option("--baskets", help="Table of baskets: CSV, Parquet, SQLite, or a folder of parts.", exists=True)
]
MapText = Annotated[str, typer.Option("--map", help="Columns of the table, if only one is given, as subject=CustomerID,at=Date,…")]
MappingFile = Annotated[
    Path | None, typer.Option("--mapping", help="TOML file with the column mappings of both tables.", exists=True, dir_okay=False)
]
MemoryMb = Annotated[int, typer.Option("--memory-mb", min=128, help="Memory limit of DuckDB, MB; it spills to disk above that.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


class HistorySource(msgspec.Struct, frozen=True):
    """Tables and mapping given on the command line."""

    folder: Path | None = None
    interactions: Path | None = None
    baskets: Path | None = None
    map_text: str = ""
    mapping: Path | None = None
    memory_mb: int = MEMORY_MB

    def tables(self) -> dict[TableName, Path]:
        """Path of each table that is given. Raises HistoryError if there is none."""
        found = find_tables(self.folder) if self.folder else {}
        if self.interactions:
            found["interactions"] = self.interactions
        if self.baskets:
            found["baskets"] = self.baskets
        if not found:
            raise HistoryError("no history is given: use --dir, --interactions or --baskets")
        return found

    def column_mapping(self, tables: Collection[TableName]) -> HistoryMapping:
        """Mapping from the file of --mapping, or from --map for the only one of `tables`.

        Raises HistoryError if both options are given, or --map with two tables.
        """
        if self.mapping and self.map_text:
            raise HistoryError("give --map or --mapping, not both")
        if self.mapping:
            return read_mapping(self.mapping)
        if not self.map_text:
            return HistoryMapping()
        if len(tables) != 1:
            raise HistoryError("--map is for one table and two are given: write both mappings to a file and use --mapping")
        (table,) = tables
        return HistoryMapping(**{table: parse_mapping(table, self.map_text)})


@contextmanager
def open_source(source: HistorySource, optional: Collection[str] = ()) -> Iterator[History]:
    """History of the given tables, open for the duration of the context; a spinner on stderr shows that it is being read."""
    tables = source.tables()
    mapping = source.column_mapping(tables)
    with ExitStack() as stack:
        with working("reading and checking the history"):
            history = stack.enter_context(
                open_history(
                    interactions=tables.get("interactions"),
                    baskets=tables.get("baskets"),
                    mapping=mapping,
                    optional=optional,
                    memory_mb=source.memory_mb,
                )
            )
        yield history


def show_row_counts(counted: Iterable[RowCounts]) -> None:
    """Print the numbers of rows read, used and refused, one line per table."""
    for of in counted:
        say(f"{of.table}: {of.rows_in:,} rows in, {of.used:,} used; refused: {counts_text(of.refused)}")

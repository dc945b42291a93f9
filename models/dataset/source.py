"""A table of any size in a DuckDB database: every value as trimmed text, unknown where a spelling of "unknown" stands.

The file is staged on disk under a memory limit. A table of more than `rows_max` rows is replaced by a sample, drawn by a hash of the
group, or of the row number where there is no group: a person is in it with all rows or with none.

DuckDB keeps the order of the rows in every query without ORDER BY; a sort of a wide table would need much memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from gateway.core.nearest import nearest
from models.history import files
from models.screen import working
from models.tables.reading import TableError

ROWS_MAX = 200_000
CELLS_MAX = 60_000_000  # rows times columns of a sample; a float32 matrix of it has 240 MB
MEMORY_MB = 1_024
SQLITE = (".sqlite", ".db")
UNKNOWN = ("", "na", "n/a", "#n/a", "nan", "null", "nil", "none", "?", "-", "--", ".", "unknown", "missing", "not available")
_MALFORMED = "SELECT count(*) FROM (SELECT DISTINCT scan_id, file_id, line FROM reject_errors)"
_FAULTS = (duckdb.IOException, duckdb.InvalidInputException, duckdb.ConversionException, duckdb.BinderException)


class Source(NamedTuple):
    """A staged table; its columns are c0, c1 … in the order of `names`.

    `rows_in` counts the rows of the file, `malformed` those that have another number of fields than the header, `rows` those that are
    used, for which the SQL `drawn` holds.
    """

    connection: duckdb.DuckDBPyConnection
    path: Path
    names: tuple[str, ...]
    rows_in: int
    malformed: int
    rows: int
    comma_is_decimal: bool
    drawn: str = "true"

    def of(self, columns: Iterable[int], *, as_written: bool = False) -> str:
        """SQL of the used rows with the columns of these numbers and `rowid`; spellings of unknown are NULL unless `as_written`."""
        unknown = _listed(UNKNOWN)
        texts = (f"c{at}" if as_written else f"CASE WHEN lower(c{at}) IN ({unknown}) THEN NULL ELSE c{at} END AS c{at}" for at in columns)
        return f"(SELECT {', '.join(('rowid', *texts))} FROM staged WHERE {self.drawn})"  # noqa: S608 - names are numbers

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(query).fetchall()

    def rows_where(self, columns: Iterable[int], condition: str) -> int:
        """The number of used rows for which an SQL condition on these columns holds."""
        return int(self.sql(f"SELECT count(*) FROM {self.of(columns)} WHERE {condition}")[0][0])  # noqa: S608 - literals are quoted

    def column(self, name: str) -> int:
        """Number of the column `name`. Raises TableError with the nearest name."""
        if name not in self.names:
            raise TableError(f"{self.path} has no column {name!r}{nearest(name, self.names)}")
        return self.names.index(name)


@contextmanager
def open_source(path: Path, groups: Sequence[str], rows_max: int, seed: int) -> Iterator[Source]:
    """The table at `path`, staged for the duration of the context; `groups` are the columns that name a unit of a sample.

    Raises TableError if the file is no table or lacks a column, HistoryError if it cannot be unpacked or its form is unknown.
    """
    with tempfile.TemporaryDirectory(prefix="wayside-table-") as folder:
        scratch = Path(folder)
        (scratch / "unpacked").mkdir()
        connection = duckdb.connect(
            str(scratch / "table.duckdb"),
            config={
                "memory_limit": f"{MEMORY_MB}MB",
                "threads": 1,
                "temp_directory": str(scratch / "spilled"),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        try:
            with working(f"reading {path.name}"):
                source = _stage(connection, path, groups, rows_max, seed, scratch / "unpacked")
            yield source
        except _FAULTS as error:
            raise TableError(f"{path} cannot be read as a table ({' '.join(str(error).split())[:160]})") from error
        except duckdb.OutOfMemoryException as error:
            raise TableError(f"{path} needs more than {MEMORY_MB} MB of memory: leave out columns with long texts") from error
        finally:
            connection.close()


def _stage(connection: duckdb.DuckDBPyConnection, path: Path, groups: Sequence[str], rows_max: int, seed: int, unpacked: Path) -> Source:
    if path.suffix.lower() in SQLITE:
        raise TableError(f"{path} is a database of several tables: write the table as CSV or Parquet first")
    relation, csv_files = files.rows_of(connection, "table", [path], unpacked, any_encoding=True)
    names = tuple(relation.columns)
    texts = (f"trim({files.quoted(name)}) AS c{at}" for at, name in enumerate(names))
    relation.project(", ".join(texts)).create("staged")
    ((rows,),) = connection.execute("SELECT count(*) FROM staged").fetchall()
    ((malformed,),) = connection.execute(_MALFORMED).fetchall() if csv_files else ((0,),)
    staged = Source(connection, path, names, rows + malformed, malformed, rows, comma_is_decimal=csv_files > 0 and _semicolons(path))
    if not rows:
        raise TableError(f"{path} holds no rows" + (f"; {malformed} lines are malformed" if malformed else ""))
    return _sampled(staged, groups, min(rows_max, CELLS_MAX // len(names)), seed)


def _semicolons(path: Path) -> bool:
    """Whether commas do not separate the columns, so that a comma in a number is its decimal point."""
    return files.header(path, files.encoding_of(path))[1] != ","


def _sampled(staged: Source, groups: Sequence[str], rows_max: int, seed: int) -> Source:
    if staged.rows <= rows_max:
        return staged
    unit = f"concat_ws('\x1f', {', '.join(f'c{staged.column(name)}' for name in groups)})" if groups else "rowid"
    drawn = staged._replace(drawn=f"hash({unit}, {seed}) % 1000000 < {1_000_000 * rows_max // staged.rows}")
    return drawn._replace(rows=drawn.rows_where((), "true"))


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(files.literal(text) for text in texts)

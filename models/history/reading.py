"""Reading a history: every row is checked, every refused row counted, and data beyond the memory limit stays on disk.

DuckDB works in its own database file, in a temporary folder, under a memory limit: 10^7 rows need no more memory than 10^5. Each row is
cast and checked once, when it is read; a refused row stays in the staged table with its reason, so that `rows in == used + refused` is
counted and not assumed. All later queries use the views `interactions`, `baskets` and `purchases`, which hold used rows only.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from gateway.core.attributes.read import ColumnsError
from gateway.core.attributes.schema import SchemaError, parse
from models.history import files
from models.history.columns import COLUMNS, FEATURE_PREFIX, ROW_RULES, Column, TableName
from models.history.mapping import HistoryError, HistoryMapping, TableMapping, nearest
from models.inputs import Inputs

TextOf = Callable[[str], str | None]

MEMORY_MB = 1_024
THREADS = 2
SIDECAR = "history.json"
_FEATURE = re.compile(FEATURE_PREFIX + "[a-z0-9_]+")
SQLITE_FILE = "history.sqlite"

_EMPTY = {
    "interactions": "CREATE TABLE interactions_staged AS SELECT {columns}, NULL::VARCHAR AS refused_for WHERE false",
    "baskets": "CREATE TABLE baskets_staged AS SELECT {columns}, NULL::VARCHAR AS refused_for WHERE false",
}
_USED = {
    "interactions": "CREATE VIEW interactions AS SELECT * EXCLUDE refused_for FROM interactions_staged WHERE refused_for IS NULL",
    "baskets": "CREATE VIEW baskets AS SELECT * EXCLUDE refused_for FROM baskets_staged WHERE refused_for IS NULL",
}
_REASONS = {
    "interactions": "SELECT refused_for, count(*) FROM interactions_staged GROUP BY refused_for",
    "baskets": "SELECT refused_for, count(*) FROM baskets_staged GROUP BY refused_for",
}
_MALFORMED = "SELECT count(*) FROM (SELECT DISTINCT scan_id, file_id, line FROM reject_errors)"
_PURCHASES = """
    CREATE VIEW purchases AS
    SELECT subject, min(at_ms) AS at_ms, sum(amount_minor) AS amount_minor FROM baskets GROUP BY subject, basket
    UNION ALL
    SELECT subject, at_ms, amount_minor FROM interactions WHERE what = 'purchase' AND NOT EXISTS (FROM baskets)
"""
"""One row per basket; without baskets, the purchases that tills reported as one amount."""


class RowCounts(msgspec.Struct, frozen=True):
    """Row counts of one table: `rows_in == used + sum(refused.values())`; `refused` is by reason."""

    table: TableName
    rows_in: int
    used: int
    refused: Mapping[str, int]


class Sidecar(msgspec.Struct, frozen=True):
    """File that a gateway writes beside its export: names of the `f_` columns, digest of the definitions, schema, and time zone."""

    columns: tuple[str, ...]
    digest: str
    schema: dict[str, Any]
    timezone: str


class History:
    """Checked history in its own database; `sql` runs on the views interactions, baskets and purchases."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, counted: tuple[RowCounts, ...], inputs: Inputs | None) -> None:
        """`inputs` are the columns that were scored, None if the table has none."""
        self.connection = connection
        self.row_counts = counted
        self.inputs = inputs

    def row_counts_of(self, table: TableName) -> RowCounts:
        """Row counts of one table; zeros if it was not given."""
        found = [counted for counted in self.row_counts if counted.table == table]
        return found[0] if found else RowCounts(table, 0, 0, {})

    def sql(self, query: str, *arguments: object) -> duckdb.DuckDBPyConnection:
        """Result of a query, not fetched yet; `?` are replaced by the arguments."""
        return self.connection.execute(query, list(arguments))

    def sql_named(self, query: str, **arguments: object) -> duckdb.DuckDBPyConnection:
        """As `sql`; `$name` are replaced by the arguments."""
        return self.connection.execute(query, arguments)


@contextmanager
def open_history(
    *,
    interactions: Path | None = None,
    baskets: Path | None = None,
    mapping: HistoryMapping = HistoryMapping(),  # noqa: B008 - frozen
    optional: Collection[str] = (),
    memory_mb: int = MEMORY_MB,
    threads: int = THREADS,
) -> Iterator[History]:
    """Checked history of one or both tables, open for the duration of the context. Columns in `optional` may be missing.

    Raises HistoryError if no table is given, a file cannot be read, a required column is missing, the features are of another version, or
    the memory limit is too low.
    """
    if interactions is None and baskets is None:
        raise HistoryError("a history needs a table of interactions or a table of baskets")
    given: dict[TableName, Path | None] = {"interactions": interactions, "baskets": baskets}
    with tempfile.TemporaryDirectory(prefix="wayside-history-") as folder:
        scratch = Path(folder)
        connection = _connect(scratch, memory_mb, threads)
        try:
            counted, inputs = _load(connection, given, mapping, optional, scratch)
            yield History(connection, counted, inputs)
        except (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.InvalidInputException, duckdb.ConversionException) as error:
            raise HistoryError(_in_one_line(error, memory_mb)) from error
        finally:
            connection.close()


def find_tables(folder: Path) -> dict[TableName, Path]:
    """Paths of `interactions` and `baskets` in the folder of an export: `history.sqlite`, CSV or Parquet files, or folders of parts.

    Raises HistoryError if neither is there, or if there is an SQLite file beside other tables.
    """
    endings = ("", ".parquet", ".csv", ".csv.gz", ".csv.xz")
    names: tuple[TableName, ...] = ("interactions", "baskets")
    found = {name: path for name in names for ending in reversed(endings) if (path := folder / f"{name}{ending}").exists()}
    if (database := folder / SQLITE_FILE).exists():
        if found:
            raise HistoryError(f"{folder} holds two exports, {SQLITE_FILE} and {next(iter(found.values())).name}: delete the older one")
        return dict.fromkeys(names, database)
    if not found:
        raise HistoryError(
            f"{folder} holds neither {SQLITE_FILE} nor interactions or baskets (.parquet, .csv, .csv.gz, .csv.xz or a folder of parts)"
        )
    return found


def _connect(scratch: Path, memory_mb: int, threads: int) -> duckdb.DuckDBPyConnection:
    if memory_mb < 128:
        raise HistoryError(f"{memory_mb} MB of memory are too few: give at least 128")
    (scratch / "unpacked").mkdir()
    connection = duckdb.connect(
        str(scratch / "history.duckdb"),
        config={
            "memory_limit": f"{memory_mb}MB",
            "threads": threads,
            "temp_directory": str(scratch / "spilled"),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _load(
    connection: duckdb.DuckDBPyConnection,
    given: Mapping[TableName, Path | None],
    mapping: HistoryMapping,
    optional: Collection[str],
    scratch: Path,
) -> tuple[tuple[RowCounts, ...], Inputs | None]:
    counted: list[RowCounts] = []
    inputs: Inputs | None = None
    for table, path in given.items():
        if path is None:
            columns = ", ".join(f"NULL::{column.type} AS {column.name}" for column in COLUMNS[table])
            connection.execute(_EMPTY[table].replace("{columns}", columns))
        else:
            names, csv_files = _stage(connection, table, path, mapping.of(table), optional, scratch / "unpacked")
            counted.append(_count(connection, table, csv_files))
            if table == "interactions":
                inputs = _inputs(path, names)
        connection.execute(_USED[table])
    connection.execute(_PURCHASES)
    return tuple(counted), inputs


def _stage(
    connection: duckdb.DuckDBPyConnection, table: TableName, path: Path, mapping: TableMapping, optional: Collection[str], unpacked: Path
) -> tuple[list[str], int]:
    rows, csv_files = files.rows_of(connection, table, files.parts(path), unpacked)
    columns = _columns(table, rows.columns)
    raw = _raw_columns(path, columns, mapping, rows.columns, optional)
    texts = rows.project(", ".join(f"{expression} AS raw_{name}" for name, expression in raw.items()))
    typed = texts.project(", ".join((*(f"raw_{name}" for name in raw), *(_cast(column, raw) for column in columns))))
    typed.project(f"{', '.join(column.name for column in columns)}, {_verdict(table, columns, mapping, raw)} AS refused_for").create(
        f"{table}_staged"
    )
    return list(rows.columns), csv_files


def _columns(table: TableName, present: Collection[str]) -> tuple[Column, ...]:
    """The columns of a table, with the `f_` columns that the file has."""
    if table == "baskets":
        return COLUMNS[table]
    features = (Column(name, "DOUBLE", "an attribute as the gateway scored it") for name in present if _FEATURE.fullmatch(name))
    return (*COLUMNS[table], *features)


def _raw_columns(
    path: Path, columns: Collection[Column], mapping: TableMapping, present: list[str], optional: Collection[str]
) -> dict[str, str]:
    """SQL expression for the text of each column; NULL if the table has no such column or the value is empty."""
    for ours, theirs in mapping.columns.items():
        if theirs not in present:
            raise HistoryError(f"{path} lacks the column {theirs!r} that {ours} is mapped to{nearest(theirs, present)}")

    def text(name: str) -> str | None:
        theirs = mapping.columns.get(name, name)
        return f"NULLIF(trim({files.quoted(theirs)}), '')" if theirs in present else None

    expressions: dict[str, str] = {}
    for column in columns:
        expression = text(column.name) or _alternative(column.name, text, mapping)
        if expression is None and column.required and column.name not in optional:
            raise HistoryError(
                f"{path} lacks the column {column.name}{nearest(column.name, present)}; map it with {column.name}=THEIR_COLUMN"
            )
        expressions[column.name] = expression or "NULL"
    return expressions


def _alternative(name: str, text: TextOf, mapping: TableMapping) -> str | None:
    """What stands for a column of ours that is absent: a written date for milliseconds, major units for minor ones."""
    if name == "at_ms" and (at := text("at")):
        written = f"TRY_STRPTIME({at}, {files.literal(mapping.at_format)})" if mapping.at_format else f"TRY_CAST({at} AS TIMESTAMP)"
        return f"CASE WHEN {at} IS NOT NULL THEN COALESCE(CAST(epoch_ms({written}) AS VARCHAR), 'no date') END"
    if name != "amount_minor":
        return None
    amount, price, quantity = text("amount"), text("price"), text("quantity")
    major = f"TRY_CAST({amount} AS DOUBLE)" if amount else f"TRY_CAST({price} AS DOUBLE) * TRY_CAST({quantity} AS DOUBLE)"
    if not amount and not (price and quantity):
        return None
    stated = amount or f"CASE WHEN {quantity} IS NOT NULL THEN {price} END"
    minor = f"CAST(TRY_CAST(round({major} * {mapping.minor_per_major}) AS BIGINT) AS VARCHAR)"
    return f"CASE WHEN {stated} IS NOT NULL THEN COALESCE({minor}, 'no sum') END"


def _cast(column: Column, raw: Mapping[str, str]) -> str:
    text = f"raw_{column.name}"
    if raw[column.name] == "NULL":
        return f"NULL::{column.type} AS {column.name}"
    if column.type == "VARCHAR":
        return f"{text} AS {column.name}"
    if column.type == "BIGINT":  # a whole number; spreadsheets may append .0
        return f"CASE WHEN regexp_full_match({text}, '[+-]?[0-9]+([.]0*)?') THEN TRY_CAST({text} AS BIGINT) END AS {column.name}"
    return f"CASE WHEN isfinite(TRY_CAST({text} AS DOUBLE)) THEN TRY_CAST({text} AS DOUBLE) END AS {column.name}"


def _verdict(table: TableName, columns: Collection[Column], mapping: TableMapping, raw: Mapping[str, str]) -> str:
    """SQL expression for the reason why a row is refused, NULL if it is used."""
    cases: list[tuple[str, str]] = []
    if mapping.cancelled_prefix and table == "baskets":
        cases.append(("cancelled", f"starts_with(basket, {files.literal(mapping.cancelled_prefix)})"))
    for column in columns:
        if raw[column.name] == "NULL":
            continue
        if column.required:
            cases.append((f"no_{column.name}", f"raw_{column.name} IS NULL"))
        fits = column.fits.replace("{v}", column.name)
        cases.append((f"bad_{column.name}", f"raw_{column.name} IS NOT NULL AND NOT COALESCE({column.name} IS NOT NULL AND {fits}, false)"))
    cases += ROW_RULES[table]
    return f"CASE {' '.join(f'WHEN {when} THEN {files.literal(reason)}' for reason, when in cases)} END"


def _count(connection: duckdb.DuckDBPyConnection, table: TableName, csv_files: int) -> RowCounts:
    refused: Counter[str] = Counter()
    used = 0
    for reason, rows in connection.execute(_REASONS[table]).fetchall():
        if reason is None:
            used = rows
        else:
            refused[reason] = rows
    if csv_files:
        ((malformed,),) = connection.execute(_MALFORMED).fetchall()
        if malformed:
            refused["malformed"] = malformed
            connection.execute("DELETE FROM reject_errors")
    return RowCounts(table, used + refused.total(), used, dict(sorted(refused.items())))


def _inputs(path: Path, present: Collection[str]) -> Inputs | None:
    """The columns that were scored, with the schema; None if the table has none.

    Raises HistoryError if the sidecar is missing or names other columns.
    """
    found = [name.removeprefix(FEATURE_PREFIX) for name in present if _FEATURE.fullmatch(name)]
    if not found:
        return None
    sidecar, *others = _sidecars(path)
    try:
        stated = read_sidecar(path)
        if any(_description(other) != _description(sidecar) for other in others):
            raise HistoryError(f"the parts of {path} have different columns; repeat the export")
        inputs = Inputs(parse(stated.schema), stated.columns)
        inputs.used  # noqa: B018 - raises for a column that the schema does not have
    except (msgspec.DecodeError, UnicodeDecodeError, OSError, SchemaError, ColumnsError) as error:
        raise HistoryError(f"{sidecar}, which explains the f_ columns, cannot be read ({str(error)[:300]}); repeat the export") from error
    if missing := [name for name in inputs.columns if name not in found]:
        raise HistoryError(f"{path} lacks {FEATURE_PREFIX}{missing[0]}, which {sidecar} names; repeat the export")
    if unknown := [name for name in found if name not in inputs.columns]:
        raise HistoryError(f"{path} has {FEATURE_PREFIX}{unknown[0]}, which {sidecar} does not name; repeat the export")
    return inputs


def read_sidecar(path: Path) -> Sidecar:
    """What explains the `f_` columns of the interactions at `path`. Raises HistoryError."""
    sidecar = _sidecars(path)[0]
    try:
        return msgspec.json.decode(_description(sidecar), type=Sidecar)
    except (msgspec.DecodeError, OSError) as error:
        raise HistoryError(f"{sidecar}, which explains the f_ columns, cannot be read ({str(error)[:300]}); repeat the export") from error


def _sidecars(path: Path) -> list[Path]:
    """The SQLite files of a table, or else its history.json."""
    databases = [part for part in files.parts(path) if part.suffix == ".sqlite"]
    return databases or [(path if path.is_dir() else path.parent) / SIDECAR]


def _description(sidecar: Path) -> bytes:
    return files.description(sidecar) if sidecar.suffix == ".sqlite" else sidecar.read_bytes()


def _in_one_line(error: duckdb.Error, memory_mb: int) -> str:
    """DuckDB's error in one line without its settings, with a remedy for the two most frequent ones."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return f"the history needs more than {memory_mb} MB of memory: raise the limit, or free disk space for temporary files"
    first = " ".join(str(error).split())
    if isinstance(error, duckdb.InvalidInputException) and "CSV" in first:
        return "a CSV file of the history is broken: its lines end in different ways, or a quote is not closed; write the file again"
    return f"the history cannot be read: {first[:200]}"

"""Files of rows for DuckDB: CSV, plain or compressed, Parquet, or the SQLite file of a gateway's export; one file or a folder of parts.

The form of a CSV is never guessed: the header names the columns, every value is read as text, and a line with too few or too many fields
is counted as malformed instead of shifting its neighbours. Compression that DuckDB cannot read (.xz, .bz2) is unpacked to a temporary
file first; so is the table of an SQLite file, because DuckDB needs an extension for SQLite. A text that is not UTF-8 is copied as UTF-8.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import lzma
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, cast

import duckdb

from models.history.mapping import HistoryError

_PACKED = (".gz", ".xz", ".bz2")
_DELIMITERS = ",;\t|"
_HEADER_BYTES_MAX = 1_000_000
_CHUNK_BYTES = 1_048_576
_UNREADABLE = (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError, csv.Error)


def open_compressed(path: Path) -> IO[bytes]:
    """Decompressed bytes of a file, by its ending: .gz, .xz, .bz2, or plain."""
    match path.suffix.lower():
        case ".gz":
            return cast("IO[bytes]", gzip.open(path, "rb"))
        case ".xz":
            return lzma.open(path, "rb")
        case ".bz2":
            return bz2.open(path, "rb")
    return path.open("rb")


def encoding_of(path: Path) -> str:
    """Encoding of a text file, as Python names it: "utf-8", "utf-16" by its mark, else "cp1252", which contains Latin-1.

    Raises HistoryError if the file cannot be unpacked, is empty or has zero bytes, as no text has.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    encoding, empty = "utf-8", True
    try:
        with open_compressed(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                if empty and chunk[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
                    return "utf-16"
                empty = False
                if b"\0" in chunk:
                    raise HistoryError(f"{path} is not a text table: it has zero bytes")
                if encoding == "utf-8" and not _decodes(decoder, chunk):
                    encoding = "cp1252"
    except _UNREADABLE as error:
        raise HistoryError(f"{path} cannot be read as CSV ({str(error)[:120]})") from error
    if empty:
        raise HistoryError(f"{path} has no header: it is empty")
    return encoding


def parts(path: Path) -> list[Path]:
    """Files of a table: the file itself, or every CSV, Parquet or SQLite file in a folder. Raises HistoryError if there is none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise HistoryError(f"{path} does not exist")
    found = sorted(part for part in path.iterdir() if _form(part) is not None)
    if not found:
        raise HistoryError(f"{path} holds no CSV, Parquet or SQLite file")
    return found


def rows_of(
    connection: duckdb.DuckDBPyConnection, table: str, files: Sequence[Path], scratch: Path, *, any_encoding: bool = False
) -> tuple[duckdb.DuckDBPyRelation, int]:
    """Rows of all files as text, lazily, and the number of CSV files. `scratch` is a folder to unpack into; `table` is read from SQLite.

    Without `any_encoding`, a line that is not UTF-8 is malformed; with it, the encoding of the file is found first.

    Raises HistoryError if the files are of different forms or of no known form, if CSV headers differ, or if a file cannot be read.
    """
    forms = {_form(path) for path in files}
    if forms == {"sqlite"}:
        files, forms = [_table_as_csv(path, table, scratch) for path in files], {"csv"}
    if forms == {"parquet"}:
        relation = connection.read_parquet([str(path) for path in files], union_by_name=True)
        return relation.project(", ".join(f"CAST({quoted(name)} AS VARCHAR) AS {quoted(name)}" for name in relation.columns)), 0
    if forms != {"csv"}:
        raise HistoryError(
            f"{files[0]} is not CSV (.csv, also .gz, .xz, .bz2), Parquet (.parquet) or SQLite (.sqlite), "
            "or is in a folder with files of another form"
        )
    encodings = [encoding_of(path) if any_encoding else "utf-8" for path in files]
    heads = [header(path, encoding) for path, encoding in zip(files, encodings, strict=True)]
    if any(head != heads[0] for head in heads):
        raise HistoryError(f"the parts of {files[0].parent} have different headers")
    names, delimiter = heads[0]
    readable = [_readable(path, encoding, scratch) for path, encoding in zip(files, encodings, strict=True)]
    relation = connection.read_csv(
        cast("str", readable),  # DuckDB takes a list; its stubs only allow str
        header=True,
        sep=delimiter,
        quotechar='"',
        escapechar='"',
        columns=dict.fromkeys(names, "VARCHAR"),
        auto_detect=False,
        store_rejects=True,
    )
    return relation, len(files)


def quoted(name: str) -> str:
    """`name` as an SQL identifier, with quotes escaped."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as an SQL literal, with quotes escaped."""
    return "'" + text.replace("'", "''") + "'"


def description(path: Path) -> bytes:
    """Columns, digest, schema and time zone in the SQLite file of an export, as the JSON of history.json. Raises HistoryError."""
    fields = "'columns', json(columns), 'digest', digest, 'schema', json(schema), 'timezone', timezone"
    with _rows(path, f"SELECT json_object({fields}) FROM export") as rows:  # noqa: S608 - the line above
        return str(next(rows, ("",))[0]).encode()


def log_lines(path: Path) -> Iterator[bytes]:
    """The history log in the SQLite file of an export, as lines of facts.jsonl. Raises HistoryError."""
    fields = "'subject', subject, 'number', number, 'at_ms', at_ms, 'body', json(body)"
    with _rows(path, f"SELECT json_object({fields}) FROM facts ORDER BY subject, number") as rows:  # noqa: S608 - the line above
        for (line,) in rows:
            yield str(line).encode()


@contextmanager
def _rows(path: Path, sql: str) -> Iterator[sqlite3.Cursor]:
    """Rows of a query on an SQLite file, open for the duration of the context. Raises HistoryError."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            yield database.execute(sql)
    except sqlite3.Error as error:
        raise HistoryError(f"{path} is not an export of a gateway ({str(error)[:120]}); repeat the export") from error


def _table_as_csv(path: Path, table: str, scratch: Path) -> Path:
    """A table of an SQLite file as CSV in `scratch`."""
    target = scratch / f"{sum(1 for _ in scratch.iterdir())}-{table}.csv"
    select = f"SELECT * FROM {quoted(table)}"  # noqa: S608 - quoted
    with _rows(path, select) as rows, target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column[0] for column in rows.description])
        writer.writerows(rows)
    return target


def _form(path: Path) -> str | None:
    endings = [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] in _PACKED:
        endings.pop()
    return {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".sqlite": "sqlite"}.get(endings[-1] if endings else "")


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes) -> bool:
    try:
        decoder.decode(chunk)
    except UnicodeDecodeError:
        return False
    return True


def _first_line(path: Path, encoding: str) -> str:
    """The first line of a text file. In UTF-8 only that line is decoded: bytes that are none may follow, and count as malformed rows."""
    with open_compressed(path) as file:
        if encoding == "utf-8":
            return file.readline(_HEADER_BYTES_MAX).decode("utf-8-sig")
        with io.TextIOWrapper(file, encoding, "replace", newline="") as text:
            return text.readline(_HEADER_BYTES_MAX)


def header(path: Path, encoding: str) -> tuple[tuple[str, ...], str]:
    """Column names in the first line of a CSV, and the delimiter between these. Raises HistoryError if a name is empty or doubled."""
    try:
        line = _first_line(path, encoding)
        delimiter = max(_DELIMITERS, key=line.count)
        names = tuple(name.strip() for name in next(csv.reader(io.StringIO(line), delimiter=delimiter), []))
    except _UNREADABLE as error:
        raise HistoryError(f"{path} cannot be read as CSV ({str(error)[:120]})") from error
    if not names or not all(names):
        raise HistoryError(f"{path} has no header: its first line must name every column")
    folded = [name.casefold() for name in names]  # DuckDB compares names without case
    doubled = [name for name, key in zip(names, folded, strict=True) if folded.count(key) > 1]
    if doubled:
        raise HistoryError(f"{path} names the column {doubled[0]!r} twice (letter case does not count): rename one of them")
    return names, delimiter


def _readable(path: Path, encoding: str, scratch: Path) -> str:
    if path.suffix.lower() not in {".xz", ".bz2"} and encoding == "utf-8":
        return str(path)
    name = path.with_suffix("").name if path.suffix.lower() in _PACKED else path.name
    target = scratch / f"{sum(1 for _ in scratch.iterdir())}-{name}"
    try:
        with open_compressed(path) as packed, target.open("wb") as plain:
            source = packed if encoding == "utf-8" else codecs.EncodedFile(packed, "utf-8", encoding, "replace")
            shutil.copyfileobj(source, plain, _CHUNK_BYTES)
    except _UNREADABLE as error:
        raise HistoryError(f"{path} cannot be unpacked ({str(error)[:120]})") from error
    return str(target)

"""Opening the database file: key, pragmas, and the numbered schema files in `schema/`.

`PRAGMA user_version` holds the number of the last schema file applied. Each file is applied once, in order, in one transaction with its
number. A database with a higher number than this program has is refused.
"""

from __future__ import annotations

import fcntl
import itertools
import os
from importlib import resources
from typing import TYPE_CHECKING

import apsw

from gateway.core.ports import StoreDamagedError

if TYPE_CHECKING:
    from pathlib import Path

SQLITE_MIN = (3, 51, 3)  # earlier versions can corrupt the WAL at its reset
BUSY_MS = 5_000  # a reader waits while the gateway writes
WRITER_BUSY_MS = 1_000  # another program that writes is reported within 2 s
PAGE_BYTES = 512  # of a new file: a commit writes whole pages, of which most hold one changed row
LOG_BYTES = 16 * 1024 * 1024  # of the write-ahead log: pages that change again before it is full are copied to the database once

WRITE_FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
PRAGMAS = (
    ("journal_mode", "wal"),
    ("synchronous", "full"),
    ("secure_delete", "on"),
    ("mmap_size", 0),
    ("temp_store", "memory"),  # nothing of a person in files outside the database
    ("journal_size_limit", LOG_BYTES),
)

WAYS_OUT: dict[type[apsw.Error], str] = {
    apsw.NotADBError: "does not open with this key: it belongs to another gateway, or is damaged; check store.key_file",
    apsw.CorruptError: "is damaged",
    apsw.CantOpenError: "cannot be opened or created; check that it is a file and that its folder is writable",
    apsw.ReadOnlyError: "cannot be written; check the owner of the file and of its folder",
    apsw.FullError: "cannot be opened because the disk is full; free some space",
    apsw.BusyError: "is locked by another program; end that program first",
    apsw.IOError: "cannot be read or written; the disk may be failing",
}
"""Error at opening -> cause and way out."""


def lock(path: Path, failure: type[Exception]) -> int:
    """Lock the database against other gateways while the returned descriptor is open. Raises `failure` if another one holds the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise failure(f"{path} is in use by another gateway: stop it, or give this one a store.path of its own") from None
    return descriptor


def open_database(path: Path, key: bytes, failure: type[Exception]) -> apsw.Connection:
    """Open or create the encrypted database and apply missing schema files. Raises `failure` with cause and way out.

    Raises StoreDamagedError for a damaged file.
    """
    if tuple(int(part) for part in apsw.sqlite_lib_version().split(".")) < SQLITE_MIN:
        raise failure(f"SQLite {apsw.sqlite_lib_version()} can lose data; install apsw-sqlite3mc 3.51.3 or later")
    path.parent.mkdir(parents=True, exist_ok=True)
    database = None
    try:
        database = apsw.Connection(str(path), flags=WRITE_FLAGS)
        version = prepare(database, key)
        if str(database.pragma("quick_check")) != "ok":
            database.close(force=True)
            raise StoreDamagedError(f"{path} {WAYS_OUT[apsw.CorruptError]}")
        _migrate(database, version, path, failure)
    except tuple(WAYS_OUT) as error:
        if database is not None:
            database.close(force=True)
        raised = StoreDamagedError if isinstance(error, apsw.CorruptError) else failure
        raise raised(f"{path} {next(text for kind, text in WAYS_OUT.items() if isinstance(error, kind))}") from None
    return database


def prepare(database: apsw.Connection, key: bytes) -> int:
    """Set key and pragmas of a connection that writes; returns the number of its schema. Raises apsw.Error."""
    database.set_busy_timeout(WRITER_BUSY_MS)
    database.pragma("cipher", "chacha20")
    database.pragma("hexkey", key.hex())
    database.pragma("page_size", PAGE_BYTES)
    version = int(database.pragma("user_version"))
    for pragma, value in PRAGMAS:
        database.pragma(pragma, value)
    database.wal_autocheckpoint(LOG_BYTES // int(database.pragma("page_size")))
    return version


def quarantine(path: Path) -> Path:
    """Rename a damaged database and its log, and return the new name. Raises OSError."""
    number = next(number for number in itertools.count(1) if not path.with_name(f"{path.name}.damaged-{number}").exists())
    for ending in ("-wal", "-shm", ""):
        file = path.with_name(path.name + ending)
        if file.exists():
            file.rename(path.with_name(f"{path.name}.damaged-{number}{ending}"))
    return path.with_name(f"{path.name}.damaged-{number}")


def open_reader(path: Path, key: bytes, failure: type[Exception]) -> apsw.Connection:
    """Open the encrypted database read-only, also while its gateway runs: nothing is locked, written or migrated.

    In WAL mode a reader sees the last commit and does not block the writer. Raises `failure` with cause and way out.
    """
    database, version = open_any(path, key, failure)
    if version != newest():
        database.close()
        raise failure(f"{path} has schema {version}, this program reads {newest()}: use the version that the gateway runs")
    return database


def open_any(path: Path, key: bytes, failure: type[Exception]) -> tuple[apsw.Connection, int]:
    """Open a database of any schema read-only, with the number of its schema. Raises `failure` as `open_reader`."""
    try:
        database = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        database.set_busy_timeout(BUSY_MS)
        database.pragma("cipher", "chacha20")
        database.pragma("hexkey", key.hex())
        return database, int(database.pragma("user_version"))
    except tuple(WAYS_OUT) as error:
        raise failure(f"{path} {next(text for kind, text in WAYS_OUT.items() if isinstance(error, kind))}") from None


def newest() -> int:
    """The number of the newest schema file of this program."""
    return _scripts()[-1][0]


def _scripts() -> list[tuple[int, str]]:
    """The numbered schema files, oldest first."""
    return sorted(
        (int(file.name[:4]), file.read_text())
        for file in resources.files("gateway.adapters.store").joinpath("schema").iterdir()
        if file.name.endswith(".sql")
    )


def _migrate(database: apsw.Connection, version: int, path: Path, failure: type[Exception]) -> None:
    scripts = _scripts()
    newest = scripts[-1][0]
    if version > newest:
        raise failure(f"{path} has schema {version}, this program knows {newest}: install the newer version again")
    for number, script in scripts:
        if number > version:
            with database:
                database.execute(script)
                database.pragma("user_version", number)

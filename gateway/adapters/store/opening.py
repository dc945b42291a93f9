"""The steps from a file and a key to an open database: an interrupted replacement of the key, marks, the key of the hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

from gateway.adapters.store import database, in_use, keys, rekey
from gateway.adapters.store.marks import Marks
from gateway.adapters.store.released import marks_path
from gateway.adapters.store.table import Hasher
from gateway.core.ports import StoreDamagedError, StoreError, StoreFullError

if TYPE_CHECKING:
    from pathlib import Path


def opened(path: Path, key: bytes, key_file: Path | None, *, may_make: bool) -> tuple[apsw.Connection, Marks, Hasher]:
    """The database, the marks of withdrawals beside it, and the hashes. `may_make` is for the gateway that writes.

    Raises StoreError with cause and way out, StoreDamagedError and StoreFullError.
    """
    key = _settled(path, key, key_file)
    if may_make:
        _begin_marks(path)
    marks = Marks(path.with_name(f"{path.name}.withdrawn"), key)
    has_log = in_use.has_log(path)
    connection = _connected(path, key, marks)
    _check_copy(connection, path, has_log=has_log)
    return connection, marks, Hasher(_hash_key(connection, path, key_file))


def _begin_marks(path: Path) -> None:
    """Make the files of marks with a new database: from then on a missing one is a lost one. Raises StoreError."""
    if path.exists():
        return
    try:
        path.with_name(f"{path.name}.withdrawn").touch(0o600)
        marks_path(path).touch(0o600)
    except OSError as error:
        raise StoreError(f"{error.filename} cannot be made ({error.strerror}); check that its folder is writable") from None


def _settled(path: Path, key: bytes, key_file: Path | None) -> bytes:
    """The key, after a replacement that was interrupted has ended. Raises StoreError."""
    if key_file is None:
        return key
    try:
        rekey.settle(path, key_file)
        return keys.read_key(key_file, may_create=False)
    except (OSError, ValueError) as error:
        raise StoreError(f"{key_file} cannot be replaced ({error}): the gateway needs to write it and its folder") from None


def _connected(path: Path, key: bytes, marks: Marks) -> apsw.Connection:
    """The open database. Raises StoreError, and StoreDamagedError also for a copy from before an erasure."""
    try:
        return database.open_database(path, key, StoreError)
    except StoreDamagedError:
        raise
    except StoreError:
        if path.is_file() and rekey.salt(path) in marks.replaced:
            raise StoreDamagedError(f"{path} is a copy from before an erasure, and its key was destroyed with it") from None
        raise


def _check_copy(connection: apsw.Connection, path: Path, *, has_log: bool) -> None:
    """Raise StoreDamagedError for a copy of a running gateway's database without its log: commits are missing in it."""
    if in_use.is_set(connection) and not has_log:
        connection.close(force=True)
        raise StoreDamagedError(
            f"{path} is a copy that was made while its gateway ran, without the file {path.name}-wal, and lacks commits: "
            "put that file beside it, or restore a backup of `wayside backup`"
        )


def _hash_key(connection: apsw.Connection, path: Path, key_file: Path | None) -> bytes:
    """The key of the hashes: from its file, which is made with a new database.

    Raises StoreError if it was lost, and StoreFullError if a new database cannot be written.
    """
    file = keys.hash_key_file(path, key_file)
    try:
        key, is_new = keys.hash_key(file), not connection.execute("SELECT 1 FROM meta WHERE name = 'hashed'").fetchone()
        if key is None and is_new:
            key = keys.make_key(file)
        if is_new:
            with connection:
                connection.execute("INSERT INTO meta VALUES ('hashed', 1)")
    except (apsw.BusyError, apsw.FullError, apsw.IOError, apsw.ReadOnlyError) as error:
        connection.close()
        raise StoreFullError(f"{path} cannot be written ({error})") from None
    except (OSError, ValueError) as error:
        connection.close()
        raise StoreError(f"{file} cannot be used: {error}") from None
    if key is None:
        connection.close()
        raise StoreError(f"{file} is missing: restore it, because repeated facts could not be recognised without it")
    return key

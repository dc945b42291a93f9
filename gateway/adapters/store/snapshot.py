"""A consistent copy of a database while its gateway runs, by SQLite's backup API, and the parts of it that a replacement device may have.

The copy is that of the last commit. The gateway is not blocked; an erasure that comes meanwhile waits until the copy has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

from gateway.adapters.store import Store, database, in_use, rekey
from gateway.core.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEP_PAGES = 4_096


def copy(source: Path, key: bytes, target: Path, target_key: bytes, progress: Callable[[float], None]) -> str:
    """Copy a database into a new file under another key, and return the salt of the source's file.

    `progress` takes the share that is done. Raises StoreError, also for a full disk.
    """
    reader = database.open_reader(source, key, StoreError)
    try:
        salt = rekey.salt(source)
        made = _empty(target, target_key, int(reader.pragma("page_size")))
        try:
            with made.backup("main", reader, "main") as backup:
                while not backup.done:
                    backup.step(STEP_PAGES)
                    progress(1 - backup.remaining / max(1, backup.page_count))
            in_use.clear(made)
        finally:
            made.close(force=True)
    except (apsw.Error, OSError) as error:
        raise StoreError(f"{target} cannot be written ({error}): free some space there") from None
    finally:
        reader.close()
    return salt


def _empty(path: Path, key: bytes, page_bytes: int) -> apsw.Connection:
    made = apsw.Connection(str(path), flags=database.WRITE_FLAGS)
    made.pragma("cipher", "chacha20")
    made.pragma("hexkey", key.hex())
    made.pragma("page_size", page_bytes)
    return made


def leave_out_people(path: Path, key: bytes) -> None:
    """Erase everyone in a copy, as a withdrawal does. The marks and the key of the hashes lie beside it. Raises StoreError."""
    store = Store(path, key)
    try:
        store.forget_everyone()
    finally:
        store.close()


def checked(path: Path, key: bytes) -> int:
    """The number of withdrawals of a copy, after a check of the whole file; its schema may be older. Raises StoreError."""
    found, _ = database.open_any(path, key, StoreError)
    try:
        if str(found.pragma("integrity_check")) != "ok":
            raise StoreError(f"{path} is damaged")
        row = found.execute("SELECT value FROM meta WHERE name = 'generation'").fetchone()
        return 0 if row is None else int(row[0])
    except apsw.Error as error:
        raise StoreError(f"{path} is damaged ({error})") from None
    finally:
        found.close()

"""Replacing the key of the database after an erasure: the rows go to a new file under a new key, and the old key is overwritten.

Older copies of the database, of its log and of its free pages can then not be read any more, with all that they hold of the person. The
steps, any of which a crash may interrupt:

1. the new file is on the disk, beside the database;
2. the new key is on the disk, beside the key; its file is named after the new file's salt;
3. the new file replaces the database, so that only the new key opens it;
4. the new key replaces the key.

`settle` undoes the steps 1 and 2 at the next start, or carries out step 4 after step 3.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import apsw

from gateway.adapters.store import keys

if TYPE_CHECKING:
    from pathlib import Path

SALT_BYTES = 16  # at the start of the file, not secret, and drawn anew for each file


def copied(database: apsw.Connection, path: Path, key_file: Path) -> bytes:
    """Steps 1 and 2; returns the new key.

    Raises apsw.Error, with BusyError while another program has the database open, and OSError; the database can be used further.
    """
    database.set_busy_timeout(0)
    try:
        database.pragma("journal_mode", "delete")  # empties and removes the log, and needs the database for itself
        key, draft = keys.draw_key(), _draft(path)
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        database.execute("VACUUM INTO ?", (f"{draft.absolute().as_uri()}?cipher=chacha20&hexkey={key.hex()}",))
        descriptor = os.open(draft, os.O_RDWR)
        os.fsync(descriptor)
        os.close(descriptor)
        keys.write_key(_successor(key_file, salt(draft)), key)
    except BaseException:
        with suppress(apsw.Error):  # the next commit reports it
            database.pragma("journal_mode", "wal")
        raise
    return key


def adopt(path: Path) -> None:
    """Step 3, with the database closed. Raises OSError."""
    _draft(path).rename(path)
    keys.sync_folder(path.parent)


def settle(path: Path, key_file: Path) -> None:
    """Step 4 after step 3; otherwise undo the steps before. Raises OSError."""
    for successor in key_file.parent.glob(_successor(key_file, "*").name):
        if path.exists() and successor == _successor(key_file, salt(path)):
            keys.destroy(key_file)
            successor.rename(key_file)
        else:
            keys.destroy(successor)
            successor.unlink()
        keys.sync_folder(key_file.parent)
    _draft(path).unlink(missing_ok=True)


def salt(path: Path) -> str:
    """The hex digits that tell this file from older copies of the database. Raises OSError."""
    with path.open("rb") as file:
        return file.read(SALT_BYTES).hex()


def _draft(path: Path) -> Path:
    return path.with_name(f"{path.name}.rekeyed")


def _successor(key_file: Path, salt_hex: str) -> Path:
    return key_file.with_name(f"{key_file.name}.next-{salt_hex}")

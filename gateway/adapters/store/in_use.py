"""A mark in the database while its gateway runs: a copy of the file alone, without its log, is recognised by it.

`cp` of a running gateway's database copies neither the commits that are still in the log, nor one moment. The mark is set at the start, put
into the file itself, and removed at the stop; after a crash or a power cut the log lies beside the file. A marked file without a log is
therefore such a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from pathlib import Path


def has_log(path: Path) -> bool:
    """Whether the log of a database lies beside it; asked before the database is opened, because that makes one."""
    return path.with_name(f"{path.name}-wal").exists()


def is_set(database: apsw.Connection) -> bool:
    """Whether the mark is set."""
    return database.execute("SELECT 1 FROM meta WHERE name = 'in_use'").fetchone() is not None


def mark(database: apsw.Connection) -> None:
    """Set the mark, in the file itself; from now on a close leaves the log. Raises apsw.Error."""
    database.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    database.execute("INSERT OR REPLACE INTO meta VALUES ('in_use', 1)")
    database.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)


def clear(database: apsw.Connection) -> None:
    """Remove the mark; from now on a close removes the log as well. Raises apsw.Error; then the log stays."""
    database.execute("DELETE FROM meta WHERE name = 'in_use'")
    database.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)

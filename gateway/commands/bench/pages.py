"""Pages of the database that commits write, by table: where the bytes of a visit come from.

Each commit appends the pages that it changed to the write-ahead log, with their numbers in the clear; SQLite's `dbstat` names the table or
index of a page. People visit one after another, as for the bytes in `gateway.commands.bench.flash`.
"""

from __future__ import annotations

import struct
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from gateway.commands.bench import flash

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.core.state import Changes

VISITS = 100
HEAD_BYTES, FRAME_HEAD_BYTES = 32, 24  # of the log, and before each page in it


class _Log:
    """The log of a database: the numbers of the pages that were appended since the last look."""

    def __init__(self, path: Path, page_bytes: int) -> None:
        self._path, self._frame_bytes = path, FRAME_HEAD_BYTES + page_bytes
        self._at = HEAD_BYTES

    def appended(self) -> list[int]:
        with self._path.open("rb") as file:
            file.seek(self._at)
            frames = file.read()
        self._at += len(frames)
        return [struct.unpack_from(">I", frames, at)[0] for at in range(0, len(frames), self._frame_bytes)]


def pages(config: Config) -> dict[str, dict[str, list[float]]]:
    """Two tables: pages of a visit by table or index, the most first, and pages of a commit by the kind of commit; one figure each."""
    with tempfile.TemporaryDirectory() as folder:
        gateway = flash.Visitors(config, Path(folder))
        store, db = gateway.store, gateway.store._db  # noqa: SLF001 - its own pages
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        log = _Log(Path(folder) / "flash.db-wal", int(db.pragma("page_size")))
        written: Counter[int] = Counter()
        commits: Counter[str] = Counter()
        of_kind: Counter[str] = Counter()
        for number in range(VISITS):
            for changes in gateway.visit(gateway.tags[number % len(gateway.tags)]):
                appended, kind = log.appended(), _kind(changes)
                written.update(appended)
                commits[kind] += 1
                of_kind[kind] += len(appended)
        owners = dict(db.execute("SELECT pageno, name FROM dbstat"))
        by_table: Counter[str] = Counter()
        for page, times in written.items():
            by_table[owners.get(page, "freed")] += times
        store.close()
    return {
        "flash, pages of a visit": {name: [times / VISITS] for name, times in by_table.most_common()},
        "flash, pages of a commit": {kind: [of_kind[kind] / times] for kind, times in sorted(commits.items())},
    }


def _kind(changes: Changes) -> str:
    """Transitions of a commit, and whether an offer was chosen."""
    moved = "+".join(sorted({one.kind for one in changes.visits.transitions})) or "end of a window"
    return f"{moved}, with an offer" if changes.decisions.triggers else moved

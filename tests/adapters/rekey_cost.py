"""The time of one new key by the size of the database: `python -m tests.adapters.rekey_cost [rows ...]`.

A visit costs nothing for it: no row is encrypted by itself, so a row has no byte more and a commit no step more.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from gateway.adapters.store import Store, keys
from gateway.core.state import Changes, FactRow
from gateway.core.types import Envelope

ROWS = (300, 30_000, 300_000)  # of facts, about 70 bytes each
BATCH_ROWS = 10_000


def seconds(folder: Path, count: int) -> tuple[float, float]:
    """Size of a database of `count` facts in MB, and seconds for its new key."""
    key_file = folder / "cost.key"
    store = Store(folder / "cost.db", keys.read_key(key_file, may_create=True), key_file=key_file)
    for first in range(0, count, BATCH_ROWS):
        changes = Changes()
        for number in range(first, min(count, first + BATCH_ROWS)):
            envelope = Envelope("till", "boot", number)
            changes.facts.rows[envelope] = FactRow(envelope, "purchase", number, zone="cafe", detail="coffee", amount_minor=450)
        store.save(changes)
    changes = Changes()
    changes.people.contexts["somebody"] = None
    store.save(changes)
    started_s = time.perf_counter()
    store.replace_key()
    took_s = time.perf_counter() - started_s
    size = (folder / "cost.db").stat().st_size / 1e6
    store.close()
    return size, took_s


if __name__ == "__main__":
    for rows in map(int, sys.argv[1:] or ROWS):
        with tempfile.TemporaryDirectory() as made:
            size, took_s = seconds(Path(made), rows)
            sys.stdout.write(f"{size:.1f} MB: {took_s:.2f} s\n")

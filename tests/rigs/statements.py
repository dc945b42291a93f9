"""Death before each SQL statement of a batch: the database holds the batch or nothing of it, and the batch comes again and counts once.

A process that is killed leaves all that it has written, because the system's page cache outlives it. So the files are copied as they
lie in the moment before a statement, and the copy is what the next process finds (`day.py` judges it).
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from gateway.adapters.store import Store
from gateway.core.state import Changes
from tests.kit.testbed import Gateway, open_store
from tests.rigs.day import IN_MEMORY, Script, Step, digest, faults
from tests.rigs.report import Progress, Report, quiet

ENDINGS = ("", "-wal", ".withdrawn", ".released", ".hashes")


class DeathError(RuntimeError):
    """The process is dead."""


class TwoCommitsStore(Store):
    """The negative control: facts are committed before what follows from them."""

    def save(self, changes: Changes) -> None:
        if changes.facts.rows:
            first = Changes()
            first.facts.rows = changes.facts.rows
            super().save(first)
            changes.facts.rows = {}
        super().save(changes)


def run(count: int, seed: int, progress: Progress = quiet, *, make_store: type[Store] | None = None) -> Report:
    """Kill before each statement of each batch, until there were `count` kills."""
    figures: Counter[str] = Counter(corrupt=0, lost=0, double=0, half=0)
    broken: list[str] = []
    while figures["kills"] < count:
        day_seed = seed * 10_000 + figures["days"]
        with tempfile.TemporaryDirectory(prefix="wayside-statements-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as made:
            for found in _day(Path(made), day_seed, make_store):
                figures.update(kills=1, **Counter(one.partition(":")[0] for one in found))
                broken += [f"seed {day_seed}, kill {figures['kills']}: {one}" for one in found]
                progress("deaths before a statement")
                if figures["kills"] == count:
                    break
        figures["days"] += 1
    return Report(dict(figures), tuple(broken))


def _day(folder: Path, seed: int, make_store: type[Store] | None) -> Iterator[list[str]]:
    """The faults after each kill of a day."""
    script = Script(seed)
    gateway = Gateway(folder, clock=script.clock, seed=seed, synced=False, make_store=make_store or open_store)
    with closing(gateway):
        acked = [Step((), script.clock.now_ms(), digest(gateway.store._db))]
        for batch in script.batches():
            changes = gateway.advance(*batch)
            left = list(_kills(gateway, changes, folder))
            gateway.state.accept(changes)
            script.triggers += [(trigger.target, trigger.id) for trigger in changes.decisions.triggers]
            acked.append(Step(batch, script.clock.now_ms(), digest(gateway.store._db)))
            for image in left:
                yield list(faults(image / "gateway.db", acked, len(acked) - 2))
                shutil.rmtree(image)


def _kills(gateway: Gateway, changes: Changes, folder: Path) -> Iterator[Path]:
    """Commit the changes, and die before each statement on the way; what each death leaves."""
    statement = 0
    while changes.is_durable:
        image = folder / f"left-{statement}"
        try:
            with _dies_before(gateway.store, statement, folder, image):
                gateway.store.save(changes)
        except DeathError:
            yield image
            statement += 1
        else:
            return


@contextmanager
def _dies_before(store: Store, statement: int, folder: Path, image: Path) -> Iterator[None]:
    """Copy the files into `image` before the given statement, and raise DeathError."""
    seen = 0

    def trace(_cursor: Any, _sql: str, _bindings: Any) -> bool:
        nonlocal seen
        seen += 1
        if seen == statement + 1:
            image.mkdir()
            for ending in ENDINGS:
                lying = folder / f"gateway.db{ending}"
                if lying.exists():
                    shutil.copyfile(lying, image / lying.name)
            raise DeathError
        return True

    store._db.exec_trace = trace
    try:
        yield
    finally:
        store._db.exec_trace = None

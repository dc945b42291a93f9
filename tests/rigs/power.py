"""Power cuts: whatever a disk does with sectors that were not synced, the database opens, and holds the last acknowledged commit.

A seeded day (`day.py`) is played on a recorded disk (`disk.py`). The disk is then cut at moments spread over the recording, and for each
cut the database must open, be whole, and equal the tables after the last acknowledged batch or the one after it.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gateway.adapters.store import Store
from tests.kit.testbed import Gateway, open_store
from tests.rigs.day import IN_MEMORY, Script, Step, digest, faults
from tests.rigs.disk import Images, Operation, Recorder
from tests.rigs.report import Progress, Report, quiet

CUTS_A_DAY = 250


class Day(NamedTuple):
    """A recorded day; `opened` is the digest before the first batch."""

    operations: list[Operation]
    steps: list[Step]
    opened: Step


class LaxStore(Store):
    """The negative control: nothing is synced."""

    def __init__(self, path: Path, key: bytes) -> None:
        super().__init__(path, key)
        self._db.pragma("synchronous", "off")


def run(count: int, seed: int, progress: Progress = quiet, *, make_store: type[Store] | None = None) -> Report:
    """Cut the power `count` times, spread over as many days as that needs."""
    figures: Counter[str] = Counter()
    broken: list[str] = []
    while figures["cuts"] < count:
        day_seed = seed * 10_000 + figures["days"]
        with tempfile.TemporaryDirectory(prefix="wayside-power-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as made:
            folder = Path(made)
            day = record(folder, day_seed, make_store)
            for outcome in _cuts(folder, day, day_seed, min(CUTS_A_DAY, count - figures["cuts"])):
                figures.update(outcome.figures)
                broken += [f"seed {day_seed}: {one}" for one in outcome.broken]
                progress("power cuts")
        figures["days"] += 1
    for name in ("corrupt", "lost", "double", "half", "sectors_lost"):
        figures[name] += 0
    if not figures["sectors_lost"]:
        broken.append("no sector was lost or torn: the cuts show nothing")
    return Report(dict(figures), tuple(broken))


def record(folder: Path, seed: int, make_store: type[Store] | None = None) -> Day:
    """Play a day on a recorded disk."""
    path = folder / "gateway.db"
    recorder = Recorder(path)
    script = Script(seed)
    with recorder.recording():
        gateway = Gateway(folder, clock=script.clock, seed=seed, make_store=make_store or open_store)
        opened = Step((), script.clock.now_ms(), digest(gateway.store._db), len(recorder.operations))
        steps = []
        for batch in script.batches():
            changes = gateway.apply(*batch)
            script.triggers += [(trigger.target, trigger.id) for trigger in changes.decisions.triggers]
            steps.append(Step(batch, script.clock.now_ms(), digest(gateway.store._db), len(recorder.operations)))
        operations = list(recorder.operations)
        gateway.close()
    return Day(operations, steps, opened)


def _cuts(folder: Path, day: Day, seed: int, count: int) -> Iterator[Report]:
    draws = random.Random(f"cuts {seed}")  # noqa: S311 - cuts are to be repeatable
    images = Images(day.operations, draws)
    left = folder / "left"
    moments = sorted(draws.sample(range(1, len(day.operations) + 1), min(count, len(day.operations))))
    for moment in moments:
        left.mkdir()
        lost = images.cut(moment, left, folder / "gateway.db")
        acked = [day.opened, *day.steps]
        last = max((place for place, step in enumerate(acked) if step.acked_at <= moment), default=None)
        broken = list(faults(left / "gateway.db", acked, last))
        kinds = Counter(one.partition(":")[0] for one in broken)
        yield Report({"cuts": 1, "sectors_lost": lost, **kinds}, tuple(f"cut after operation {moment}: {one}" for one in broken))
        shutil.rmtree(left)

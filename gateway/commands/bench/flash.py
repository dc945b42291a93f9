"""Bytes that the store writes: for a visit, a fact alone and in batches, and a sighting of a crowd that stands.

Counted at the system calls of this process, with the log and the checkpoint at the end, so the machine and its disk do not matter. All
people consent to everything, and one window of counts is open throughout.
"""

from __future__ import annotations

import itertools
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import msgspec

from gateway.adapters.store import Store
from gateway.build import build_site, model_slot, open_config_bundle
from gateway.core import engine
from gateway.core.types import Consent, Envelope, Observation, Purchase, Purpose, Sighting, TimePassed

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.core.state import Changes

NOW_MS = 1_790_000_000_000
KEY = bytes(range(32))
PEOPLE = 50
VISITS, FACTS, BATCH, STANDING_S = 200, 1_000, 100, 600
SAVE_S = 300  # of the times in open visits, as the running gateway does


class Visitors:
    """The writer's steps with a store in `folder` and a clock of its own; PEOPLE with `tags` have visited once."""

    def __init__(self, config: Config, folder: Path) -> None:
        bundle = open_config_bundle(config, NOW_MS)
        site = build_site(config, bundle)
        self.site = msgspec.structs.replace(site, privacy=msgspec.structs.replace(site.privacy, window_ms=86_400_000, demonstration=False))
        self.scorer, self.now_ms = model_slot(config, bundle), NOW_MS
        self.store = Store(folder / "flash.db", KEY)
        self.store.expect(self.site, self.scorer.version)
        self.state = self.store.state(NOW_MS, self.site.presence)
        self._draws = random.Random(1)  # noqa: S311 - ids of a benchmark
        self.anchor = next(anchor for anchor, zone in self.site.anchors.items() if zone == self.site.campaign.offers[0].zones[0])
        self.tags = [f"tag-{number}" for number in range(PEOPLE)]
        self.apply(*[Consent(Envelope(tag, "b", 0), get_args(Purpose), 1, tags=()) for tag in self.tags])
        for tag in self.tags:
            for _ in self.visit(tag):  # the first visit of a person makes new rows
                pass

    def apply(self, *observations: Observation) -> Changes:
        """One batch."""
        changes = engine.advance(self.site, self.state, observations, self.now_ms, self.store, self.scorer, self._draw)
        if changes.is_durable:
            self.store.save(changes)
        self.state.accept(changes)
        return changes

    def visit(self, tag: str) -> Iterator[Changes]:
        """One person enters, dwells and leaves; the changes of each commit."""
        rules = self.site.presence
        for _ in range(rules.dwell_ms // 1_000 + 2):
            yield from self._committed(Sighting(self.anchor, tag, -50.0))
            self.now_ms += 1_000
            yield from self._committed(TimePassed())
        self.now_ms += rules.exit_after_ms + 1_000
        yield from self._committed(TimePassed())

    def _committed(self, observation: Observation) -> Iterator[Changes]:
        changes = self.apply(observation)
        if changes.is_durable:
            yield changes

    def _draw(self) -> str:
        return f"{self._draws.getrandbits(64):016x}"


def written(config: Config) -> dict[str, list[float]]:
    """Bytes for each of these, one figure each."""
    with tempfile.TemporaryDirectory() as folder:
        gateway = Visitors(config, Path(folder))
        tags = gateway.tags
        till = next(device for device in gateway.site.devices if device.startswith("till"))
        numbers = itertools.count()

        def facts(count: int) -> None:
            gateway.apply(*[Purchase(Envelope(till, "b", next(numbers)), 450) for _ in range(count)])

        found = {
            "visit": [_bytes(gateway, lambda number: list(gateway.visit(tags[number % PEOPLE])), VISITS)],
            "fact alone": [_bytes(gateway, lambda _: facts(1), FACTS)],
            f"fact in batches of {BATCH}": [_bytes(gateway, lambda _: facts(BATCH), FACTS // BATCH) / BATCH],
        }
        for tag in tags:
            gateway.apply(Sighting(gateway.anchor, tag, -50.0), Sighting(gateway.anchor, tag, -50.0))
        found["sighting of a standing crowd"] = [_bytes(gateway, lambda at: _stand(gateway, tags, at), STANDING_S) / PEOPLE]
        gateway.store.close()
        return found


def _stand(gateway: Visitors, tags: list[str], at: int) -> None:
    """Everybody is heard once within a second."""
    gateway.now_ms += 1_000
    gateway.apply(*[Sighting(gateway.anchor, tag, -50.0) for tag in tags], TimePassed())
    if at % SAVE_S == 0:
        gateway.store.save_heard(gateway.state.visits)


def _bytes(gateway: Visitors, action: Callable[[int], object], times: int) -> float:
    """Bytes written by an action, the mean of `times`."""
    before = _written()
    for number in range(times):
        action(number)
    gateway.store._db.wal_checkpoint()  # noqa: SLF001 - its share of the database's own pages
    return (_written() - before) / times


def _written() -> int:
    return int(Path("/proc/self/io").read_text().partition("wchar:")[2].split()[0])

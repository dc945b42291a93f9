"""A seeded day of a few people at a gateway, and what the database must hold after any death in it.

Every batch is followed by a digest of all tables. What a death leaves must equal the digest of the last acknowledged batch or of the one
in flight, before anything is repaired; and the batch in flight, delivered again as the broker does, is stored once.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw

from gateway.adapters.store import Store
from gateway.core.ports import StoreError
from gateway.core.types import Consent, Observation, Purchase
from tests.kit.testbed import HOUR_MS, NOON_MS, Gateway, ManualClock, Phone, purchase

BATCHES = 90
PHONES = 5
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - deaths are simulated, so nothing needs a real disk
ANCHORS = ("scan-cafe", "scan-bar", "scan-station")
_SHORT_MS, _LONG_MS = 20_000, 2 * HOUR_MS


class Step(NamedTuple):
    """A batch, its time, and the digest of the tables after it; it is acknowledged after operation number `acked_at` of the disk."""

    batch: tuple[Observation, ...]
    now_ms: int
    digest: bytes
    acked_at: int = 0


class InspectedStore(Store):
    """Notes the digest and the state of what it finds, before it changes anything."""

    def _carry_out_marks(self, path: Path) -> None:
        self.found = digest(self._db)
        self.sound = str(self._db.pragma("integrity_check"))
        super()._carry_out_marks(path)


class Script:
    """Batches of a day: consents, withdrawals, walks, purchases, answers, and time that passes."""

    def __init__(self, seed: int) -> None:
        self._draws = random.Random(seed)  # noqa: S311 - a day is to be repeatable
        self.clock = ManualClock(NOON_MS)
        self.triggers: list[tuple[str, str]] = []
        self._phones = [Phone(f"phone-{number:04d}") for number in range(1, PHONES + 1)]
        self._sales = 0

    def batches(self) -> Iterator[tuple[Observation, ...]]:
        """Each batch at the moment of its delivery."""
        draws = self._draws
        yield tuple(phone.consent() for phone in self._phones)
        for _ in range(BATCHES):
            self.clock.advance(draws.randrange(1_000, _LONG_MS if draws.random() < 0.1 else _SHORT_MS))
            yield tuple(one for _ in range(draws.randint(1, 4)) for one in self._some())

    def _some(self) -> list[Observation]:
        phone, fate = self._draws.choice(self._phones), self._draws.random()
        if fate < 0.35:
            self._sales += 1
            return [purchase("till-cafe", self._sales, 100 + self._sales)]
        if fate < 0.75:
            anchor = self._draws.choice(ANCHORS)
            return [phone.near(anchor), phone.near(anchor)]
        if fate < 0.85 and self.triggers:
            device, decision = self.triggers.pop()
            return [next(one for one in self._phones if one.device == device).answer(decision)]
        return [phone.withdrawal() if fate > 0.96 else phone.consent()]


def digest(database: apsw.Connection) -> bytes:
    """Digest of all rows of all tables."""
    found = hashlib.blake2b(digest_size=16)
    for (table,) in list(database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")):
        for row in sorted(map(repr, database.execute(f"SELECT * FROM {table}"))):  # noqa: S608 - a name from the schema
            found.update(f"{table}{row}".encode())
    return found.digest()


def faults(path: Path, acked: Sequence[Step], last: int | None) -> Iterator[str]:
    """What is wrong with a database that a death left after batch number `last`, each fault starting with its kind.

    The batch in flight is delivered again. None: the tables were still being made.
    """
    flying = acked[min((last or 0) + 1, len(acked) - 1)]
    try:
        gateway = Gateway(path.parent, clock=ManualClock(flying.now_ms), synced=False, make_store=InspectedStore)
    except StoreError as error:
        yield f"corrupt: {error}"
        return
    with closing(gateway):
        store = gateway.store
        assert isinstance(store, InspectedStore)
        if store.sound != "ok":
            yield f"corrupt: {store.sound}"
        if last is None:
            return
        if store.found in [step.digest for step in acked[:last] if step.digest != acked[last].digest]:
            yield f"lost: the tables are those of an earlier batch than the acknowledged one, number {last}"
        elif store.found not in [step.digest for step in acked[last : last + 2]]:
            yield f"half: the tables are those of no batch; number {last} was acknowledged"
        gateway.apply(*flying.batch)
        yield from _facts(gateway, acked[: last + 2])


def _facts(gateway: Gateway, steps: Sequence[Step]) -> Iterator[str]:
    """Purchases that are missing or stored twice, and devices whose last consent or withdrawal is not the one that holds."""
    facts = [one for step in steps for one in step.batch if isinstance(one, Purchase)]
    lost = [fact for fact in facts if not gateway.store.is_known(fact.envelope)]
    if lost:
        yield f"lost: {len(lost)} of {len(facts)} purchases"
    stored = gateway.store.people.one("SELECT count(*) FROM facts WHERE kind = 'purchase'")
    if stored > len(facts):
        yield f"double: {stored} purchases are stored, {len(facts)} were made"
    known = {device for device, _ in gateway.store.people.owners()}
    wrong = [device for device, consents in _consents(steps).items() if (device in known) != consents]
    if wrong:
        yield f"lost: the last consent or withdrawal of {', '.join(wrong)}"


def _consents(steps: Sequence[Step]) -> dict[str, bool]:
    """Whether each device consents, after its last consent or withdrawal."""
    return {one.envelope.device: bool(one.purposes) for step in steps for one in step.batch if isinstance(one, Consent)}

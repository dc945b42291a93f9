"""What goes wrong in a week, twelve ways; each has its own chance and its own hours.

A fault that lies on the road takes each message on its way from a device to the broker and gives back what arrives, and when.
The others happen to the gateway itself: its clock is set, its power is cut, its disk is full, its connection or its cloud is
gone. With all of them in one week, every fault has every third hour, and each pair meets somewhere.

What cannot happen is left out: a fact (QoS 1) is not lost on the road, because its device keeps it until the broker has it,
and a person's word is not cut in two, because the app would say it again.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from gateway.core import limits
from tests.kit.testbed import HOUR_MS, berlin_ms
from tests.week import scene
from tests.week.collector import MOODS
from tests.week.line import Parcel
from tests.week.machine import CUTS

if TYPE_CHECKING:
    from tests.week.rig import Rig

MINUTE_MS = 60_000
EVERY_H = 3
LOSES_TIME_SHARE = 0.25
NOBODYS = "made/up/"  # topics that no source is configured for


class Due(NamedTuple):
    """A parcel and when it arrives at the broker."""

    at_ms: int
    parcel: Parcel


class Fault:
    """Nothing goes wrong. `count` says how often something did; a week in which it is 0 shows nothing."""

    name = "none"

    def __init__(self, seed: int, place: int, *, alone: bool) -> None:
        """`place` among the faults decides its hours; `alone` it has them all."""
        self.random = random.Random(f"{seed} {self.name}")  # noqa: S311 - a fault is to be repeatable
        self._place, self._alone = place, alone
        self.haste = 1.0
        self.count = 0

    def has_hour(self, true_ms: int) -> bool:
        """Whether this is one of its hours."""
        return self._alone or (true_ms // HOUR_MS + self._place) % EVERY_H == 0

    def strikes(self, share: float) -> bool:
        """Whether it happens this time; counted if so."""
        struck = self.random.random() < share
        self.count += struck
        return struck

    def comes(self, minutes: float) -> bool:
        """Whether it comes in this step, if it comes once in so many minutes (of a week without haste)."""
        return self.random.random() < self.haste * scene.STEP_MS / (minutes * MINUTE_MS)

    def step(self, rig: Rig) -> None:
        """Before each step: do something to the gateway."""

    def end(self, rig: Rig) -> None:
        """The week is over: whatever is still broken is mended."""


class RoadFault(Fault):
    """Lies in wait between the devices and the broker."""

    def router(self, due: Due) -> Iterator[Due]:
        """What becomes of a message on the road, and when."""
        raise NotImplementedError


class Duplicate(RoadFault):
    """A device that did not hear the thanks says it again."""

    name = "duplicate"

    def router(self, due: Due) -> Iterator[Due]:
        yield due
        if self.strikes(0.2):
            yield due._replace(at_ms=due.at_ms + self.random.choice((0, 0, 5_000, 15 * MINUTE_MS)))


class Reorder(RoadFault):
    """Neighbours overtake each other."""

    name = "reorder"

    def router(self, due: Due) -> Iterator[Due]:
        yield due._replace(at_ms=due.at_ms + self.random.randrange(30_000)) if self.strikes(0.3) else due


class Delay(RoadFault):
    """Minutes go by before it arrives."""

    name = "delay"

    def router(self, due: Due) -> Iterator[Due]:
        yield due._replace(at_ms=due.at_ms + self.random.randrange(MINUTE_MS, 30 * MINUTE_MS)) if self.strikes(0.1) else due


class Loss(RoadFault):
    """A third of what nobody keeps is gone."""

    name = "loss"

    def router(self, due: Due) -> Iterator[Due]:
        if due.parcel.qos or not self.strikes(0.33):
            yield due


class Replay(RoadFault):
    """Somebody keeps what was said and says it again, hours or days later."""

    name = "replay"

    def router(self, due: Due) -> Iterator[Due]:
        yield due
        if self.strikes(0.5 if due.parcel.qos else 0.05):
            for _ in range(self.random.randrange(1, 3)):
                yield due._replace(at_ms=due.at_ms + self.random.randrange(HOUR_MS, 48 * HOUR_MS))


class Corrupt(RoadFault):
    """Cut off, emptied, or no text at all. `broken` counts what no decoder may accept."""

    name = "corrupt"
    WORDS = re.compile(r"/consent\Z")

    def router(self, due: Due) -> Iterator[Due]:
        if self.WORDS.search(due.parcel.topic) or not self.strikes(0.05):
            yield due
            return
        payload = due.parcel.payload
        cut = payload[: self.random.randrange(1, len(payload))]
        yield due._replace(parcel=due.parcel._replace(payload=self.random.choice((cut, cut, b"", b"\xff\xfe" + payload, b'{"v": NaN'))))


class Flood(Fault):
    """Once an hour or so thousands of messages that nobody needs: strangers, rubbish, and topics that nobody knows."""

    name = "flood"
    SIZE = 6_000

    def step(self, rig: Rig) -> None:
        if not self.comes(240):
            return
        self.count += 1
        for _ in range(self.SIZE):
            mac = f"{self.random.getrandbits(48):012x}"
            rig.line.say(
                self.random.choice(
                    (
                        Parcel(f"espresense/devices/{mac}/plaza", f'{{"id":"{mac}","rssi":-60.0,"mac":"{mac}"}}'.encode()),
                        Parcel(f"{NOBODYS}{mac}", b"{}"),
                        Parcel(f"wayside/v1/street/up/{mac}/reading", b"x" * self.random.randrange(2_000)),
                    )
                )
            )


class Clock(Fault):
    """The clock is an hour off, a day off, or falls back to 1970, and is set right again some time later."""

    name = "clock"
    JUMPS_MS = (HOUR_MS, -HOUR_MS, 24 * HOUR_MS, -24 * HOUR_MS, 0)

    def __init__(self, seed: int, place: int, *, alone: bool) -> None:
        super().__init__(seed, place, alone=alone)
        self._wrong_ms, self._until_ms = 0, 0

    def step(self, rig: Rig) -> None:
        if self._wrong_ms:
            if rig.true_ms >= self._until_ms:
                self._set(rig, -self._wrong_ms)
        elif self.comes(50):
            self.count += 1
            jump_ms = self.random.choice(self.JUMPS_MS) or berlin_ms(1970, 1, 2, 12) - rig.true_ms
            self._until_ms = rig.true_ms + self.random.randrange(2 * MINUTE_MS, 50 * MINUTE_MS)
            self._set(rig, jump_ms)

    def end(self, rig: Rig) -> None:
        self._set(rig, -self._wrong_ms)

    def _set(self, rig: Rig, jump_ms: int) -> None:
        if jump_ms:
            rig.clock_was_set = True
            self._wrong_ms += jump_ms
            rig.clock.step(jump_ms)


class Crash(Fault):
    """The power is cut: before or after a commit, the telling or the thanks; best when there are facts in hand."""

    name = "crash"

    def __init__(self, seed: int, place: int, *, alone: bool) -> None:
        super().__init__(seed, place, alone=alone)
        self._lost_ms, self._until_ms = 0, 0

    def step(self, rig: Rig) -> None:
        if self._lost_ms and rig.true_ms >= self._until_ms:
            self.end(rig)
        elif self.comes(1 if rig.line.has_facts else 100):
            self.count += 1
            rig.cut_at = self.random.choice((*CUTS, "before_telling"))

    def died(self, rig: Rig) -> None:
        """One time in four it wakes up in 1970, as a machine without a battery does, and is told the time minutes later."""
        if not self._lost_ms and rig.clock.now_ms() > limits.CLOCK_FLOOR_MS and self.random.random() < LOSES_TIME_SHARE:
            self._lost_ms = rig.clock.now_ms() - berlin_ms(1970, 1, 1, 12)
            self._until_ms = rig.true_ms + self.random.randrange(MINUTE_MS, 10 * MINUTE_MS)
            rig.clock._now_ms -= self._lost_ms
            rig.clock_was_set = True

    def end(self, rig: Rig) -> None:
        if self._lost_ms:
            rig.clock.step(self._lost_ms)
            self._lost_ms = 0


class Disk(Fault):
    """The disk is full for half an hour, and for some seconds of it the gateway has to hold."""

    name = "disk"

    def __init__(self, seed: int, place: int, *, alone: bool) -> None:
        super().__init__(seed, place, alone=alone)
        self._until_ms: int | None = None

    def step(self, rig: Rig) -> None:
        if self._until_ms is not None and rig.true_ms >= self._until_ms:
            self.end(rig)
        elif self._until_ms is None and self.comes(60):
            self._until_ms = rig.true_ms + 30 * MINUTE_MS
            rig.machine.store.fill_disk()

    def held(self, rig: Rig, seconds: float) -> None:
        """The gateway waits: after a while somebody makes room."""
        self.count += 1
        if seconds >= self.random.randrange(2, 40):
            self.end(rig)

    def end(self, rig: Rig) -> None:
        self._until_ms = None
        rig.machine.store.free_disk()


class Cloud(Fault):
    """The cloud is away, busy, broken, forgets to answer, takes half, sends elsewhere or talks nonsense."""

    name = "cloud"

    def __init__(self, seed: int, place: int, *, alone: bool) -> None:
        super().__init__(seed, place, alone=alone)
        self.moods: Counter[str] = Counter()

    def step(self, rig: Rig) -> None:
        if rig.collector.mood == "fine":
            if self.comes(40):
                self.count += 1
                rig.collector.mood = self.random.choice(MOODS)
        elif self.comes(50):
            rig.collector.mood = "fine"

    def end(self, rig: Rig) -> None:
        rig.collector.mood = "fine"


class Link(Fault):
    """The broker is away for a while: facts wait, the rest is gone, and no offer goes out late."""

    name = "link"

    def __init__(self, seed: int, place: int, *, alone: bool) -> None:
        super().__init__(seed, place, alone=alone)
        self._until_ms: int | None = None

    def step(self, rig: Rig) -> None:
        if self._until_ms is not None and rig.true_ms >= self._until_ms:
            self.end(rig)
        elif self._until_ms is None and self.comes(100):
            self.count += 1
            self._until_ms = rig.true_ms + self.random.randrange(20_000, 20 * MINUTE_MS)
            rig.line.cut()

    def end(self, rig: Rig) -> None:
        if self._until_ms is not None:
            self._until_ms = None
            if not rig.line.link().connected:
                rig.line.connect(rig.machine.mailbox)


FAULTS: dict[str, type[Fault]] = {
    fault.name: fault for fault in (Duplicate, Reorder, Delay, Loss, Replay, Corrupt, Flood, Clock, Crash, Disk, Cloud, Link)
}


def build(names: tuple[str, ...], seed: int, haste: float = 1.0) -> list[Fault]:
    """The faults of a week, in the order in which messages meet them; `haste` times as often as usual."""
    found = [FAULTS[name](seed, place, alone=len(names) == 1) for place, name in enumerate(names)]
    for fault in found:
        fault.haste = haste
    return found

"""Forty scripts that set a gateway's clock, in simulated days with all invariants of the week.

Ten jumps (1970, 2038, years, days, hours), each in four shapes: for four seconds, for forty minutes twice, over the end of a window and of
a day, and until the end. A clock that stands for five minutes is believed, because nothing tells it from one that was set right, and
retention then deletes by it; so those that are days ahead are set back after 280 s in all shapes.

The gateway reads the time through `SystemClock`, whose wall and steady clocks the rig turns; a jump moves the wall clock only. A namespace
of the kernel does not help here: Linux has them for the monotonic clocks, not for the wall clock (time_namespaces(7)).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from gateway.adapters.clock import SystemClock
from tests.kit.testbed import DAY_MS, HOUR_MS, berlin_ms
from tests.rigs.report import Progress, Report, quiet
from tests.week import scene
from tests.week.faults import Fault
from tests.week.machine import Parts
from tests.week.rig import BrokenError, Plan, Rig, folder

MINUTE_MS = 60_000
YEAR_MS = 365 * DAY_MS
NOON_H, MIDNIGHT_H = 12 + 8 / 60, 23.99  # the hourly look for outdated rows is at ten past
UNBELIEVED_H = 280 / 3600
SHAPES: dict[str, tuple[tuple[float, float], ...]] = {
    "for 4 s": ((NOON_H, 4 / 3600),),
    "for 40 min, twice": ((NOON_H, 2 / 3), (NOON_H + 2, 2 / 3)),
    "over midnight": ((MIDNIGHT_H, 0.1),),
    "until the end": ((NOON_H, 100.0),),
}
"""Hours of true time at which the clock is set wrong, and for how long."""
DAYS, PEOPLE = 1.1, 16


class Script(NamedTuple):
    """At each hour of true time the clock shows true time plus `wrong_ms`."""

    name: str
    settings: tuple[tuple[float, int], ...]


def scripts() -> list[Script]:
    """All forty."""
    noon_ms = scene.START_MS + round(NOON_H * HOUR_MS)
    jumps = {
        "1970": berlin_ms(1970, 1, 1, 12) - noon_ms,
        "2038": berlin_ms(2038, 1, 19, 4) - noon_ms,
        "3 years ahead": 3 * YEAR_MS,
        "1 year back": -YEAR_MS,
        "30 days ahead": 30 * DAY_MS,
        "1 day ahead": DAY_MS,
        "1 day back": -DAY_MS,
        "1 hour ahead": HOUR_MS,  # also the change to summer time on a clock that shows local time
        "1 hour back": -HOUR_MS,
        "5 minutes ahead": 5 * MINUTE_MS,
    }
    return [_script(jump, wrong_ms, shape) for shape in SHAPES for jump, wrong_ms in jumps.items()]


def _script(jump: str, wrong_ms: int, shape: str) -> Script:
    moments: list[tuple[float, int]] = []
    for begins, lasts in SHAPES[shape]:
        lasts_h = min(lasts, UNBELIEVED_H) if wrong_ms > DAY_MS else lasts
        moments += [(begins, wrong_ms), (begins + lasts_h, 0)]
    return Script(f"{jump}, {shape}", tuple(moments))


class PortClock(SystemClock):
    """The gateway's own clock, on a wall and a steady clock of the rig."""

    def __init__(self, now_ms: int) -> None:
        self._wall, self._steady = now_ms, 0
        super().__init__()

    def advance(self, ms: int) -> int:
        """Let time pass; returns the new time."""
        self._wall += ms
        self._steady += ms
        return self.now_ms()

    def step(self, ms: int) -> None:
        """Set the wall clock."""
        self._wall += ms

    @property
    def _step_ms(self) -> int:
        return self._wall - self.now_ms()

    def _wall_ms(self) -> int:  # type: ignore[override]  # of this clock, not of the machine
        return self._wall

    def _steady_ms(self) -> int:  # type: ignore[override]  # as above
        return self._steady


class ScriptedClock(Fault):
    """Sets the clock as the script says."""

    name = "clock"

    def __init__(self, script: Script) -> None:
        super().__init__(0, 0, alone=True)
        self._left = [(scene.START_MS + round(hour * HOUR_MS), wrong_ms) for hour, wrong_ms in script.settings]
        self._wrong_ms = 0

    def step(self, rig: Rig) -> None:
        while self._left and rig.true_ms >= self._left[0][0]:
            self._set(rig, self._left.pop(0)[1])

    def end(self, rig: Rig) -> None:
        self._set(rig, 0)

    def _set(self, rig: Rig, wrong_ms: int) -> None:
        if wrong_ms != self._wrong_ms:
            self.count += 1
            rig.clock_was_set = True
            rig.clock.step(wrong_ms - self._wrong_ms)
            self._wrong_ms = wrong_ms


def run(count: int, seed: int, progress: Progress = quiet) -> Report:
    """The first `count` scripts, in an order in which few already show different jumps and shapes."""
    every = scripts()
    return play([every[place * 11 % len(every)] for place in range(min(count, len(every)))], seed, progress)


def play(chosen: Sequence[Script], seed: int, progress: Progress = quiet, *, days: float = DAYS, people: int = PEOPLE) -> Report:
    """A simulated day for each script."""
    figures: Counter[str] = Counter()
    broken: list[str] = []
    for script in chosen:
        with folder() as where:
            rig = Rig(where, Plan(seed, days, people), Parts(clock=PortClock))  # type: ignore[arg-type]  # it has what a rig uses of a ManualClock
            rig.faults = [ScriptedClock(script)]
            try:
                rig.run()
            except BrokenError as error:
                broken.append(f"{script.name}, seed {seed}: {'; '.join(f'{name}: {what}' for name, what in error.broken.items())}")
            finally:
                rig.machine.close()
        figures.update(scripts=1, offers=rig.book.seen["trigger"], visits=rig.book.seen["entered"], windows=len(rig.exact))
        progress(script.name)
    return Report(dict(figures), tuple(broken))

"""The result of a benchmark: lines of figures, each beside the published one and that of untuned boosting, and notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from models.measures import Interval
from models.tables.reading import Counts

Step = Callable[[str], None]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. `target` is a minimum, or a value to be met `within` a tolerance.

    With `by_lower_end` the lower end of the interval must reach the target; `others` are more baselines of the run, by name. `aside`
    is the figure on the rows put aside, and `expected` its 95 % interval, from the other rows alone.
    """

    figure: str
    ours: Interval
    published: float | None = None
    published_by: str = ""
    others: Mapping[str, Interval] = msgspec.field(default_factory=dict)
    untuned: Interval | None = None
    above_untuned: Interval | None = None
    target: float | None = None
    within: float | None = None
    by_lower_end: bool = False
    expected: Interval | None = None
    aside: float | None = None

    @property
    def covered(self) -> bool | None:
        """Whether the figure on the rows put aside is within its expected interval; None without one."""
        if self.expected is None or self.aside is None:
            return None
        return self.expected.low <= self.aside <= self.expected.high

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None without a target."""
        if self.target is None:
            return None
        if self.within is None:
            return (self.ours.low if self.by_lower_end else self.ours.value) >= self.target
        return abs(self.ours.value - self.target) <= self.within

    @property
    def gap(self) -> float | None:
        """Target minus figure; None without a target, or if it is reached."""
        if self.target is None or self.reached:
            return None
        return self.target - (self.ours.low if self.by_lower_end else self.ours.value)


class Benchmark(msgspec.Struct, frozen=True, kw_only=True):
    """Figures on one table. `base_rate` is the share of rows with outcome 1, `unit` the unit that is drawn for intervals."""

    name: str
    title: str
    protocol: str
    unit: str
    counts: Counts
    base_rate: float | None
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    seconds: float = 0.0
    megabytes_peak: float = 0.0

    @property
    def reached(self) -> bool:
        """Whether every line that has a target reaches it."""
        return all(line.reached is not False for line in self.lines)


class Spec(NamedTuple):
    """A registered benchmark: its folder of tables, its most progress steps, and a function of folder, seed, `step` and `aside`.

    With `aside`, rows are put aside before anything is chosen, and every figure is shown on these too.
    """

    folder: str
    steps: int
    run: Callable[[Path, int, Step, bool], Benchmark]


def exact(value: float) -> Interval:
    """A counted figure, as an interval of width 0."""
    return Interval(value=float(value), low=float(value), high=float(value))

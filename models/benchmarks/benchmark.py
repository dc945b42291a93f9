"""What a benchmark says: lines of figures, each ours beside the published one and the untuned one, and what is to be known of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from models.measures import Interval
from models.tables.reading import Counts

Step = Callable[[str], None]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. `target` must at least be reached, or be met `within` so much; `gap` is how far it was missed.

    `surely` asks it of the interval's lower end; `others` are further baselines of the same run, by name.
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
    surely: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.target is None:
            return None
        if self.within is None:
            return (self.ours.low if self.surely else self.ours.value) >= self.target
        return abs(self.ours.value - self.target) <= self.within

    @property
    def gap(self) -> float | None:
        """How far from the target, or None where there is none or it is reached."""
        if self.target is None or self.reached:
            return None
        return self.target - (self.ours.low if self.surely else self.ours.value)


class Benchmark(msgspec.Struct, frozen=True, kw_only=True):
    """One table's figures. `base_rate` is the share of rows whose outcome is yes, beside which an accuracy has to be read."""

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
    """A benchmark that can be run: its folder under the tables, how many steps it reports, and what runs it."""

    folder: str
    steps: int
    run: Callable[[Path, int, Step], Benchmark]


def exactly(value: float) -> Interval:
    """A figure that is counted, not estimated."""
    return Interval(value=float(value), low=float(value), high=float(value))

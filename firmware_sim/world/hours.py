"""Weekly time spans in the notation "mon-fri 07:00-19:00" or "sat 20:00-02:00".

Shops, markets, concerts, trains and incidents all recur weekly and share this notation. A span whose end is before its start
ends on the next day. All queries take the minute of the week (0 is Monday 00:00).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 1440
WEEK_MIN = 7 * DAY_MIN
SPAN = re.compile(r"\A(?P<first>[a-z]{3})(-(?P<last>[a-z]{3}))? (?P<from>\d\d:\d\d)-(?P<until>\d\d:\d\d)\Z")
MOMENT = re.compile(r"\A(?P<day>[a-z]{3}) (?P<time>\d\d:\d\d)\Z")


def moment_min(text: str) -> int:
    """Minute of the week of a text such as "sat 14:30". Raises ValueError if the text has another form or names no day or time."""
    match = MOMENT.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no moment of the week; write it as in 'sat 14:30'")
    return _day(match["day"], text) * DAY_MIN + _minute(match["time"], text)


def _day(name: str, text: str) -> int:
    if name not in DAYS:
        raise ValueError(f"{text!r}: no day {name!r}; known: {', '.join(DAYS)}")
    return DAYS.index(name)


def _minute(time: str, text: str) -> int:
    hours, minutes = (int(part) for part in time.split(":"))
    if hours * 60 + minutes > DAY_MIN or minutes > 59:
        raise ValueError(f"{text!r}: no time {time!r}")
    return hours * 60 + minutes


def _spans(text: str) -> list[tuple[int, int]]:
    """Start and end of every span in minutes of the week; the end may exceed the week."""
    match = SPAN.match(text)
    if match is None:
        raise ValueError(f"{text!r} are no hours; write them as in 'mon-fri 07:00-19:00'")
    first, begin, end = _day(match["first"], text), _minute(match["from"], text), _minute(match["until"], text)
    last = _day(match["last"] or match["first"], text)
    days = [day % 7 for day in range(first, last + 1 + (7 if last < first else 0))]
    length = (end - begin) % DAY_MIN or DAY_MIN
    return [(day * DAY_MIN + begin, day * DAY_MIN + begin + length) for day in days]


def _checked_span(text: str) -> str:
    _spans(text)
    return text


def _checked_moment(text: str) -> str:
    moment_min(text)
    return text


Span = Annotated[str, AfterValidator(_checked_span), Field(examples=["mon-fri 07:00-19:00"])]
"""Text in a scenario that `Weekly` understands."""

Moment = Annotated[str, AfterValidator(_checked_moment), Field(examples=["sat 14:30"])]
"""Text in a scenario that `moment_min` understands."""


class Weekly:
    """Set of weekly spans; empty without texts. Raises ValueError if a text is no span."""

    def __init__(self, texts: Iterable[str]) -> None:
        parts: list[tuple[int, int]] = []
        for text in texts:
            for begin, end in _spans(text):
                parts += [(begin, min(end, WEEK_MIN))] + ([(0, end - WEEK_MIN)] if end > WEEK_MIN else [])
        self._parts: list[tuple[int, int]] = []
        for begin, end in sorted(parts):
            if self._parts and begin <= self._parts[-1][1]:
                self._parts[-1] = (self._parts[-1][0], max(end, self._parts[-1][1]))
            else:
                self._parts.append((begin, end))
        self._begins = [begin for begin, _ in self._parts]

    def holds(self, minute: float) -> bool:
        """Whether this minute of the week (of any week) is in the set."""
        minute %= WEEK_MIN
        index = bisect_right(self._begins, minute) - 1
        return index >= 0 and minute < self._parts[index][1]

    def begins_in_min(self, minute: float) -> float:
        """Minutes until the next start, 0 inside a span; infinite if the set is empty."""
        if self.holds(minute):
            return 0.0
        return min(((begin - minute) % WEEK_MIN for begin in self._begins), default=float("inf"))

    def ends_in_min(self, minute: float) -> float:
        """Minutes until the current span ends, 0 outside of all spans; infinite if it covers the whole week."""
        if not self.holds(minute):
            return 0.0
        if self._parts == [(0, WEEK_MIN)]:
            return float("inf")
        minute %= WEEK_MIN
        end = next(end for begin, end in self._parts if begin <= minute < end)
        begins = self._begins[0] == 0 and end == WEEK_MIN  # the span continues across the end of the week
        return (end - minute) + (self._parts[0][1] if begins else 0)

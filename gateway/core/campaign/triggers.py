"""Triggers of offers for all people present: times of day, a threshold of a quantity, and external events.

A threshold has two edges: it is crossed at its bound, and counts as below again once the value is `hysteresis` away from the bound, so a
value that trembles at the bound crosses it once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from gateway.core import limits

Weekday = Literal["mo", "tu", "we", "th", "fr", "sa", "su"]
WEEKDAYS: tuple[Weekday, ...] = ("mo", "tu", "we", "th", "fr", "sa", "su")
TIMES_MAX = 96  # a quarter of an hour each
EVENT_HOURS_MAX = 72
EventText = Annotated[str, Meta(min_length=1, max_length=limits.TEXT_CHARS_MAX)]


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Local times of day, in minutes since midnight, on some days of the week."""

    minutes: Annotated[tuple[Annotated[int, Meta(ge=0, lt=1440)], ...], Meta(min_length=1, max_length=TIMES_MAX)]
    weekdays: Annotated[tuple[Weekday, ...], Meta(min_length=1)] = WEEKDAYS

    def of_day(self, day: date, timezone: ZoneInfo) -> Iterator[int]:
        """The instants of a local day, in ms.

        A time that occurs twice, when the clock is set back, counts once, the first time; one that the clock skips is an hour later.
        """
        if WEEKDAYS[day.weekday()] in self.weekdays:
            for minute in self.minutes:
                yield round(datetime.combine(day, time(minute // 60, minute % 60), timezone).timestamp() * 1000)


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bound of a quantity: `at_least` or `at_most`, the other one is None."""

    quantity: Annotated[str, Meta(min_length=1, max_length=64)]
    at_least: float | None = None
    at_most: float | None = None
    hysteresis: Annotated[float, Meta(ge=0)] = 0.0

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a threshold is either at_least or at_most")

    @property
    def name(self) -> str:
        """The threshold as text, the same for equal ones."""
        bound = f">={self.at_least!r}" if self.at_least is not None else f"<={self.at_most!r}"
        return f"{self.quantity}{bound}~{self.hysteresis!r}"

    def is_over(self, value: float, *, was_over: bool) -> bool:
        """Whether a value counts as beyond the bound, after one that did or did not."""
        slack = self.hysteresis if was_over else 0.0
        if self.at_least is not None:
            return value > self.at_least - slack if slack else value >= self.at_least
        assert self.at_most is not None
        return value < self.at_most + slack if slack else value <= self.at_most


class EventFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """External events of one type from one source; an offer is proposed for `expires_s` seconds after the event."""

    type: EventText
    source: EventText
    expires_s: Annotated[int, Meta(gt=0, le=EVENT_HOURS_MAX * 3_600)]


def due_between(schedules: Iterable[Schedule], timezone: ZoneInfo, after_ms: int, until_ms: int) -> set[Schedule]:
    """The schedules with an instant after `after_ms` and not after `until_ms`."""
    days = _days(after_ms, until_ms, timezone)
    return {one for one in schedules if any(after_ms < at_ms <= until_ms for day in days for at_ms in one.of_day(day, timezone))}


def next_ms(schedules: Iterable[Schedule], timezone: ZoneInfo, after_ms: int) -> int | None:
    """The first instant of any schedule after `after_ms`; None without schedules."""
    days = _days(after_ms, after_ms + 8 * 86_400_000, timezone)
    return min((at_ms for one in schedules for day in days for at_ms in one.of_day(day, timezone) if at_ms > after_ms), default=None)


def _days(after_ms: int, until_ms: int, timezone: ZoneInfo) -> list[date]:
    """The local days of a span, and the day before it: a time that it skips may lie in the span."""
    first, last = (datetime.fromtimestamp(at_ms / 1000, timezone).date() for at_ms in (after_ms, until_ms))
    return [first + timedelta(days=at) for at in range(-1, (last - first).days + 1)]

"""Opening hours of a zone: the weekly part of OpenStreetMap's `opening_hours` (wiki.openstreetmap.org/wiki/Key:opening_hours).

    Mo-Fr 08:00-18:00; Sa 10:00-14:00,15:00-20:00; PH off

Rules are separated by `;` and a later one replaces an earlier one on its days; `PH` stands for public holidays, `off` for closed all day,
`24/7` for always open. A span that ends at or before its start ends on the next day. Months, weeks, sunrise and comments are refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple

from gateway.core.nearest import nearest

DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
HOLIDAY = "PH"
DAY_MIN = 1440
OPEN_DAYS_MAX = 8  # of one stay open, such as a station's that closes once a week; one that is open for longer has no closing time

_COMMA = re.compile(r"\s*,\s*")
_SPAN = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")

Span = tuple[int, int]
"""First minute of the local day, and the minute after the last one: above 1440 on the next day."""


class OpeningHoursError(ValueError):
    """The text is no opening hours; it names the part and the way to write it."""


class OpeningHours(NamedTuple):
    """Spans of each weekday, Monday first, and of public holidays (None: as on that weekday)."""

    weekdays: tuple[tuple[Span, ...], ...]
    holidays: tuple[Span, ...] | None

    def spans(self, day: date, holidays: Collection[date]) -> tuple[Span, ...]:
        """The spans that begin on a day."""
        if self.holidays is not None and day in holidays:
            return self.holidays
        return self.weekdays[day.weekday()]


def parse(text: str) -> OpeningHours:
    """The opening hours in a text. Raises OpeningHoursError."""
    days: dict[str, tuple[Span, ...]] = {}
    for rule in _COMMA.sub(",", text).split(";"):
        selector, _, times = rule.strip().rpartition(" ")
        if rule.strip() == "24/7":
            times = "00:00-24:00"
        spans = () if times == "off" else tuple(_span(part, rule) for part in times.split(","))
        days |= dict.fromkeys(_days(selector, rule), spans)
    return OpeningHours(tuple(days.get(day, ()) for day in DAYS), days.get(HOLIDAY))


def is_open(hours: OpeningHours, clock: datetime, holidays: Collection[date]) -> bool:
    """Whether a zone is open at a local time."""
    return _closes(hours, clock.date(), clock.hour * 60 + clock.minute, holidays) is not None


def minutes_to_close(hours: OpeningHours, clock: datetime, holidays: Collection[date]) -> float | None:
    """Minutes until a zone closes, 0 while it is closed; None if it stays open for over a week."""
    today, minute = clock.date(), clock.hour * 60 + clock.minute
    closes = _closes(hours, today, minute, holidays)
    if closes is None:
        return 0.0
    day, minute = closes
    while (later := _closes(hours, day, minute, holidays)) is not None:
        day, minute = later
        if day - today > timedelta(days=OPEN_DAYS_MAX):
            return None
    # By instants, because a night in which the clocks change is an hour shorter or longer.
    closing = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=clock.tzinfo)
    return (closing.timestamp() - clock.timestamp()) / 60


def _closes(hours: OpeningHours, day: date, minute: int, holidays: Collection[date]) -> tuple[date, int] | None:
    """Day and minute at which the longest span over this minute ends; None if no span covers it."""
    yesterday = day - timedelta(days=1)
    ends = [end for start, end in hours.spans(day, holidays) if start <= minute < end]
    ends += [end - DAY_MIN for start, end in hours.spans(yesterday, holidays) if start <= minute + DAY_MIN < end]
    if not ends:
        return None
    return day + timedelta(days=max(ends) // DAY_MIN), max(ends) % DAY_MIN


def _days(selector: str, rule: str) -> Iterator[str]:
    """The days of a rule; all weekdays if it names none."""
    for part in selector.split(",") if selector else ["Mo-Su"]:
        first, is_range, last = part.strip().partition("-")
        for name in (first, last) if is_range else (first,):
            if name not in DAYS and not (name == HOLIDAY and not is_range):
                raise OpeningHoursError(f"{rule.strip()!r}: {name!r} is no day{nearest(name, (*DAYS, HOLIDAY))}")
        if not is_range:
            yield first
            continue
        start = DAYS.index(first)
        yield from (DAYS[(start + step) % 7] for step in range((DAYS.index(last) - start) % 7 + 1))


def _span(text: str, rule: str) -> Span:
    found = _SPAN.fullmatch(text.strip())
    start, end = (int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])) if found else (0, 0)
    if found is None or start >= DAY_MIN or end > DAY_MIN:
        raise OpeningHoursError(
            f"{rule.strip()!r}: write times as 08:00-18:00 or 'off', such as 'Mo-Fr 08:00-18:00; Sa 10:00-14:00; PH off'"
        )
    return start, end if end > start else end + DAY_MIN

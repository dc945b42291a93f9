"""Sources of values that depend neither on the person nor on the offer: readings of the place, the clock, the occasion."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from gateway.core import context as contexts
from gateway.core import opening_hours
from gateway.core.attributes.schema import SEASONS, Attribute, Clock, OccasionSource, Reading

if TYPE_CHECKING:
    from gateway.core.attributes.aggregators import State, Value
    from gateway.core.attributes.history import Stated
    from gateway.core.context import ZoneContext
    from gateway.core.opening_hours import OpeningHours
    from gateway.core.types import Occasion, Purpose

WORKWARD_UNTIL_H = 11
HOMEWARD_FROM_H = 16


class Request(NamedTuple):
    """The subject of one decision, except the offers: a person (stated values, history, purposes), a place, an occasion and a time."""

    told: Mapping[str, Stated]
    history: Mapping[str, State]
    purposes: Collection[Purpose]
    zone: str
    transit: bool
    here: ZoneContext
    occasion: Occasion
    dwell_s: float
    now_ms: int
    clock: datetime
    opening_hours: OpeningHours | None = None
    holidays: Collection[date] = ()


Read = Callable[[Request], "Value"]
Source = Reading | Clock | OccasionSource


def shared_source(attribute: Attribute) -> Source | None:
    """The source of an attribute of the place, the moment or the occasion; None for one of the person or the offer."""
    return attribute.reading or attribute.clock or attribute.occasion


def reader(source: Source, quantities: Collection[str]) -> Read:
    """The function that reads a source from a request; `quantities` are those whose oldest reading is the age of the context."""
    if isinstance(source, Reading):
        return _reading(source, quantities)
    if isinstance(source, Clock):
        return _CLOCK[source.field]
    return _OCCASION[source.field]


def heading(hour: float, *, transit: bool) -> str:
    """Where a person is likely bound: in a transit hall to work in the morning and home from the afternoon on."""
    if not transit:
        return "nowhere_urgent"
    if hour < WORKWARD_UNTIL_H:
        return "work"
    return "home" if hour >= HOMEWARD_FROM_H else "nowhere_urgent"


def _reading(source: Reading, quantities: Collection[str]) -> Read:
    max_age_ms = int(source.max_age_min * 60_000)
    if source.quantity == "weather":
        return lambda request: contexts.weather(request.here, request.now_ms, max_age_ms)
    if source.quantity == "context_age":
        return lambda request: contexts.age_min(request.here, request.now_ms, quantities)
    return lambda request: contexts.latest(request.here, source.quantity, request.now_ms, max_age_ms)


def _hour(request: Request) -> float:
    return request.clock.hour + request.clock.minute / 60


def _holiday(request: Request) -> float | None:
    """Whether it is a listed holiday; unknown in a year without a listed one, because the list may have ended."""
    today = request.clock.date()
    if all(day.year != today.year for day in request.holidays):
        return None
    return float(today in request.holidays)


def _minutes_to_close(request: Request) -> float | None:
    hours = request.opening_hours
    return None if hours is None else opening_hours.minutes_to_close(hours, request.clock, request.holidays)


_CLOCK: Mapping[str, Read] = {
    "hour": _hour,
    "weekday": lambda request: float(request.clock.weekday()),
    "season": lambda request: SEASONS[request.clock.month % 12 // 3],
    "heading": lambda request: heading(_hour(request), transit=request.transit),
    "minutes_to_close": _minutes_to_close,
    "holiday": _holiday,
}
_OCCASION: Mapping[str, Read] = {"kind": lambda request: request.occasion, "dwell_s": lambda request: request.dwell_s}

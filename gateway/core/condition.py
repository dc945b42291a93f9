"""The condition of a gateway for its operator, as it is reported to the desk.

Nothing here may show when a person was near. Sources that place people are left out, and a source of sensors has the number of whole days
without a message, which changes at midnight only. The reserves of the disk are coarse, and fixed for a day: a step of the wear is a quarter
of the budget, which is thousands of visits.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

DAYS_MAX = 10_000
BUFFER_DAYS_MAX = 60
WEAR_STEP_PERCENT, WEAR_PERCENT_MAX = 25, 400


class SourceCondition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source of sensors by its decoder, and the whole days before today without a message of it (None: not known since the start)."""

    decoder: Annotated[str, Meta(max_length=64)]
    silent_days: Annotated[int, Meta(ge=0, le=DAYS_MAX)] | None


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Release of the gateway, whether it is connected to its broker, its sources, and the end of its first certificate to expire.

    `buffer_days` is the time until the outbox or the disk is full without the cloud, `wear_percent` the bytes written a day of their
    budget; both are None while unknown. `epsilon_millionths` is the epsilon that each service day spends, over all tables.
    """

    release: Annotated[str, Meta(max_length=32)]
    connected: bool
    sources: Annotated[tuple[SourceCondition, ...], Meta(max_length=256)] = ()
    certificate_ends_ms: Annotated[int, Meta(ge=0)] | None = None
    buffer_days: Annotated[int, Meta(ge=0, le=BUFFER_DAYS_MAX)] | None = None
    wear_percent: Annotated[int, Meta(ge=0, le=WEAR_PERCENT_MAX)] | None = None
    epsilon_millionths: Annotated[int, Meta(ge=0, le=10_000_000)] | None = None


class SilentDays:
    """Silent days of each source, fixed for a local day at the first question on it."""

    def __init__(self) -> None:
        self._day = date.min
        self._found: tuple[SourceCondition, ...] = ()

    def __call__(self, today: date, newest: Iterable[tuple[str, date | None]]) -> tuple[SourceCondition, ...]:
        """The sources by decoder, from the day of the newest message of each (None: none since the start)."""
        if today != self._day:
            self._day = today
            self._found = tuple(SourceCondition(decoder, _silent(today, day)) for decoder, day in newest)
        return self._found


class DailyReserves:
    """The reserves of a disk in coarse steps, fixed for a local day at the first known values of it."""

    def __init__(self) -> None:
        self._day = date.min
        self._days: int | None = None
        self._percent: int | None = None

    def __call__(self, today: date, buffer_hours: float | None, wear: float | None) -> tuple[int | None, int | None]:
        """Whole days of the buffer and percent of the budget, both rounded down; `wear` is a share of the budget."""
        if today != self._day:
            self._day, self._days, self._percent = today, None, None
        if self._days is None and buffer_hours is not None:
            self._days = min(BUFFER_DAYS_MAX, int(buffer_hours // 24))
        if self._percent is None and wear is not None:
            self._percent = min(WEAR_PERCENT_MAX, int(wear * 100) // WEAR_STEP_PERCENT * WEAR_STEP_PERCENT)
        return self._days, self._percent


def _silent(today: date, newest: date | None) -> int | None:
    return None if newest is None else min(DAYS_MAX, max(0, (today - newest).days - 1))

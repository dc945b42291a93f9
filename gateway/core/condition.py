"""The condition of a gateway for its operator, as it is reported to the desk.

Nothing here may show when a person was near. Sources that place people are left out, and a source of sensors has the number of whole days
without a message, which changes at midnight only.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

DAYS_MAX = 10_000


class SourceCondition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source of sensors by its decoder, and the whole days before today without a message of it (None: not known since the start)."""

    decoder: Annotated[str, Meta(max_length=64)]
    silent_days: Annotated[int, Meta(ge=0, le=DAYS_MAX)] | None


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Release of the gateway, whether it is connected to its broker, its sources, and the end of its first certificate to expire."""

    release: Annotated[str, Meta(max_length=32)]
    connected: bool
    sources: Annotated[tuple[SourceCondition, ...], Meta(max_length=256)] = ()
    certificate_ends_ms: Annotated[int, Meta(ge=0)] | None = None


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


def _silent(today: date, newest: date | None) -> int | None:
    return None if newest is None else min(DAYS_MAX, max(0, (today - newest).days - 1))

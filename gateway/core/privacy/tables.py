"""The two tables that leave, chosen in advance, and the terms of noise and bounds.

`hours` counts offers sent by zone and window, `offers` counts contacts by zone, offer and final outcome for each service day. The cells
follow from the public catalogue of zones and offers alone; every cell leaves, zeros included.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from gateway.core.records import MILLION, OutcomeCell

if TYPE_CHECKING:
    from collections.abc import Mapping


DAY_MS = 86_400_000
WINDOWS_OF_DEMONSTRATION = 24  # of a service day

TableName = Literal["hours", "offers"]
TABLES: tuple[TableName, ...] = get_args(TableName)


class Terms(msgspec.Struct, frozen=True):
    """Epsilon of a service day in millionths, over all tables; contacts of one person and day that count in each; length of a window."""

    epsilon_millionths: int = MILLION
    contacts_max: int = 4
    window_ms: int = 3_600_000
    demonstration: bool = False

    @property
    def share_millionths(self) -> int:
        """Epsilon of each table for a service day, in millionths."""
        return self.epsilon_millionths // len(TABLES)

    @property
    def scale(self) -> Fraction:
        """Scale of the noise of each count: adding or removing one person's day changes a table by at most `contacts_max` in all."""
        return Fraction(self.contacts_max * MILLION, self.share_millionths)


class Period(msgspec.Struct, frozen=True):
    """The open window and the open service day, with the terms that hold until the day is over.

    A service day is a calendar day of the site, of 23 to 25 hours; in a demonstration it is WINDOWS_OF_DEMONSTRATION windows.
    """

    window_start_ms: int
    day_start_ms: int
    terms: Terms
    day_end_ms: int = 0  # 0 stands for a day of 24 hours

    def __post_init__(self) -> None:
        if not self.day_end_ms:
            msgspec.structs.force_setattr(self, "day_end_ms", self.day_start_ms + DAY_MS)

    @property
    def window_end_ms(self) -> int:
        """When the window is over: the last one of a day ends with the day."""
        return min(self.window_start_ms + self.terms.window_ms, self.day_end_ms)


def open_period(now_ms: int, site_terms: Terms, local_day: tuple[int, int], before: Period | None = None) -> Period:
    """The window and service day that contain `now_ms`; `local_day` has the start and end of the calendar day at the site.

    Changed terms, and a changed time zone, hold from the next service day on, which begins where the day of `before` ends.
    """
    if before is not None and before.day_start_ms <= now_ms < before.day_end_ms:
        start_ms, end_ms, terms = before.day_start_ms, before.day_end_ms, before.terms
    else:
        terms = site_terms
        start_ms, end_ms = _demonstration_day(now_ms, terms) if terms.demonstration else local_day
        if before is not None and start_ms < before.day_end_ms <= now_ms:
            start_ms = before.day_end_ms
    return Period(now_ms - (now_ms - start_ms) % terms.window_ms, start_ms, terms, end_ms)


def _demonstration_day(now_ms: int, terms: Terms) -> tuple[int, int]:
    length_ms = WINDOWS_OF_DEMONSTRATION * terms.window_ms
    start_ms = now_ms - now_ms % length_ms
    return start_ms, start_ms + length_ms


class Catalogue(msgspec.Struct, frozen=True):
    """The public ids that the cells are made of, in the order of the records: zones of the site, and of each offer."""

    gateway: str
    zones: tuple[str, ...]
    offers: Mapping[str, tuple[str, ...]]


class Contact(msgspec.Struct, frozen=True):
    """One contact of a person in one cell of a table; `offer` and `outcome` are empty in `hours`."""

    table: TableName
    subject: str
    device: str
    zone: str
    offer: str = ""
    outcome: OutcomeCell | str = ""

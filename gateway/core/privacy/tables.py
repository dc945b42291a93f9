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
    """Epsilon of a service day in millionths, over all tables; contacts of one person and day that count in each; length of a window.

    A service day is a UTC day; in a demonstration it is WINDOWS_OF_DEMONSTRATION windows.
    """

    epsilon_millionths: int = MILLION
    contacts_max: int = 4
    window_ms: int = 3_600_000
    demonstration: bool = False

    @property
    def day_ms(self) -> int:
        """Length of a service day."""
        return WINDOWS_OF_DEMONSTRATION * self.window_ms if self.demonstration else DAY_MS

    @property
    def share_millionths(self) -> int:
        """Epsilon of each table for a service day, in millionths."""
        return self.epsilon_millionths // len(TABLES)

    @property
    def scale(self) -> Fraction:
        """Scale of the noise of each count: adding or removing one person's day changes a table by at most `contacts_max` in all."""
        return Fraction(self.contacts_max * MILLION, self.share_millionths)


class Period(msgspec.Struct, frozen=True):
    """The open window and the open service day, with the terms that hold until the day is over."""

    window_start_ms: int
    day_start_ms: int
    terms: Terms

    @property
    def window_end_ms(self) -> int:
        """When the window is over."""
        return self.window_start_ms + self.terms.window_ms


def open_period(now_ms: int, site_terms: Terms, before: Period | None = None) -> Period:
    """The window and day that contain `now_ms`. Changed terms of the site hold from the next service day on."""
    if before is not None and now_ms - now_ms % before.terms.day_ms == before.day_start_ms:
        site_terms = before.terms
    return Period(now_ms - now_ms % site_terms.window_ms, now_ms - now_ms % site_terms.day_ms, site_terms)


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

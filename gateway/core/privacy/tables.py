"""The tables that leave, chosen in advance, and the terms of noise and bounds.

`hours` counts offers sent by zone and window, `offers` counts contacts by zone, offer and final outcome for each service day. A small
site adds up the zones of an offer, or the days of a week, in `offers`. `control`, if it is turned on, sums the answers to the question of
perceived control over a quarter. The cells follow from the public catalogue of zones and offers alone; every cell leaves, zeros included.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from gateway.core.records import CONTROL_CHANGE_MAX, MILLION, OutcomeCell

if TYPE_CHECKING:
    from collections.abc import Mapping


DAY_MS = 86_400_000
WINDOWS_OF_DEMONSTRATION = 24  # of a service day

TableName = Literal["hours", "offers", "control"]
TABLES: tuple[TableName, ...] = get_args(TableName)
Unit = Literal["day", "week", "quarter"]
UNITS: tuple[Unit, ...] = get_args(Unit)
DAYS_OF_DEMONSTRATION: Mapping[Unit, int] = {"day": 1, "week": 7, "quarter": 91}
WEIGHTS: Mapping[TableName, int] = {"hours": 4, "offers": 4, "control": 1}
"""By table: its part of epsilon, relative to the other tables that leave."""

Spans = dict[Unit, tuple[int, int]]
"""By unit: start and end, in milliseconds, of the calendar day, week or quarter of a moment at the site."""


class Terms(msgspec.Struct, frozen=True):
    """Epsilon of a service day in millionths, over all tables; contacts of one person and day that count in each; length of a window.

    With `sums_zones` the table of offers has one count for all zones of an offer, with `weekly` one release a calendar week. With `control`
    the table of perceived control leaves too.
    """

    epsilon_millionths: int = MILLION
    contacts_max: int = 4
    window_ms: int = 3_600_000
    demonstration: bool = False
    sums_zones: bool = False
    weekly: bool = False
    control: bool = False

    @property
    def tables(self) -> tuple[TableName, ...]:
        """The tables that leave."""
        return TABLES if self.control else TABLES[:2]

    def share_millionths(self, table: TableName) -> int:
        """Epsilon of a table for a service day, in millionths."""
        return self.epsilon_millionths * WEIGHTS[table] // sum(WEIGHTS[one] for one in self.tables)

    def contacts_of(self, table: TableName) -> int:
        """Contributions of one person and day that count in a table."""
        return 1 if table == "control" else self.contacts_max

    def change_max(self, table: TableName) -> int:
        """The most by which one person's day changes all counts of a table, added up."""
        return CONTROL_CHANGE_MAX if table == "control" else self.contacts_max

    def scale(self, table: TableName) -> Fraction:
        """Scale of the noise of each count of a table."""
        return Fraction(self.change_max(table) * MILLION, self.share_millionths(table))

    def unit(self, table: TableName) -> Unit:
        """The calendar unit after which a table leaves; `hours` leaves after each window of the day."""
        return "quarter" if table == "control" else "week" if table == "offers" and self.weekly else "day"


class Period(msgspec.Struct, frozen=True):
    """The open window, service day, and longer units, with the terms that hold until the day is over.

    A service day is a calendar day of the site, of 23 to 25 hours; in a demonstration it is WINDOWS_OF_DEMONSTRATION windows. `longer` has
    the week and the quarter of the tables that leave after one.
    """

    window_start_ms: int
    day_start_ms: int
    terms: Terms
    day_end_ms: int = 0  # 0 stands for a day of 24 hours
    longer: Spans = {}

    def __post_init__(self) -> None:
        if not self.day_end_ms:
            msgspec.structs.force_setattr(self, "day_end_ms", self.day_start_ms + DAY_MS)

    @property
    def window_end_ms(self) -> int:
        """When the window is over: the last one of a day ends with the day."""
        return min(self.window_start_ms + self.terms.window_ms, self.day_end_ms)

    def span(self, table: TableName) -> tuple[int, int]:
        """Start and end of the days that a table adds up: the day for `hours`, which leaves in windows."""
        return self.longer.get(self.terms.unit(table), (self.day_start_ms, self.day_end_ms))

    def closed(self, after: Period) -> tuple[Period, tuple[TableName, ...]]:
        """This period once `after` is open, and the tables whose days are over; with changed terms all of them end with the day."""
        if self.terms == after.terms:
            return self, tuple(table for table in self.terms.tables if self.span(table) != after.span(table))
        longer: Spans = {unit: (start_ms, self.day_end_ms) for unit, (start_ms, _) in self.longer.items()}
        return msgspec.structs.replace(self, longer=longer), self.terms.tables


def open_period(now_ms: int, site_terms: Terms, calendar: Spans, before: Period | None = None) -> Period:
    """The window, service day and longer units that contain `now_ms`; `calendar` has those of the site.

    Changed terms, and a changed time zone, hold from the next service day on, which begins where the day of `before` ends. With changed
    terms an open week or quarter ends with that day.
    """
    if before is not None and before.day_start_ms <= now_ms < before.day_end_ms:
        start_ms, terms = before.day_start_ms, before.terms
        return msgspec.structs.replace(before, window_start_ms=now_ms - (now_ms - start_ms) % terms.window_ms)
    terms = site_terms
    spans = _demonstration(now_ms, terms) if terms.demonstration else dict(calendar)
    if before is not None:
        spans = {unit: (_after(before.day_end_ms, start_ms, now_ms), end_ms) for unit, (start_ms, end_ms) in spans.items()}
    longer = {unit: spans[unit] for unit in UNITS[1:] if unit in map(terms.unit, terms.tables)}
    if before is not None and before.terms == terms:  # an open week goes on
        longer |= {unit: span for unit, span in before.longer.items() if span[0] <= now_ms < span[1]}
    start_ms, end_ms = spans["day"]
    return Period(now_ms - (now_ms - start_ms) % terms.window_ms, start_ms, terms, end_ms, longer)


def _after(end_ms: int, start_ms: int, now_ms: int) -> int:
    """The start of a unit, not before the end of the last service day."""
    return end_ms if start_ms < end_ms <= now_ms else start_ms


def _demonstration(now_ms: int, terms: Terms) -> Spans:
    lengths = {unit: days * WINDOWS_OF_DEMONSTRATION * terms.window_ms for unit, days in DAYS_OF_DEMONSTRATION.items()}
    return {unit: (now_ms - now_ms % length_ms, now_ms - now_ms % length_ms + length_ms) for unit, length_ms in lengths.items()}


class Catalogue(msgspec.Struct, frozen=True):
    """The public ids that the cells are made of, in the order of the records: zones of the site, and of each offer."""

    gateway: str
    zones: tuple[str, ...]
    offers: Mapping[str, tuple[str, ...]]


class Contact(msgspec.Struct, frozen=True):
    """One contribution of a person to one cell of a table: of `hours` by zone, of `offers` by zone, offer and outcome.

    In `control` the outcome is the distance of the two answers from the middle of the scale, added up, as text.
    """

    table: TableName
    subject: str
    device: str
    zone: str
    offer: str = ""
    outcome: OutcomeCell | str = ""

"""The calendar of a campaign: offers as bars over some months, and starts and ends as a list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, tzinfo
from itertools import combinations, islice, pairwise
from typing import NamedTuple

from gateway.core.offers import Campaign, Offer

MONTHS_SHOWN = 6
BARS_SHOWN = 200
CLASHES_SHOWN = 50


class Month(NamedTuple):
    """A month of the calendar: its first day, and its place in the drawing from 0 to 100."""

    first: date
    left: float
    width: float


class Bar(NamedTuple):
    """An offer in the calendar: its place from 0 to 100, and whether it goes on before and after the months shown."""

    offer: Offer
    left: float
    width: float
    is_cut_before: bool
    is_cut_after: bool
    state: str


class Event(NamedTuple):
    """A start or an end."""

    at_ms: int
    text: str


class Calendar(NamedTuple):
    """The months, the bars that reach into these (first start first), the events in these, the clashes, and today's place."""

    months: list[Month]
    bars: list[Bar]
    events: list[Event]
    clashes: list[str]
    today: float | None
    before: str
    after: str


def calendar(campaign: Campaign, stopped: Sequence[str], begin: date, now_ms: int, zone: tzinfo) -> Calendar:
    """The months from that of `begin` on."""
    firsts = [_month(begin, at) for at in range(MONTHS_SHOWN + 1)]
    from_ms, until_ms = _ms(firsts[0], zone), _ms(firsts[-1], zone)

    def place(at_ms: float) -> float:
        return round(100 * (min(max(at_ms, from_ms), until_ms) - from_ms) / (until_ms - from_ms), 3)

    months = [Month(one, place(_ms(one, zone)), place(_ms(after, zone)) - place(_ms(one, zone))) for one, after in pairwise(firsts)]
    offers = sorted(campaign.offers, key=lambda one: (one.starts_ms, one.ends_ms, one.title))
    shown = [one for one in offers if one.starts_ms < until_ms and one.ends_ms > from_ms][:BARS_SHOWN]
    bars = [
        Bar(
            one,
            place(one.starts_ms),
            max(0.5, place(one.ends_ms) - place(one.starts_ms)),
            one.starts_ms < from_ms,
            one.ends_ms > until_ms,
            _state(one, stopped, now_ms),
        )
        for one in shown
    ]
    events = [Event(one.starts_ms, f"{one.title} starts") for one in shown if one.starts_ms >= from_ms]
    events += [Event(one.ends_ms - 1, f"{one.title} ends") for one in shown if one.ends_ms <= until_ms]
    today = place(now_ms) if from_ms <= now_ms < until_ms else None
    clashes = _clashes([one for one in shown if one.id not in stopped])
    return Calendar(months, bars, sorted(events), clashes, today, f"{_month(begin, -MONTHS_SHOWN):%Y-%m}", f"{firsts[-1]:%Y-%m}")


def parsed_month(text: str, now_ms: int, zone: tzinfo) -> date:
    """The first day of a month such as 2026-11; this month for another text."""
    try:
        return datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007  a month has no time zone
    except ValueError:
        return datetime.fromtimestamp(now_ms / 1000, zone).date().replace(day=1)


def _clashes(offers: Sequence[Offer]) -> list[str]:
    """Sentences on offers of one shop at one time, of which a person gets one at a moment; at most CLASHES_SHOWN."""
    by_shop: dict[str, list[Offer]] = {}
    for one in offers:
        by_shop.setdefault(one.shop, []).append(one)
    pairs = (pair for of_shop in by_shop.values() for pair in combinations(of_shop, 2))
    found = (pair for pair in pairs if pair[0].starts_ms < pair[1].ends_ms and pair[1].starts_ms < pair[0].ends_ms)
    return [f"{one.title} and {other.title} both lead to {one.shop}." for one, other in islice(found, CLASHES_SHOWN)]


def _state(offer: Offer, stopped: Sequence[str], now_ms: int) -> str:
    if offer.id in stopped:
        return "stopped"
    return "planned" if offer.starts_ms > now_ms else "ended" if offer.ends_ms <= now_ms else "open"


def _month(first: date, months: int) -> date:
    """The first day of the month that is `months` later."""
    number = first.year * 12 + first.month - 1 + months
    return date(min(max(number // 12, 1970), 9_998), number % 12 + 1, 1)


def _ms(day: date, zone: tzinfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)

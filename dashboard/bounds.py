"""Plausibility of records: each gateway is held to its own zones, offers, windows and numbers of people.

A gateway is authenticated by its token and still not trusted, because a token can be stolen. A record out of its bounds is stored in
quarantine: it is acknowledged, so that the gateway goes on, and no figure counts it until an operator accepts it. A gateway's catalogue is
learned from its first record of counts (zones) and its first service day (offers); later additions wait for the operator, or come with a
campaign that was published here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import msgspec

from dashboard import limits
from dashboard.counts import TABLE_OF
from gateway.core.privacy.laplace import variance
from gateway.core.records import MILLION, ControlCounts, GatewayHealth, HourCounts, Noise, OfferCounts, Record, VisitorCounts

DAY_MS = 86_400_000
DISTANCE_MAX = 6  # of an answer to the question of perceived control from the middle of the scale

Reason = Literal[
    "window in the future",
    "window too old",
    "zone of no catalogue",
    "offer of no catalogue",
    "window counted twice",
    "noise misstated",
    "count out of bounds",
    "retracted",
]


class Known(msgspec.Struct):
    """Present knowledge of one gateway: its catalogue, its first service day (None before), and the windows with records by table."""

    zones: set[str]
    offers: set[str]
    first_day_ms: int | None
    windows: set[tuple[str, str, int]]


def window_key(record: Record) -> tuple[str, str, int]:
    """Table, offer (or an empty text) and window of a record: one gateway has at most one of each."""
    return TABLE_OF[type(record)], record.offer if type(record) is OfferCounts else "", record.window_start_ms


def implausible(record: Record, known: Known, now_ms: int, people_max: int) -> Reason | None:
    """The reason to quarantine `record`, or None; `known` learns from a plausible one."""
    ends_ms = record.window_start_ms + record.window_ms
    if ends_ms > now_ms + limits.AHEAD_MS_MAX:
        return "window in the future"
    if ends_ms < now_ms - limits.BEHIND_MS_MAX:
        return "window too old"
    key = window_key(record)
    if key in known.windows:
        return "window counted twice"
    if isinstance(record, ControlCounts):
        if reason := _implausible_control(record, people_max):
            return reason
    elif not isinstance(record, GatewayHealth):
        reason = _implausible_names(record, known) or _implausible_counts(record, people_max)
        if reason is not None:
            return reason
        known.zones = known.zones or set(record.zones)
        if type(record) is OfferCounts:
            known.offers.add(record.offer)
            known.first_day_ms = record.window_start_ms if known.first_day_ms is None else known.first_day_ms
    known.windows.add(key)
    return None


def _implausible_names(record: HourCounts | OfferCounts | VisitorCounts, known: Known) -> Reason | None:
    if known.zones and not known.zones.issuperset(record.zones):
        return "zone of no catalogue"
    if type(record) is OfferCounts and record.offer not in known.offers and known.first_day_ms not in (None, record.window_start_ms):
        return "offer of no catalogue"
    return None


def _implausible_counts(record: HourCounts | OfferCounts | VisitorCounts, people_max: int) -> Reason | None:
    spread = _spread(record.noise)
    most = people_max * record.noise.contacts_max * whole_days(record.window_ms)
    return "noise misstated" if spread is None else _out_of_bounds(record.counts, -spread, most + spread)


def _implausible_control(record: ControlCounts, people_max: int) -> Reason | None:
    spread = _spread(record.noise)
    if spread is None:
        return "noise misstated"
    most = people_max * whole_days(record.window_ms)
    low, high = -DISTANCE_MAX * most - spread, DISTANCE_MAX * most + spread
    return _out_of_bounds(record.counts[:1], -spread, most + spread) or _out_of_bounds(record.counts[1:], low, high)


def whole_days(window_ms: int) -> int:
    """Service days of a period; 1 for a window."""
    return max(1, round(window_ms / DAY_MS))


@lru_cache(limits.CATALOGUE_ROWS_MAX)
def _spread(noise: Noise) -> float | None:
    """The largest deviation that noise of this size makes; None if its variance is misstated. A gateway has few sizes."""
    true = variance(Fraction(noise.contacts_max * MILLION, noise.epsilon_millionths))
    if abs(noise.variance - true) > limits.VARIANCE_ERROR_MAX * true:
        return None
    return limits.NOISE_SIGMAS * math.sqrt(noise.variance) + 1


def _out_of_bounds(counts: Sequence[int], low: float, high: float) -> Reason | None:
    return None if low <= min(counts) and max(counts) <= high else "count out of bounds"

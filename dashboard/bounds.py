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
from typing import Literal

import msgspec

from dashboard import limits
from gateway.core.privacy.laplace import variance
from gateway.core.records import MILLION, ControlCounts, HourCounts, Noise, OfferCounts, Record

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
    return str(record.__struct_config__.tag), record.offer if isinstance(record, OfferCounts) else "", record.window_start_ms


def implausible(record: Record, known: Known, now_ms: int, people_max: int) -> Reason | None:
    """The reason to quarantine `record`, or None; `known` learns from a plausible one."""
    if record.window_start_ms + record.window_ms > now_ms + limits.AHEAD_MS_MAX:
        return "window in the future"
    if record.window_start_ms + record.window_ms < now_ms - limits.BEHIND_MS_MAX:
        return "window too old"
    if window_key(record) in known.windows:
        return "window counted twice"
    if isinstance(record, ControlCounts):
        if reason := _implausible_control(record, people_max):
            return reason
    elif isinstance(record, HourCounts | OfferCounts):
        reason = _implausible_names(record, known) or _implausible_counts(record, people_max)
        if reason is not None:
            return reason
        known.zones = known.zones or set(record.zones)
        if isinstance(record, OfferCounts):
            known.offers.add(record.offer)
            known.first_day_ms = record.window_start_ms if known.first_day_ms is None else known.first_day_ms
    known.windows.add(window_key(record))
    return None


def _implausible_names(record: HourCounts | OfferCounts, known: Known) -> Reason | None:
    if known.zones and not known.zones.issuperset(record.zones):
        return "zone of no catalogue"
    if isinstance(record, OfferCounts) and record.offer not in known.offers and known.first_day_ms not in (None, record.window_start_ms):
        return "offer of no catalogue"
    return None


def _implausible_counts(record: HourCounts | OfferCounts, people_max: int) -> Reason | None:
    most = people_max * record.noise.contacts_max * whole_days(record.window_ms)
    return _misstated(record.noise) or _out_of_bounds(record.counts, record.noise, 0, most)


def _implausible_control(record: ControlCounts, people_max: int) -> Reason | None:
    most = people_max * whole_days(record.window_ms)
    return (
        _misstated(record.noise)
        or _out_of_bounds(record.counts[:1], record.noise, 0, most)
        or _out_of_bounds(record.counts[1:], record.noise, -DISTANCE_MAX * most, DISTANCE_MAX * most)
    )


def whole_days(window_ms: int) -> int:
    """Service days of a period; 1 for a window."""
    return max(1, round(window_ms / DAY_MS))


def _misstated(noise: Noise) -> Reason | None:
    true = variance(Fraction(noise.contacts_max * MILLION, noise.epsilon_millionths))
    return "noise misstated" if abs(noise.variance - true) > limits.VARIANCE_ERROR_MAX * true else None


def _out_of_bounds(counts: Sequence[int], noise: Noise, low: int, high: int) -> Reason | None:
    spread = limits.NOISE_SIGMAS * math.sqrt(noise.variance) + 1
    return None if all(low - spread <= count <= high + spread for count in counts) else "count out of bounds"

"""Plausibility of records: each gateway is held to its own zones, offers, windows and numbers of people.

A gateway is authenticated by its token and still not trusted, because a token can be stolen. A record out of its bounds is stored in
quarantine: it is acknowledged, so that the gateway goes on, and no figure counts it until an operator accepts it. A gateway's catalogue is
learned from its first record of counts (zones) and its first service day (offers); later additions wait for the operator, or come with a
campaign that was published here.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal

import msgspec

from dashboard import limits
from gateway.core.privacy.laplace import variance
from gateway.core.records import MILLION, GatewayHealth, HourCounts, OfferCounts, Record

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
    table = "offers" if isinstance(record, OfferCounts) else "hours" if isinstance(record, HourCounts) else "health"
    return table, record.offer if isinstance(record, OfferCounts) else "", record.window_start_ms


def implausible(record: Record, known: Known, now_ms: int, people_max: int) -> Reason | None:
    """The reason to quarantine `record`, or None; `known` learns from a plausible one."""
    if record.window_start_ms + record.window_ms > now_ms + limits.AHEAD_MS_MAX:
        return "window in the future"
    if record.window_start_ms < now_ms - limits.BEHIND_MS_MAX:
        return "window too old"
    if window_key(record) in known.windows:
        return "window counted twice"
    if not isinstance(record, GatewayHealth):
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
    noise = record.noise
    true = variance(Fraction(noise.contacts_max * MILLION, noise.epsilon_millionths))
    if abs(noise.variance - true) > limits.VARIANCE_ERROR_MAX * true:
        return "noise misstated"
    spread = limits.NOISE_SIGMAS * math.sqrt(true) + 1
    if not all(-spread <= count <= people_max * noise.contacts_max + spread for count in record.counts):
        return "count out of bounds"
    return None

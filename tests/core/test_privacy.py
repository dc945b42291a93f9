"""Records: nothing outside the public catalogue leaves, and the same window gives the same records."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import records
from gateway.core.privacy import CounterKey, GatewayCounters, close_window, window_start_ms
from gateway.core.records import CellCount, GatewayHealth, Record
from gateway.core.types import AnswerKind
from tests.kit.testbed import HOUR_MS, NOON_MS, campaign, make_site, offer

STREET = make_site()
KINDS: tuple[records.CellKind, ...] = ("trigger", *get_args(AnswerKind))
CATALOGUE = {(zone, one.id) for one in STREET.campaign.offers for zone in (*one.zones, one.shop)}
_WORDS = st.sampled_from(sorted({word for cell in CATALOGUE for word in cell})) | st.text(max_size=12) | st.just("phone-0001")


def cells_of(made: tuple[Record, ...]) -> list[CellCount]:
    return [record for record in made if isinstance(record, CellCount)]


def test_only_what_is_in_the_catalogue_leaves() -> None:
    counted = {
        CounterKey("cafe", "flat-white", "trigger"): 3,
        CounterKey("cafe", "phone-0001", "trigger"): 1,
        CounterKey("iBeacon:5a1e", "flat-white", "trigger"): 1,
        CounterKey("bar", "flat-white", "trigger"): 1,  # both ids are public, the pair is not
        CounterKey("square", "flat-white", "shown"): 0,
        CounterKey("station", "flat-white", "opened"): -2,
    }
    made = close_window(STREET, NOON_MS, counted, GatewayCounters(), 0, "w")
    assert [(cell.zone, cell.offer, cell.kind, cell.count) for cell in cells_of(made)] == [("cafe", "flat-white", "trigger", 3)]


def test_the_shop_is_in_the_catalogue_too() -> None:
    elsewhere = make_site(campaign=campaign(offer(zones=("square",), shop="cafe")))
    counted = {
        CounterKey("square", "flat-white", "trigger"): 3,
        CounterKey("cafe", "flat-white", "redeemed"): 2,
        CounterKey("bar", "flat-white", "shown"): 1,
    }
    made = close_window(elsewhere, NOON_MS, counted, GatewayCounters(), 0, "w")
    assert [(cell.zone, cell.count) for cell in cells_of(made)] == [("cafe", 2), ("square", 3)]


def test_a_window_without_anything_still_tells_of_the_gateway() -> None:
    activity = GatewayCounters(messages=9, refused=1, facts=3, decisions=2, triggers=1)
    (health,) = close_window(STREET, NOON_MS, {}, activity, 17, "w")
    assert health == GatewayHealth("gw-t.w.h", "gw-t", NOON_MS, HOUR_MS, 9, 1, 3, 2, 1, 17)


def test_the_order_and_the_ids_follow_from_counts_and_name_alone() -> None:
    counted = {CounterKey(zone, offer, kind): 1 for zone, offer in CATALOGUE for kind in KINDS}
    made = close_window(STREET, NOON_MS, counted, GatewayCounters(), 0, "w")
    assert close_window(STREET, NOON_MS, dict(reversed(counted.items())), GatewayCounters(), 0, "w") == made
    assert [record.id for record in made] == ["gw-t.w.h", *(f"gw-t.w.{index}" for index in range(len(counted)))]
    keys = [(cell.zone, cell.offer, cell.kind) for cell in cells_of(made)]
    assert keys == sorted(keys)


def test_ids_of_different_windows_and_gateways_differ() -> None:
    other = make_site(gateway="gw-u")
    counted = {CounterKey("cafe", "flat-white", "trigger"): 1}
    made = [
        record.id
        for one, name in ((STREET, "v"), (STREET, "w"), (other, "w"))
        for record in close_window(one, NOON_MS, counted, GatewayCounters(), 0, name)
    ]
    assert len(set(made)) == len(made) == 6


@given(
    st.dictionaries(st.builds(CounterKey, _WORDS, _WORDS, st.sampled_from(KINDS)), st.integers(-5, 2**40), max_size=30),
    st.integers(0, 2**40),
)
def test_nothing_leaves_but_public_words_and_bounded_numbers(counted: dict[CounterKey, int], backlog: int) -> None:
    made = close_window(STREET, NOON_MS, counted, GatewayCounters(), backlog, "w")
    left = {CounterKey(cell.zone, cell.offer, cell.kind): cell.count for cell in cells_of(made)}
    assert left == {cell: count for cell, count in counted.items() if (cell.zone, cell.offer) in CATALOGUE and count > 0}
    # The cloud can decode the bytes: every field is declared, every bound holds.
    again = msgspec.json.decode(msgspec.json.encode(made), type=tuple[Record, ...])
    assert again == made
    assert len(msgspec.json.encode(made)) <= 400 * len(made)


@pytest.mark.parametrize(
    ("now_ms", "window_ms", "start_ms"),
    [(0, 1000, 0), (999, 1000, 0), (1000, 1000, 1000), (NOON_MS, HOUR_MS, NOON_MS), (NOON_MS + HOUR_MS - 1, HOUR_MS, NOON_MS)],
)
def test_a_moment_belongs_to_the_window_that_holds_it(now_ms: int, window_ms: int, start_ms: int) -> None:
    assert window_start_ms(now_ms, window_ms) == start_ms

"""A copied or repeated advertisement alone makes no offer."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.discards import Discard
from gateway.core.limits import SENT_MESSAGES_MAX
from gateway.core.presence import PresenceRules
from gateway.core.second_fact import DOUBT_MS
from gateway.core.state.claims import Sent
from gateway.core.types import Sighting, Status
from tests.kit.testbed import HOUR_MS, Gateway, Phone, make_site


def reasons(gateway: Gateway) -> list[str]:
    return [str(row[4]) for row in sorted(gateway.rows("decisions"), key=lambda row: int(row[3]))]


def walk(gateway: Gateway, *sightings: Sighting) -> None:
    for one in sightings:
        gateway.clock.advance(1_000)
        gateway.apply(one)


# --- level --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rssi_dbm", "entered"), [(-1.0, 0), (-9.0, 0), (-10.0, 1), (-40.0, 1)])
def test_a_level_that_no_receiver_measures_counts_as_nothing(gateway: Gateway, rssi_dbm: float, entered: int) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    walk(gateway, *(phone.near("scan-cafe", rssi_dbm) for _ in range(6)))
    assert len(gateway.rows("presences")) == entered
    assert len(reasons(gateway)) == entered


# --- envelope -----------------------------------------------------------------------------------------------


def sent(phone: Phone, seq: int, boot: str = "b") -> Sighting:
    return msgspec.structs.replace(phone.hears("beacon-cafe"), sent=(boot, seq))


def test_messages_that_are_sent_again_make_no_second_visit_and_no_offer(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    messages = [sent(phone, seq) for seq in range(1, 5)]
    walk(gateway, *messages)
    gateway.pass_time(HOUR_MS)
    first = reasons(gateway)
    assert "chosen" in first
    for _ in range(3):
        for one in reversed(messages):
            gateway.clock.advance(1_000)
            assert gateway.apply(one).discarded == {Discard.REPEATED: 1}
    assert gateway.rows("presences") == []
    assert reasons(gateway) == first
    walk(gateway, sent(phone, 5), sent(phone, 6))
    assert len(gateway.rows("presences")) == 1, "the person comes again"


def test_ten_thousand_repetitions_have_no_effect(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    messages = [sent(phone, seq, boot) for boot in ("b1", "b2", "b3") for seq in range(1, 11)]
    walk(gateway, *messages)
    gateway.pass_time(HOUR_MS)
    before = gateway.dump()
    discarded = sum(gateway.apply(*messages[::-1]).discarded[Discard.REPEATED] for _ in range(334))
    assert discarded == 334 * len(messages) >= 10_000
    assert gateway.dump() == before


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 200)), max_size=60))
def test_a_message_counts_at_most_once(messages: list[tuple[str, int]]) -> None:
    kept, counted = Sent(), []
    for one in messages:
        after = kept.with_message(*one)
        if after is not None:
            kept = after
            counted.append(one)
    assert len(set(counted)) == len(counted)


def test_a_message_that_was_overtaken_counts() -> None:
    kept = Sent("b", 100, 1)
    overtaken = kept.with_message("b", 101 - SENT_MESSAGES_MAX)
    assert overtaken is not None
    assert overtaken.with_message("b", 101 - SENT_MESSAGES_MAX) is None
    assert kept.with_message("b", 100 - SENT_MESSAGES_MAX) is None
    assert Sent("b", 3, 1).with_message("b", 10_000) == Sent("b", 10_000, 1)


# --- movement -----------------------------------------------------------------------------------------------


def test_a_copy_in_another_place_makes_no_offer_while_the_tag_is_heard(gateway: Gateway) -> None:
    """Station and cafe are 400 m apart; the copy is 20 dB stronger than the tag."""
    phone = Phone()
    gateway.apply(phone.consent())
    walk(gateway, *(phone.near("scan-cafe", -72.0) for _ in range(3)))
    assert reasons(gateway) == ["chosen"]
    gateway.pass_time(20 * 60_000)
    walk(gateway, *(phone.near("scan-cafe", -72.0) for _ in range(3)))
    for _ in range(20):
        walk(gateway, phone.near("scan-station", -50.0), phone.near("scan-cafe", -72.0))
    assert set(reasons(gateway)[2:]) == {"unconfirmed"}
    gateway.pass_time(DOUBT_MS + 60_000)
    walk(gateway, *(phone.near("scan-station", -60.0) for _ in range(3)))
    assert reasons(gateway)[-1] != "unconfirmed", "the doubt ends"


def test_a_person_between_two_neighbouring_zones_is_not_doubted(tmp_path_factory: pytest.TempPathFactory) -> None:
    site = make_site()
    near = {**site.zones, "bar": msgspec.structs.replace(site.zones["bar"], x_m=25.0)}
    gateway, phone = Gateway(tmp_path_factory.mktemp("near"), site=msgspec.structs.replace(site, zones=near)), Phone()
    gateway.apply(phone.consent())
    for _ in range(20):
        walk(gateway, phone.near("scan-cafe", -76.0), phone.near("scan-bar", -70.0))
    assert "unconfirmed" not in reasons(gateway)
    gateway.store.close()


def test_a_walk_to_a_far_zone_is_not_doubted(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    walk(gateway, *(phone.near("scan-cafe", -55.0) for _ in range(3)))
    gateway.pass_time(120_000)
    walk(gateway, *(phone.near("scan-station", -55.0) for _ in range(3)))
    assert "unconfirmed" not in reasons(gateway)


# --- app ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("within_ms", [None, HOUR_MS])
def test_a_tag_alone_makes_no_offer_where_the_app_must_have_spoken(tmp_path_factory: pytest.TempPathFactory, within_ms: int | None) -> None:
    gateway = Gateway(tmp_path_factory.mktemp("app"), site=make_site(presence=PresenceRules(app_within_ms=within_ms)))
    phone = Phone()
    gateway.apply(phone.consent())
    gateway.pass_time(2 * HOUR_MS)
    walk(gateway, *(phone.near("scan-cafe") for _ in range(3)))
    assert reasons(gateway) == ["chosen" if within_ms is None else "unconfirmed"]
    gateway.pass_time(20 * 60_000)
    gateway.apply(Status(phone.device))
    walk(gateway, *(phone.near("scan-cafe") for _ in range(3)))
    assert reasons(gateway)[1] != "unconfirmed"
    gateway.store.close()

"""Incidents silence their zone until they end or expire, over restarts and steps of the clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.types import Envelope, Incident, TimePassed
from tests.kit.testbed import Gateway, Phone, campaign, make_site, offer

HELP = offer("this-way-out", kind="service", during_incident=True, value_minor=0)


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    devices = {"desk": "*", "guard-bar": "bar", "till-cafe": "cafe"}
    return Gateway(tmp_path, site=make_site(devices=devices))


def incident(seq: int, zone: str | None = "cafe", minutes: int | None = 30, device: str = "desk") -> Incident:
    return Incident(Envelope(device, "d1", seq), zone, minutes)


def reason(gateway: Gateway, number: int = 1, anchor: str = "scan-cafe") -> str:
    """The reason of the decision for another person that enters."""
    phone = Phone(f"phone-{number:04}")
    gateway.apply(phone.consent())
    (decision,) = gateway.apply(phone.near(anchor), phone.near(anchor)).decisions.made
    return decision.reason


def test_a_zone_is_silent_from_the_message_on(gateway: Gateway) -> None:
    assert not gateway.apply(incident(1)).discarded
    assert reason(gateway, 1) == "incident"
    assert reason(gateway, 2, "scan-bar") == "chosen", "another zone is not"
    gateway.apply(incident(2, minutes=None))
    assert reason(gateway, 3) == "chosen"
    assert not gateway.rows("incidents")


def test_the_desk_has_a_confirmation(gateway: Gateway) -> None:
    began, ended = incident(1), incident(2, minutes=None)
    (reply,) = gateway.apply(began).replies.messages
    until_ms = gateway.clock.now_ms() + 30 * 60_000
    assert (reply.device, reply.kind) == (began.envelope.device, "incident")
    assert reply.body == {"boot": "d1", "seq": 1, "gateway": "gw-t", "zone": "cafe", "until_ms": until_ms}
    (reply,) = gateway.apply(ended).replies.messages
    assert reply.body["until_ms"] is None


def test_the_whole_site_and_a_zone_are_silent_apart(gateway: Gateway) -> None:
    gateway.apply(incident(1, zone=None), incident(2, zone="bar"))
    assert reason(gateway, 1) == "incident"
    gateway.apply(incident(3, zone=None, minutes=None))
    assert reason(gateway, 2) == "chosen"
    assert reason(gateway, 3, "scan-bar") == "incident"


@pytest.mark.parametrize(("after_ms", "expected"), [(30 * 60_000 - 1, "incident"), (30 * 60_000, "chosen")])
def test_it_expires_also_over_a_restart(gateway: Gateway, after_ms: int, expected: str) -> None:
    gateway.apply(incident(1))
    gateway.restart(off_ms=after_ms)
    gateway.apply(TimePassed())
    assert reason(gateway) == expected
    assert len(gateway.rows("incidents")) == (expected == "incident")


def test_a_clock_that_is_set_does_not_end_it(gateway: Gateway) -> None:
    gateway.apply(incident(1))
    gateway.clock.step(3_600_000)
    gateway.state.rebase(3_600_000)
    gateway.store.save_times(gateway.state)
    gateway.restart()
    assert reason(gateway) == "incident"


@pytest.mark.parametrize(
    ("device", "zone", "silent"),
    [("guard-bar", "cafe", "bar"), ("guard-bar", None, "bar")],
)
def test_a_desk_of_one_zone_silences_that_zone(gateway: Gateway, device: str, zone: str | None, silent: str) -> None:
    gateway.apply(incident(1, zone, device=device))
    assert [row[0] for row in gateway.rows("incidents")] == [silent]


@pytest.mark.parametrize(("device", "zone"), [("somebody", "cafe"), ("desk", "nowhere")])
def test_an_undeclared_desk_or_zone_is_refused(gateway: Gateway, device: str, zone: str) -> None:
    assert gateway.apply(incident(1, zone, device=device)).discarded == {"unmapped_device": 1}


def test_a_trigger_of_the_same_batch_is_dropped_and_a_service_message_is_not(gateway: Gateway) -> None:
    phone, other = Phone(), Phone("phone-0002")
    gateway.apply(phone.consent(), other.consent())
    changes = gateway.apply(phone.near("scan-cafe"), phone.near("scan-cafe"), incident(1))
    assert changes.decisions.made[0].offer == "flat-white"
    assert not changes.decisions.triggers
    gateway.site = make_site(devices={"desk": "*"}, campaign=campaign(offer(), HELP))
    (trigger,) = gateway.apply(other.near("scan-cafe"), other.near("scan-cafe")).decisions.triggers
    assert trigger.offer == "this-way-out"


def test_a_repeated_message_does_not_begin_it_again(gateway: Gateway) -> None:
    gateway.apply(incident(1))
    gateway.apply(incident(2, minutes=None))
    assert gateway.apply(incident(1)).discarded == {"repeated": 1}
    assert reason(gateway) == "chosen"

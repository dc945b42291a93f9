"""Creatives: the wording that a person gets, by language and placement, and the trigger that carries it."""

from __future__ import annotations

import msgspec
import pytest

from gateway.core.channels import ChannelName, offer_message
from gateway.core.creatives import Creative, choose_creative, glance_s
from gateway.core.types import OfferRequest, WishList
from tests.kit.testbed import Gateway, Phone, campaign, offer

GERMAN, COUNTER = Creative("Kaffee", language="de"), Creative("Coffee here", placement="counter")
PHONE_GERMAN = Creative("Kaffee aufs Telefon", placement="notification", language="de")


@pytest.mark.parametrize(
    ("creatives", "channel", "language", "name"),
    [
        ((), "phone", "de", "default"),
        ((GERMAN,), "phone", None, "default"),
        ((GERMAN,), "phone", "fr", "default"),
        ((GERMAN,), "phone", "de", "*/de"),
        ((GERMAN, PHONE_GERMAN), "phone", "de", "notification/de"),
        ((GERMAN, PHONE_GERMAN), "reply", "de", "*/de"),
        ((GERMAN, COUNTER), "reply", "de", "*/de"),
        ((GERMAN, COUNTER), "reply", "fr", "counter/*"),
        ((COUNTER,), "phone", None, "default"),
        ((Creative("any"),), "phone", None, "default"),
    ],
)
def test_the_language_counts_for_more_than_the_placement(
    creatives: tuple[Creative, ...], channel: ChannelName, language: str | None, name: str
) -> None:
    assert choose_creative(creatives, channel, language) == name


def test_a_message_has_the_wording_that_its_trigger_names() -> None:
    coffee = offer(creatives=(GERMAN,))
    assert offer_message("d", coffee, "*/de", "cafe", 1)["title"] == "Kaffee"
    for gone in ("default", "*/fr"):
        assert offer_message("d", coffee, gone, "cafe", 1)["title"] == coffee.title


def test_the_time_to_read_a_wording() -> None:
    assert (glance_s("", ""), glance_s("A pot", "of fresh tea")) == (0.0, 1.25)


def test_a_person_gets_the_stated_language_on_the_phone_and_at_the_counter(gateway: Gateway) -> None:
    made = campaign(offer(occasions=("entered", "requested"), per_person_day_max=9, creatives=(PHONE_GERMAN, COUNTER)), gap_s_min=0)
    gateway.site = msgspec.structs.replace(gateway.site, campaign=made)
    phone, other = Phone(), Phone("phone-0002")
    gateway.apply(phone.consent(), other.consent())
    gateway.apply(WishList(phone.envelope(), 1, language="de"))
    (german,) = gateway.apply(phone.near("scan-cafe"), phone.near("scan-cafe")).decisions.triggers
    (default,) = gateway.apply(other.near("scan-cafe"), other.near("scan-cafe")).decisions.triggers
    assert (german.creative, default.creative) == ("notification/de", "default")
    assert {one.creative for one in gateway.store.waiting_triggers()} == {"notification/de", "default"}
    (reply,) = gateway.apply(OfferRequest(other.envelope())).replies.messages
    assert reply.body["title"] == "Coffee here"

"""An offer names no zone that tells more than the person already showed: where the own radio or phone was heard, or one that was stated."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.core import claims
from gateway.core.types import Envelope, OfferRequest
from tests.kit.testbed import Gateway, Phone, campaign, make_site, offer

ANCHORS = {"scan-cafe": "cafe", "scan-bar": "bar", "scan-station": "station"}
POLICY = {"gap_s_min": 0, "per_person_day_max": 60, "quiet_from": 0, "quiet_until": 0}


def _walked(folder: Path) -> tuple[int, int]:
    """Two people, and the tag of a stranger that one of them claims with a guessed code, at random anchors.

    At the station only the stranger is heard. Returns the number of offers, and of those in a zone where the person was not heard.
    """
    everywhere = offer(zones=tuple(ANCHORS.values()), per_person_day_max=60, occasions=("entered", "dwelled", "left"))
    gateway = Gateway(folder, site=make_site(campaign=campaign(everywhere, **POLICY)), synced=False)
    people, stranger = [Phone("phone-0001"), Phone("phone-0002")], Phone("phone-0009")
    codes = {people[0].tag: people[0].consent().codes[people[0].tag], stranger.tag: "aaaa-aaaa-aaaa-aaaa"}
    gateway.apply(people[0].consent(tags=(people[0].tag, stranger.tag), codes=codes))
    gateway.apply(people[1].consent())
    showed: dict[str, set[str]] = {phone.device: set() for phone in people}
    named, elsewhere = 0, 0
    draws = random.Random(3)  # noqa: S311 - reproducible walks
    for _ in range(600):
        walker = draws.choice([*people, stranger])
        anchor = draws.choice(list(ANCHORS) if walker is stranger else [one for one in ANCHORS if one != "scan-station"])
        for _ in range(2):
            gateway.clock.advance(1_000)
            if walker is not stranger:
                showed[walker.device].add(ANCHORS[anchor])
            made = gateway.apply(walker.near(anchor)).decisions.triggers
            named += len(made)
            elsewhere += sum(trigger.zone not in showed[trigger.target] for trigger in made)
        for changes in gateway.pass_time(draws.choice((5_000, 90_000, 400_000))):
            elsewhere += sum(trigger.zone not in showed[trigger.target] for trigger in changes.decisions.triggers)
    gateway.store.close()
    return named, elsewhere


def test_an_offer_names_only_zones_where_the_person_was_heard(tmp_path: Path) -> None:
    named, elsewhere = _walked(tmp_path)
    assert (named > 100, elsewhere) == (True, 0)


def test_if_any_code_were_a_proof_offers_would_follow_a_stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_is_code", lambda *_: True)
    assert _walked(tmp_path)[1]


def test_the_reply_to_a_counter_names_the_zone_of_the_counter_only(tmp_path: Path) -> None:
    """A device of the whole site states the zone, and the person is somewhere else; its reply does not say where."""
    site = make_site(devices={"centre": "*", "kiosk": "bar"})
    gateway, phone = Gateway(tmp_path, site=site), Phone()
    gateway.apply(phone.consent())
    for _ in range(3):
        gateway.clock.advance(1_000)
        gateway.apply(phone.near("scan-station"))
    for seq, (device, zone) in enumerate((("centre", None), ("centre", "cafe"), ("kiosk", None), ("kiosk", "cafe"))):
        request = OfferRequest(Envelope(device, "b", seq), person=phone.tag, zone=zone)
        (reply,) = gateway.apply(request).replies.messages
        assert "station" not in repr(reply.body)
    gateway.store.close()

"""Whose radio id it is: a code, a presentation or a key, and nothing is stored of a radio without one."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from firmware_sim.devices.wayside_v1 import claim_code as code_of_simulator
from gateway.adapters.aes import Aes
from gateway.core import ephemeral, limits
from gateway.core.claims import claim_code, names_radio
from gateway.core.state import Changes
from gateway.core.types import Sighting
from tests.kit.testbed import CLAIM_SECRET, CLEAR_DBM, Gateway, Phone

TAG = "e375cf00beef"
COUNTER = "scan-cafe"  # see make_site
HELD_DBM = -40.0
KEY, OTHER_KEY = "0b" * 16, "1c" * 16


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path, synced=False)
    yield made
    made.close()


def claims_of(changes: Changes, device: str = "phone-0001") -> list[object]:
    """The outcomes in the newest receipt of a device."""
    bodies = [one.body for one in changes.replies.messages if one.kind == "receipt" and one.device == device]
    claims = bodies[-1]["claims"]
    assert isinstance(claims, list)
    return claims


def told(changes: Changes) -> list[tuple[str, Any]]:
    """Device and outcome of each notice about a claim."""
    return [(one.device, one.body["outcome"]) for one in changes.replies.messages if one.kind == "claim"]


def hold(gateway: Gateway, tag: str = TAG, rssi_dbm: float = HELD_DBM) -> None:
    gateway.apply(Sighting(COUNTER, tag, rssi_dbm))


# --- without proof -------------------------------------------------------------------------------------------


def test_a_claim_without_proof_stores_nothing_and_follows_nobody(gateway: Gateway) -> None:
    mallory = Phone()
    changes = gateway.apply(mallory.consent(tags=(TAG,), codes={}))
    assert claims_of(changes) == ["unproven"]
    assert changes.totals["claims_refused"] == 1
    for _ in range(5):
        assert gateway.apply(Sighting("scan-cafe", TAG, CLEAR_DBM)).discarded == {"not_consented": 1}
    assert TAG not in gateway.dump()


@pytest.mark.parametrize(
    ("tag", "outcome"),
    [("scan-bar", "not_a_radio"), ("phone-0002", "not_a_radio"), ("till-bar", "not_a_radio"), ("weather-1", "not_a_radio")],
)
def test_names_of_devices_and_anchors_are_no_tags(gateway: Gateway, tag: str, outcome: str) -> None:
    assert claims_of(gateway.apply(Phone().consent(tags=(tag,)))) == [outcome]
    assert list(gateway.state.people.identities) == ["phone-0001"]


@pytest.mark.parametrize("name", ["e375cf00beef", "70b3d57ed0000001", "iBeacon:a-1-2", "known:e375cf00beef", "eddystone:0011223344556677"])
def test_ids_of_radios_are_known_by_their_form(name: str) -> None:
    assert names_radio(name)


@pytest.mark.parametrize("name", ["phone-0001", "ben", "E375CF00BEEF", "e375cf00bee", "ben/phone", ""])
def test_names_of_devices_are_not(name: str) -> None:
    assert not names_radio(name)


# --- a code that was issued with the tag -----------------------------------------------------------------------


def test_the_code_is_a_keyed_hash_of_the_tag() -> None:
    digest = hashlib.blake2b(TAG.encode(), digest_size=10, key=CLAIM_SECRET, person=b"wayside-tag").digest()
    assert claim_code(CLAIM_SECRET, TAG) == base64.b32encode(digest).decode() == code_of_simulator(TAG, CLAIM_SECRET.decode())
    assert len(claim_code(CLAIM_SECRET, TAG)) == 16


@pytest.mark.parametrize("spell", [str, str.lower, lambda code: f" {code} "])
def test_a_code_links_its_tag(gateway: Gateway, spell: Any) -> None:
    phone = Phone()
    changes = gateway.apply(phone.consent(tags=(TAG,), codes={TAG: spell(claim_code(CLAIM_SECRET, TAG))}))
    assert claims_of(changes) == ["linked"]
    assert gateway.state.people.identities[TAG] == gateway.state.people.identities[phone.device]


@pytest.mark.parametrize("code", ["", "A" * 16, claim_code(CLAIM_SECRET, "e375cf00bee0"), claim_code(b"another secret..", TAG), "é" * 16])
def test_another_code_does_not(gateway: Gateway, code: str) -> None:
    assert claims_of(gateway.apply(Phone().consent(tags=(TAG,), codes={TAG: code}))) == ["unproven"]


def test_a_linked_tag_needs_no_second_proof(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent(tags=(TAG,)))
    gateway.restart()
    assert claims_of(gateway.apply(phone.consent(tags=(TAG,), codes={}))) == ["linked"]


def test_guessing_is_bounded_for_each_device(gateway: Gateway) -> None:
    mallory, neighbour = Phone(), Phone("phone-0002")
    for number in range(limits.CLAIMS_REFUSED_MAX):
        gateway.apply(mallory.consent(tags=(TAG,), codes={TAG: f"{number:016}"}))
    assert claims_of(gateway.apply(mallory.consent(tags=(TAG,)))) == ["too_many"], "even with the right code"
    assert claims_of(gateway.apply(neighbour.consent(tags=(TAG,))), neighbour.device) == ["linked"]
    gateway.clock.advance(limits.CLAIMS_WINDOW_MS)
    assert claims_of(gateway.apply(mallory.consent(tags=("e375cf00cafe",)))) == ["linked"]


# --- contested -------------------------------------------------------------------------------------------------


def test_a_strangers_claim_takes_nothing_and_both_are_told(gateway: Gateway) -> None:
    owner, stranger = Phone(), Phone("phone-0002")
    gateway.apply(owner.consent(tags=(TAG,)))
    before = gateway.state.people.identities[TAG]
    changes = gateway.apply(stranger.consent(tags=(TAG,), codes={}))
    assert claims_of(changes, stranger.device) == ["unproven"], "and does not learn that the tag has an owner"
    assert told(changes) == [(owner.device, "contested")]
    with_code = gateway.apply(stranger.consent(tags=(TAG,)))
    assert claims_of(with_code, stranger.device) == ["contested"]
    assert told(with_code) == [], "one notice an hour"
    assert gateway.state.people.identities[TAG] == before


def test_a_key_of_another_person_is_contested(gateway: Gateway) -> None:
    owner, stranger = Phone(), Phone("phone-0002")
    gateway.apply(owner.consent(tags=(), irks=(KEY,)))
    changes = gateway.apply(stranger.consent(tags=(), irks=(KEY,)))
    assert told(changes) == [(owner.device, "contested")]
    assert changes.totals["keys_refused"] == 1


# --- a presentation at a counter -------------------------------------------------------------------------------


def test_a_tag_at_the_counter_is_linked_by_two_claims_within_seconds(gateway: Gateway) -> None:
    phone = Phone()
    hold(gateway)
    assert claims_of(gateway.apply(phone.consent(tags=(TAG,), codes={}))) == ["waiting"]
    gateway.clock.advance(limits.CLAIM_CONFIRM_MS)
    assert claims_of(gateway.apply(phone.consent(tags=(TAG,), codes={}))) == ["linked"]


@pytest.mark.parametrize(
    ("scanner", "rssi_dbm", "later_ms"),
    [("scan-bar", HELD_DBM, 0), (COUNTER, -60.0, 0), (COUNTER, HELD_DBM, limits.PRESENTED_MS + 1)],
    ids=["another scanner", "an arm's length", "too late"],
)
def test_a_tag_that_merely_passes_is_not_presented(gateway: Gateway, scanner: str, rssi_dbm: float, later_ms: int) -> None:
    gateway.apply(Sighting(scanner, TAG, rssi_dbm))
    gateway.clock.advance(later_ms)
    assert claims_of(gateway.apply(Phone().consent(tags=(TAG,), codes={}))) == ["unproven"]


def test_a_rival_at_the_counter_stops_both(gateway: Gateway) -> None:
    phone, mallory = Phone(), Phone("phone-0002")
    hold(gateway)
    gateway.apply(mallory.consent(tags=(TAG,), codes={}))
    gateway.clock.advance(limits.CLAIM_CONFIRM_MS)
    changes = gateway.apply(phone.consent(tags=(TAG,), codes={}))
    assert claims_of(changes) == ["contested"]
    assert told(changes) == [(mallory.device, "contested")]
    assert claims_of(gateway.apply(mallory.consent(tags=(TAG,), codes={})), mallory.device) == ["contested"]
    assert TAG not in gateway.state.people.identities


def test_presentations_are_few_and_only_in_memory(gateway: Gateway) -> None:
    for number in range(2 * limits.PRESENTED_TAGS_MAX):
        hold(gateway, f"{number:012x}")
    assert len(gateway.state.claims.presented) == limits.PRESENTED_TAGS_MAX
    assert f"{2 * limits.PRESENTED_TAGS_MAX - 1:012x}" not in gateway.dump()


# --- ephemeral ids ---------------------------------------------------------------------------------------------


def eid(key: str, now_s: int, exponent: int = 9) -> str:
    """Eddystone-EID, written down from its specification byte by byte."""

    def aes(under: bytes, block: bytes) -> bytes:
        return Cipher(algorithms.AES128(under), modes.ECB()).encryptor().update(block)  # noqa: S305 - the specification's mode

    time = now_s.to_bytes(4)
    temporary = aes(bytes.fromhex(key), bytes(11) + b"\xff" + b"\0\0" + time[:2])
    rounded = (now_s >> exponent << exponent).to_bytes(4)
    return "eddystone:" + aes(temporary, bytes(11) + bytes((exponent,)) + rounded)[:8].hex()


@pytest.mark.parametrize("now_s", [0x6A000000, 0x6A0001FF, 0x6A000200, 0x69FFFFFF])
def test_ids_are_those_of_the_specification(now_s: int) -> None:
    found = ephemeral.ids([KEY, OTHER_KEY], ephemeral.window(now_s * 1000), Aes())
    assert len(found) == 6
    for key in (KEY, OTHER_KEY):
        assert {found[eid(key, now_s + step)] for step in (-512, 0, 512)} == {key}
    assert eid(KEY, now_s + 1024) not in found


def test_a_phone_is_recognised_by_its_changing_id(gateway: Gateway) -> None:
    phone, other = Phone(), Phone("phone-0002")
    gateway.apply(phone.consent(tags=(), eid_keys=(KEY,)), other.consent(tags=(), eid_keys=(OTHER_KEY,)))
    seen = set()
    for _ in range(4):
        now = eid(KEY, gateway.clock.now_ms() // 1000)
        seen.add(now)
        assert gateway.apply(Sighting("scan-cafe", now, CLEAR_DBM)).discarded == {}
        gateway.clock.advance(512_000)
    assert len(seen) == 4
    assert {subject for subject, _ in gateway.state.visits.presences} == {gateway.state.people.identities[phone.device]}
    assert not any(one in gateway.dump() for one in seen), "the ids of the air are never stored"


def test_an_id_of_another_day_or_key_is_nobody(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent(tags=(), eid_keys=(KEY,)))
    now_s = gateway.clock.now_ms() // 1000
    strangers = [Sighting("scan-cafe", eid(KEY, now_s - 86_400), CLEAR_DBM), Sighting("scan-cafe", eid(OTHER_KEY, now_s), CLEAR_DBM)]
    assert gateway.apply(*strangers).discarded == {"not_consented": 2}


def test_a_withdrawn_key_recognises_nobody(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent(tags=(), eid_keys=(KEY,)))
    now = Sighting("scan-cafe", eid(KEY, gateway.clock.now_ms() // 1000), CLEAR_DBM)
    assert gateway.apply(now).discarded == {}
    gateway.apply(phone.withdrawal())
    assert gateway.apply(now).discarded == {"not_consented": 1}
    assert KEY not in gateway.dump()
    gateway.restart()
    assert gateway.apply(now).discarded == {"not_consented": 1}


def test_an_id_is_not_stated_but_heard(gateway: Gateway) -> None:
    """A device may not take a phone's present id as its own name."""
    phone = Phone()
    gateway.apply(phone.consent(tags=(), eid_keys=(KEY,)))
    thief = Phone(eid(KEY, gateway.clock.now_ms() // 1000))
    assert gateway.apply(thief.hears("beacon-cafe"), thief.at(0.0)).discarded == {"not_consented": 2}
    assert gateway.apply(thief.withdrawal()).discarded == {"other_speaker": 1}

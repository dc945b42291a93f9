"""A private address is resolved by its owner's key, and foreign addresses by none."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.adapters.aes import Aes
from gateway.core import addresses, limits
from gateway.core.addresses import NO_KEY, is_resolvable, resolve
from gateway.core.state import Changes
from gateway.core.types import Consent, Message, Observation, Sighting
from gateway.decoders.contract import DecodeError
from gateway.decoders.registry import load
from tests.core.resolving import address_of, seeded
from tests.kit.gateways import message
from tests.kit.testbed import CLEAR_DBM, NOON_MS, Gateway, Phone, make_site

# Bluetooth Core Specification, Vol 3 Part H, Appendix D.7: IRK, prand and their hash by `ah`.
KEY, PRAND, HASH = "ec0234a357c8ad05341010a60a397d9b", "708194", "0dfbaa"
OTHER_KEY = "00112233445566778899aabbccddeeff"


def keyed(phone: Phone, *keys: str) -> Consent:
    return phone.consent(tags=(), irks=keys)


def sighting(address: str, anchor: str = "scan-cafe") -> Sighting:
    return Sighting(anchor, address, CLEAR_DBM)


def enter_by(gateway: Gateway, address: str, anchor: str = "scan-cafe") -> Changes:
    """Be heard twice within a second, which is enough to be in."""
    gateway.apply(sighting(address, anchor))
    gateway.clock.advance(1000)
    return gateway.apply(sighting(address, anchor))


# --- the hash --------------------------------------------------------------------------------------------


def test_the_known_answer_of_the_specification() -> None:
    found = resolve([PRAND + HASH], [KEY], Aes(), NOON_MS)
    assert found == {PRAND + HASH: addresses.Resolved(KEY, NOON_MS + limits.ADDRESS_LIFE_MS_MAX)}
    assert address_of(KEY, bytes.fromhex(PRAND)) == PRAND + HASH


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_each_of_a_batch_finds_its_own_key(count: int) -> None:
    draws = seeded(count)
    keys = [draws.randbytes(16).hex() for _ in range(9)]
    owners = [draws.choice([*keys, draws.randbytes(16).hex()]) for _ in range(count)]
    asked = [address_of(key, draws.randbytes(3)) for key in owners]
    found = resolve(asked, keys, Aes(), 0)
    assert [found[address].key for address in asked] == [key if key in keys else None for key in owners]


@pytest.mark.parametrize(
    ("identifier", "resolvable"),
    [
        ("7081940dfbaa", True),
        ("4081940dfbaa", True),
        ("3f81940dfbaa", False),  # 00: random, non-resolvable
        ("0081940dfbaa", False),
        ("c081940dfbaa", False),  # 11: random, static
        ("8081940dfbaa", False),  # 10: reserved
        ("7081940dfba", False),
        ("7081940DFBAA", False),  # canonical ids are lower case
        ("7081940dfbag", False),
        ("phone-000001", False),
        ("iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1000-1", False),
    ],
)
def test_only_what_says_that_it_is_resolvable_is_tried(identifier: str, *, resolvable: bool) -> None:
    assert is_resolvable(identifier) is resolvable


def test_an_address_that_answers_to_two_keys_is_nobodys() -> None:
    class Same:
        def encrypted(self, keys: list[str], blocks: bytes) -> bytes:
            return bytes.fromhex("00" * 13 + HASH) * (len(blocks) // 16 * len(keys))

    assert resolve([PRAND + HASH], [KEY], Same(), 0)[PRAND + HASH].key == KEY  # type: ignore[arg-type]
    assert resolve([PRAND + HASH], [KEY, OTHER_KEY], Same(), 0)[PRAND + HASH].key is None  # type: ignore[arg-type]


def test_the_cipher_lets_go_of_keys_that_are_not_asked_for() -> None:
    cipher = Aes()
    both = cipher.encrypted([KEY, OTHER_KEY], bytes(32))
    assert both == cipher.encrypted([KEY], bytes(32)) + cipher.encrypted([OTHER_KEY], bytes(32))
    assert set(cipher._started) == {OTHER_KEY}
    cipher.encrypted([], b"")
    assert not cipher._started


# --- in the street ---------------------------------------------------------------------------------------


def test_who_gives_their_key_is_found_behind_changing_addresses(gateway: Gateway) -> None:
    """Three addresses in a row, one visit: the change of an address is no absence."""
    phone, draws = Phone(), seeded(1)
    gateway.apply(keyed(phone, KEY))
    (entered,) = enter_by(gateway, address_of(KEY, draws.randbytes(3))).visits.transitions
    for _ in range(3):
        address = address_of(KEY, draws.randbytes(3))
        for _ in range(20):
            gateway.clock.advance(10_000)
            assert gateway.apply(sighting(address)).discarded == {}
    gateway.pass_time(gateway.site.presence.exit_after_ms + 1)
    ((_, entered_ms, zone, left_ms, _, count, *_),) = gateway.rows("visits")
    assert (zone, entered_ms, left_ms - entered_ms, count) == ("cafe", entered.entered_ms, 600_000, 62)


def test_strangers_stay_strangers(gateway: Gateway) -> None:
    """Resolvable addresses under other keys, and every other kind of address with the very same hash."""
    draws = seeded(2)
    gateway.apply(keyed(Phone(), KEY))
    others = [address_of(draws.randbytes(16).hex(), draws.randbytes(3)) for _ in range(300)]
    mine = address_of(KEY, bytes.fromhex(PRAND))
    others += [f"{int(mine[0], 16) & 3 | top << 2:x}{mine[1:]}" for top in (0, 2, 3)]
    changes = gateway.apply(*(sighting(address) for address in others))
    assert changes.discarded == {"not_consented": 303}
    assert sum(resolved.key is not None for resolved in gateway.state.people.addresses.values()) == 0
    assert len(gateway.state.people.addresses) == 300, "only what can be resolved was tried"


def test_a_stranger_is_tried_once_and_forgotten_when_their_address_has_changed(gateway: Gateway) -> None:
    asked: list[int] = []

    class Counting(Aes):
        def encrypted(self, keys: object, blocks: bytes) -> bytes:
            asked.append(len(blocks) // 16)
            return super().encrypted(keys, blocks)  # type: ignore[arg-type]

    gateway.apply(keyed(Phone(), KEY))
    gateway.state.people.cipher = Counting()
    stranger = sighting(address_of(OTHER_KEY, b"\1\2\3"))
    for _ in range(5):
        gateway.apply(stranger, stranger)
    assert asked == [1]
    gateway.clock.advance(limits.ADDRESS_LIFE_MS_MAX)
    gateway.apply(stranger)
    assert asked == [1, 1]


def test_a_key_given_now_knows_who_was_nobody_before(gateway: Gateway) -> None:
    phone, stranger = Phone(), Phone("phone-0002")
    gateway.apply(keyed(stranger, OTHER_KEY))
    mine = sighting(address_of(KEY, b"\1\2\3"))
    assert gateway.apply(mine).discarded == {"not_consented": 1}
    assert gateway.apply(keyed(phone, KEY), mine).discarded == {"not_consented": 1}, "addresses are looked up before the batch"
    assert gateway.apply(mine).discarded == {}


def test_a_copied_key_is_refused_to_the_second(gateway: Gateway) -> None:
    first, second = Phone(), Phone("phone-0002")
    gateway.apply(keyed(first, KEY))
    changes = gateway.apply(keyed(second, KEY, OTHER_KEY, NO_KEY))
    assert (changes.totals["facts"], changes.totals["keys_refused"]) == (1, 2)
    subjects = {gateway.state.people.identities[phone.device]: phone for phone in (first, second)}
    assert {key: subjects[owner].device for key, owner in gateway.state.people.keys.items()} == {
        KEY: first.device,
        OTHER_KEY: second.device,
    }
    gateway.apply(first.withdrawal())
    gateway.apply(keyed(second, KEY))
    assert gateway.state.people.keys == {KEY: gateway.state.people.identities[second.device]}, "what was given back may be given again"


def test_a_key_lives_as_long_as_the_yes(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(keyed(phone, KEY, OTHER_KEY))
    assert KEY in gateway.dump()
    gateway.restart()
    assert (transition := enter_by(gateway, address_of(KEY, b"\1\2\3")).visits.transitions)
    assert transition[0].zone == "cafe"
    gateway.apply(keyed(phone, OTHER_KEY))
    assert KEY not in gateway.dump(), "a renewed yes names the keys anew"
    assert OTHER_KEY in gateway.dump()
    assert gateway.apply(sighting(address_of(KEY, b"\1\2\3"))).discarded == {"not_consented": 1}
    gateway.apply(phone.withdrawal())
    assert OTHER_KEY not in gateway.dump()
    assert (gateway.state.people.keys, gateway.state.people.addresses) == ({}, {})
    assert isinstance(gateway.state.people.cipher, Aes)
    assert not gateway.state.people.cipher._started, "not even in the cipher"
    assert gateway.apply(sighting(address_of(OTHER_KEY, b"\1\2\3"))).discarded == {"not_consented": 1}


def test_a_key_needs_a_yes_to_presence(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent(("offers", "learning"), tags=(), irks=(KEY,)))
    assert KEY not in gateway.dump()
    assert gateway.state.people.keys == {}


def test_a_key_ends_with_a_yes_that_runs_out(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent(tags=(), irks=(KEY,), expires_at_ms=gateway.clock.now_ms() + 60_000))
    gateway.pass_time(3_600_000)
    assert KEY not in gateway.dump()
    assert gateway.state.people.keys == {}


def test_who_calls_itself_by_somebodys_address_is_not_them(gateway: Gateway) -> None:
    """A device's id is its login; its address can be received by any radio nearby."""
    phone = Phone()
    gateway.apply(keyed(phone, KEY))
    address = address_of(KEY, b"\1\2\3")
    enter_by(gateway, address)
    thief = Phone(address)
    says: list[Observation] = [Sighting(address, "beacon-cafe", CLEAR_DBM), thief.at(0.0)]
    assert gateway.apply(*says).discarded == {"not_consented": 2}
    assert gateway.apply(thief.withdrawal()).discarded == {"other_speaker": 1}
    gateway.apply(msgspec.structs.replace(Phone("phone-0002").consent(), tags=(address,)))
    assert gateway.state.people.identities.get(address) is None, "nor can it be claimed as a tag while it is theirs"
    assert gateway.state.people.identities[phone.device] in gateway.state.people.keys.values()


def test_there_is_room_for_so_many_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEYS_MAX", 3)
    gateway = Gateway(tmp_path, site=make_site(), synced=False)
    draws = seeded(3)
    consents = [keyed(Phone(f"phone-{number:04}"), draws.randbytes(16).hex(), draws.randbytes(16).hex()) for number in range(3)]
    changes = gateway.apply(*consents)
    assert len(gateway.state.people.keys) == len(gateway.rows("keys")) == 3
    assert changes.totals["keys_refused"] == 3
    gateway.apply(msgspec.structs.replace(consents[0], envelope=Phone("phone-0000", boot="b2").envelope()))
    assert len(gateway.state.people.keys) == 3, "a renewed yes needs no second room"
    gateway.close()


def test_a_flood_of_new_addresses_is_tried_a_part_at_a_time(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADDRESSES_TRIED_MAX", 10)
    gateway.apply(keyed(Phone(), KEY))
    draws = seeded(4)
    crowd = [sighting(address_of(OTHER_KEY, draws.randbytes(3))) for _ in range(25)]
    mine = sighting(address_of(KEY, b"\1\2\3"))
    for expected in (26, 26, 25):
        assert gateway.apply(*crowd, mine).discarded == {"not_consented": expected}
    assert len(gateway.state.people.addresses) == 26


def consent_message(**fields: object) -> Message:
    return message("phone-0001", "consent", 1, purposes=["presence"], version=1, **fields)


def test_a_key_comes_with_the_word() -> None:
    (consent,) = load("wayside_v1").decode(consent_message(irks=[KEY.upper(), KEY]))
    assert isinstance(consent, Consent)
    assert consent.irks == (KEY,)
    assert load("wayside_v1").decode(consent_message()) == [msgspec.structs.replace(consent, irks=())]


@pytest.mark.parametrize("irks", [["00"], [KEY + "00"], [KEY[:-1] + "x"], [7], KEY, [KEY] * (limits.KEYS_PER_SUBJECT_MAX + 1)])
def test_what_is_no_key_is_refused_and_not_repeated(irks: object) -> None:
    with pytest.raises(DecodeError) as refused:
        load("wayside_v1").decode(consent_message(irks=irks))
    assert KEY[:8] not in refused.value.detail, "a dead letter must not hold it"

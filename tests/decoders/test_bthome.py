"""BTHome: readings, encrypted data, and plain data that must be ignored."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.quantities import in_range
from gateway.core.types import Message, Reading
from gateway.decoders.bluetooth import bthome
from gateway.decoders.bluetooth.keys import parse_keys
from gateway.decoders.contract import NO_KEYS
from gateway.decoders.registry import load
from gateway.decoders.values.measurements import Measurement, Parsed

MAC = "5448e68f80a5"
KEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")
KEYS = {MAC: KEY}
OPEN_V2 = bytes.fromhex("02ca0903bf13")
CLIMATE = (Measurement("temperature", 25.06), Measurement("humidity", 50.55))


def _sealed(information: int, plain: bytes, counter: bytes = b"\x00\x11\x22\x33") -> bytes:
    head = bytes((information,))
    return head + _seal(plain, b"\xd2\xfc" + head, None, counter)


def _seal(plain: bytes, words: bytes, associated: bytes | None, counter: bytes) -> bytes:
    out = AESCCM(KEY, tag_length=4).encrypt(bytes.fromhex(MAC) + words + counter, plain, associated)
    return out[:-4] + counter + out[-4:]


def test_version_2_in_plain_text() -> None:
    assert bthome.decode_service(bthome.V2, b"\x40" + OPEN_V2, MAC, NO_KEYS) == Parsed(CLIMATE)


def test_the_worked_example_of_its_page() -> None:
    sealed = bytes.fromhex("41a47266c95f730011223378237214")
    assert bthome.decode_service(bthome.V2, sealed, MAC, KEYS) == Parsed(CLIMATE)


def test_sealed_version_2_needs_key_and_address() -> None:
    sealed = _sealed(0x41, OPEN_V2)
    assert bthome.decode_service(bthome.V2, sealed, MAC, KEYS) == Parsed(CLIMATE)
    assert bthome.decode_service(bthome.V2, sealed, MAC, NO_KEYS) == Parsed()
    assert bthome.decode_service(bthome.V2, sealed, None, KEYS) == Parsed()
    assert bthome.decode_service(bthome.V2, sealed, "000000000001", {"000000000001": KEY}) == Parsed()


def test_a_bent_bit_opens_nothing() -> None:
    sealed = _sealed(0x41, OPEN_V2)
    for place in range(1, len(sealed)):
        bent = sealed[:place] + bytes((sealed[place] ^ 1,)) + sealed[place + 1 :]
        assert bthome.decode_service(bthome.V2, bent, MAC, KEYS) == Parsed()


def test_who_has_a_key_is_not_believed_in_plain_text() -> None:
    assert bthome.decode_service(bthome.V2, b"\x40" + OPEN_V2, MAC, KEYS) == Parsed()
    assert bthome.decode_service(bthome.V1_PLAIN, bytes.fromhex("2302ca090303bf13"), MAC, KEYS) == Parsed()


def test_an_address_within_is_taken() -> None:
    content = b"\x42" + bytes.fromhex(MAC)[::-1] + OPEN_V2
    assert bthome.decode_service(bthome.V2, content, None, NO_KEYS) == Parsed(CLIMATE, MAC)


def test_version_1_plain_and_sealed() -> None:
    plain = bytes.fromhex("2302ca090303bf13")
    assert bthome.decode_service(bthome.V1_PLAIN, plain, MAC, NO_KEYS) == Parsed(CLIMATE)
    sealed = _seal(plain, b"\x1e\x18", b"\x11", b"\x01\x00\x00\x00")
    assert bthome.decode_service(bthome.V1_ENCRYPTED, sealed, MAC, KEYS) == Parsed(CLIMATE)
    assert bthome.decode_service(bthome.V1_ENCRYPTED, sealed, MAC, NO_KEYS) == Parsed()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("4002ca0902cf09", [("temperature", 25.06, 1), ("temperature", 25.11, 2)]),
        ("403a003a013a03", [("button", 0.0, 1), ("button", 1.0, 2), ("button", 3.0, 3)]),
        ("403c0103", [("dimmer_steps", -3.0, 1)]),
        ("403c0205", [("dimmer_steps", 5.0, 1)]),
        ("403c0000", [("dimmer_steps", 0.0, 1)]),
        ("402d01", [("contact", 0.0, 1)]),
        ("401100", [("contact", 1.0, 1)]),
        ("4058ea", [("temperature", -7.7, 1)]),
        ("40530548656c6c6f0164", [("battery", 100.0, 1)]),  # a text is skipped
        ("4054ff", []),  # a text that is cut off
        ("40016499aabb02ca09", [("battery", 100.0, 1)]),  # an unknown id ends the list
        ("400164020a", [("battery", 100.0, 1)]),  # a value that is cut off
        ("4001ff", []),  # 255 %
        ("40", []),
    ],
)
def test_objects(content: str, expected: list[tuple[str, float, int]]) -> None:
    parsed = bthome.decode_service(bthome.V2, bytes.fromhex(content), MAC, NO_KEYS)
    assert parsed == Parsed(tuple(Measurement(*row) for row in expected))


@pytest.mark.parametrize("content", ["", "20", "e102ca09", "4201"])
def test_what_is_not_version_2(content: str) -> None:
    assert bthome.decode_service(bthome.V2, bytes.fromhex(content), MAC, NO_KEYS) is None


@given(st.sampled_from([bthome.V1_PLAIN, bthome.V1_ENCRYPTED, bthome.V2]), st.binary(max_size=40))
def test_any_bytes_measure_what_is_possible(uuid: str, content: bytes) -> None:
    for keys in (NO_KEYS, KEYS):
        parsed = bthome.decode_service(uuid, content, MAC, keys)
        assert parsed is None or all(in_range(one.quantity, one.value) for one in parsed.readings)


def test_keys_reach_a_gateways_decoder() -> None:
    sealed = _sealed(0x41, OPEN_V2)
    advertisement = bytes((len(sealed) + 3, 0x16, 0xD2, 0xFC)) + sealed
    payload = f'{{"rssi": -50, "adData": "{advertisement.hex()}", "bdaddrs": [{{"bdaddr": "{MAC}"}}]}}'.encode()
    decoder = load("cassia_scan")
    message = Message("", payload, 0)
    assert len(decoder.decode(message)) == 1
    keyed = decoder.keyed(parse_keys({"54:48:E6:8F:80:A5": KEY.hex()}))
    assert [(one.quantity, one.value) for one in keyed.decode(message) if isinstance(one, Reading)] == [
        ("temperature", 25.06),
        ("humidity", 50.55),
    ]


def test_a_format_that_encrypts_nothing_takes_no_keys() -> None:
    with pytest.raises(ValueError, match="owntracks messages are never encrypted"):
        load("owntracks").keyed(KEYS)


@pytest.mark.parametrize(("address", "digits"), [("here", "00" * 16), (MAC, "00" * 15), (MAC, "secret"), (MAC, None)])
def test_keys_that_are_none_are_told_without_being_quoted(address: str, digits: str | None) -> None:
    with pytest.raises(ValueError, match=address) as fault:
        parse_keys({address: digits})
    assert digits is None or digits not in str(fault.value)

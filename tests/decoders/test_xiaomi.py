"""MiBeacon: objects of any product, encrypted ones with the sensor's key, and advertisements of which nothing is read."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.quantities import in_range
from gateway.decoders.bluetooth import other_brands, xiaomi
from gateway.decoders.bluetooth.frames import Frame
from gateway.decoders.contract import NO_KEYS, Keys
from gateway.decoders.values.measurements import Measurement, Parsed

MAC = "a4c138801507"
OTHER = "a4c138801508"
KEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")
KEYS: Keys = {MAC: KEY}
PRODUCT = bytes.fromhex("b555")
CLIMATE = bytes.fromhex("0d1004eb00e701")
READ = (Measurement("temperature", 23.5), Measurement("humidity", 48.7))
PLAIN, SEALED = 0x5050, 0x5858  # version 5 with address and object; and encrypted


def _frame(content: bytes, mac: str | None = MAC, uuid: str = "fe95") -> Frame:
    return Frame(mac, (), ((uuid, content),), (), "")


def _head(control: int) -> bytes:
    return control.to_bytes(2, "little") + PRODUCT + b"\x55" + bytes.fromhex(MAC)[::-1]


def _sealed(objects: bytes, counter: bytes = b"\x01\x02\x03") -> bytes:
    head = _head(SEALED)
    closed = AESCCM(KEY, tag_length=4).encrypt(bytes.fromhex(MAC)[::-1] + head[2:5] + counter, objects, b"\x11")
    return head + closed[:-4] + counter + closed[-4:]


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ("0d1004eb00e701", {"temperature": 23.5, "humidity": 48.7}),
        ("041002e2ff", {"temperature": -3.0}),
        ("0a10013b041002e200", {"battery": 59.0, "temperature": 22.6}),
        ("0148046666be41", {"temperature": 23.8}),
        ("05480400001842", {"illuminance": 38.0}),
        ("084a0400004c42", {"illuminance": 51.0, "occupancy": 1.0}),
        ("4e48011f", {"occupancy": 1.0}),
        ("4e480100", {"occupancy": 0.0}),
        ("1b10041e000000", {"occupancy": 0.0}),
        ("1810010119100102", {"light": 1.0, "contact": 0.0}),
        ("19100103", {}),  # reset of the sensor
        ("0148040000c07f", {}),  # not a number
    ],
)
def test_objects_of_an_unknown_product(objects: str, expected: dict[str, float]) -> None:
    for content, keys in ((_head(PLAIN) + bytes.fromhex(objects), NO_KEYS), (_sealed(bytes.fromhex(objects)), KEYS)):
        found = xiaomi.decode(_frame(content), keys)
        assert found is not None
        assert {one.quantity: one.value for one in found.readings} == pytest.approx(expected, rel=1e-6)


def test_address_and_service_may_be_left_out_by_the_receiver() -> None:
    assert xiaomi.decode(_frame(_head(PLAIN) + CLIMATE, mac=None, uuid=""), NO_KEYS) == Parsed(READ, MAC)
    assert xiaomi.decode(_frame(b"\x40\x50" + PRODUCT + b"\x01" + CLIMATE), NO_KEYS) == Parsed(READ, MAC)
    assert xiaomi.decode(_frame(b"\x60\x50" + PRODUCT + b"\x01\x20\x00" + CLIMATE), NO_KEYS) == Parsed(READ, MAC)


def test_a_sealed_advertisement_opens_with_its_key_only() -> None:
    sealed = _sealed(CLIMATE)
    assert xiaomi.decode(_frame(sealed), KEYS) == Parsed(READ, MAC)
    for keys in (NO_KEYS, {MAC: KEY[::-1]}, {MAC: KEY[:12]}, {OTHER: KEY}):
        assert xiaomi.decode(_frame(sealed), keys) is None
    for place in range(len(sealed)):
        bent = sealed[:place] + bytes((sealed[place] ^ 0x80,)) + sealed[place + 1 :]
        assert xiaomi.decode(_frame(bent), KEYS) in (None, Parsed())


def test_plain_objects_under_the_address_of_a_sensor_with_a_key_are_not_read() -> None:
    assert xiaomi.decode(_frame(_head(PLAIN) + CLIMATE), KEYS) == Parsed()


@pytest.mark.parametrize(
    "content",
    [
        _head(0x1050) + CLIMATE,  # version 1
        _head(0x50D0) + CLIMATE,  # of a mesh
        _head(0x5010) + CLIMATE,  # without an object
        b"\x40\x50\xff\xff\x01" + CLIMATE,  # no product
        _head(PLAIN) + bytes.fromhex("011003000000"),  # a button
        _head(PLAIN) + bytes.fromhex("0a0002750d"),  # the temperature of a body
        _head(PLAIN) + bytes.fromhex("041001e2"),  # a temperature of one byte
        _head(PLAIN) + CLIMATE[:-1],
        _head(PLAIN),
        b"\x50\x50",
    ],
)
def test_nothing_is_read(content: bytes) -> None:
    assert xiaomi.decode(_frame(content), NO_KEYS) is None


def test_the_address_must_be_the_one_that_was_heard() -> None:
    assert xiaomi.decode(_frame(_head(PLAIN) + CLIMATE, mac=OTHER), NO_KEYS) is None


@given(st.binary(max_size=31), st.sampled_from([None, MAC]))
def test_any_bytes_give_possible_readings_or_none(content: bytes, mac: str | None) -> None:
    found = xiaomi.decode(_frame(content, mac), KEYS)
    assert found is None or all(in_range(one.quantity, one.value) for one in found.readings)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("GV510825242", "01000101 03c730 64 00", {"battery": 100.0, "temperature": 24.7, "humidity": 60.0}),
        ("GV510825242", "01000101 83c730 64 00", {"battery": 100.0, "temperature": -24.7, "humidity": 60.0}),
        ("GV510825242", "01000101 03c730 e4 00", {"battery": 100.0}),
        ("GV5140303A", "01000101 033dee 023e 00", {"temperature": 21.2, "humidity": 46.2, "co2": 574.0}),
        ("GV5140303A", "01000101 031abc 0258 01", {}),
        ("GVH51275E3F", "0388ec0001010111", {"occupancy": 1.0}),
        ("GVH51275E3F", "0388ec0001010100", {"occupancy": 0.0}),
    ],
)
def test_newer_sensors_of_govee(name: str, data: str, expected: dict[str, float]) -> None:
    found = other_brands.decode(Frame(MAC, (bytes.fromhex(data),), (), (), name), NO_KEYS)
    assert found is not None
    assert {one.quantity: one.value for one in found.readings} == expected


def test_the_number_of_a_probe_of_govee_stays() -> None:
    second = other_brands.decode(Frame(MAC, (bytes.fromhex("01000101034928640082"),), (), (), "GV5112AC3D"), NO_KEYS)
    failed = other_brands.decode(Frame(MAC, (bytes.fromhex("01000101034928e40041"),), (), (), "GV5112AC3D"), NO_KEYS)
    unknown = other_brands.decode(Frame(MAC, (bytes.fromhex("01000101034928640099"),), (), (), "GV5112AC3D"), NO_KEYS)
    assert unknown == Parsed()
    assert second == Parsed((Measurement("battery", 100.0), Measurement("probe_temperature", 21.5, 2)))
    assert failed == Parsed((Measurement("battery", 100.0),))

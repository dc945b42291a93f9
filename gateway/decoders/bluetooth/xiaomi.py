"""Xiaomi's MiBeacon (service data of FE95, versions 2 to 5): a header, then objects of type, length, value.

The meaning of an object follows from its type, for any product, so the product id is not looked up. Objects whose meaning depends on the
product (buttons, locks), measurements of a body, and the encryption of versions 2 and 3 are left to other parsers. Encrypted objects
of versions 4 and 5 need the sensor's key (16 bytes, AES-CCM with a tag of 4 bytes). Source: Xiaomi, "MiBeacon BLE broadcast protocol";
the types from 0x4801 on are read as published messages of sensors show them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from gateway.decoders.bluetooth.frames import UNNAMED, Frame
from gateway.decoders.contract import Keys
from gateway.decoders.values.measurements import Parsed, Stated, possible_readings

_SERVICES = ("fe95", UNNAMED)
_HEAD_BYTES = 5  # frame control, product, counter of frames
_ENCRYPTED, _WITH_ADDRESS, _WITH_CAPABILITY, _WITH_OBJECT, _MESH = 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7
_WITH_IO = 0x20  # in the capability: one more byte
_VERSIONS = range(2, 6)
_VERSION_OF_CCM = 4
_NO_PRODUCTS = frozenset((0x0000, 0xFFFF))
_TAG_BYTES, _COUNTER_BYTES = 4, 3
_KEY_BYTES = 16
_ASSOCIATED = b"\x11"

Read = Callable[[bytes], Stated]


class _Object(NamedTuple):
    """The length of a value, and how it is read."""

    size: int
    read: Read


def _integer(size: int, quantity: str, per: float = 1.0, *, signed: bool = False) -> _Object:
    return _Object(size, lambda value: ((quantity, int.from_bytes(value, "little", signed=signed) / per),))


def _float(*quantities: str) -> _Object:
    """One float; further quantities are flags that the object itself states."""
    return _Object(4, lambda value: ((quantities[0], struct.unpack("<f", value)[0]), *((flag, 1.0) for flag in quantities[1:])))


def _flag(quantity: str, meanings: dict[int, float] | None = None) -> _Object:
    """A byte as 0 or 1; with `meanings` other bytes state nothing."""
    return _Object(1, lambda value: ((quantity, float(value[0] != 0) if meanings is None else meanings.get(value[0])),))


def _idle(size: int) -> _Object:
    """Seconds without motion: 0 is motion."""
    return _Object(size, lambda value: (("occupancy", float(not any(value))),))


def _climate(value: bytes) -> Stated:
    celsius, percent = struct.unpack("<hH", value)
    return (("temperature", celsius / 10), ("humidity", percent / 10))


_OPENING = {0: 0.0, 1: 1.0, 2: 0.0}  # open, closed, left open
_OPENED = {1: 0.0, 2: 1.0}
_OBJECTS: dict[int, _Object] = {
    0x1004: _integer(2, "temperature", 10, signed=True),
    0x1006: _integer(2, "humidity", 10),
    0x1007: _integer(3, "illuminance"),
    0x1008: _integer(1, "soil_moisture"),
    0x1009: _integer(2, "conductivity"),
    0x100A: _integer(1, "battery"),
    0x100D: _Object(4, _climate),
    0x1010: _integer(2, "formaldehyde", 100),
    0x1012: _flag("switch"),
    0x1014: _flag("leak"),
    0x1015: _flag("smoke_alarm"),
    0x1017: _idle(4),
    0x1018: _flag("light"),
    0x1019: _flag("contact", _OPENING),
    0x101B: _idle(4),
    0x4801: _float("temperature"),
    0x4802: _integer(1, "humidity"),
    0x4803: _integer(1, "battery"),
    0x4804: _flag("contact", _OPENED),
    0x4805: _float("illuminance"),
    0x4818: _idle(2),
    0x484E: _flag("occupancy"),
    0x4A01: _flag("battery_low"),
    0x4A08: _float("illuminance", "occupancy"),
    0x4A12: _flag("contact", _OPENED),
    0x4C01: _float("temperature"),
    0x4C02: _integer(1, "humidity"),
    0x4C03: _integer(1, "battery"),
    0x4C08: _float("humidity"),
}


def decode(frame: Frame, keys: Keys) -> Parsed | None:
    """The readings of a MiBeacon sensor; `None` where `frame` has none, its key is unknown or wrong, or an object is of another type."""
    for uuid, content in frame.services:
        if uuid in _SERVICES and len(content) > _HEAD_BYTES:
            found = _decode(content, frame.mac, keys)
            if found is not None:
                return found
    return None


def _decode(content: bytes, heard: str | None, keys: Keys) -> Parsed | None:
    control, product = int.from_bytes(content[:2], "little"), int.from_bytes(content[2:4], "little")
    if control >> 12 not in _VERSIONS or control & _MESH or not control & _WITH_OBJECT or product in _NO_PRODUCTS:
        return None
    at, stated = _HEAD_BYTES, None
    if control & _WITH_ADDRESS:
        stated, at = content[at : at + 6][::-1].hex(), at + 6
    if control & _WITH_CAPABILITY:
        at += 2 if content[at : at + 1] and content[at] & _WITH_IO else 1
    mac = heard or stated
    if mac is None or (heard and stated and heard != stated):
        return None
    if not control & _ENCRYPTED and mac in keys:
        return Parsed()  # a sensor with a key encrypts: plain objects under its address are of another sender
    objects = _plain(content, at, mac, keys) if control & _ENCRYPTED else content[at:]
    readings = None if objects is None else _stated(objects)
    return None if readings is None else Parsed(possible_readings(readings), mac)


def _plain(content: bytes, at: int, mac: str, keys: Keys) -> bytes | None:
    """The decrypted objects of an advertisement of version 4 or 5."""
    key, end = keys.get(mac), len(content) - _COUNTER_BYTES - _TAG_BYTES
    if content[1] >> 4 < _VERSION_OF_CCM or key is None or len(key) != _KEY_BYTES or end <= at:
        return None
    nonce = bytes.fromhex(mac)[::-1] + content[2:5] + content[end : end + _COUNTER_BYTES]
    try:
        return AESCCM(key, tag_length=_TAG_BYTES).decrypt(nonce, content[at:end] + content[-_TAG_BYTES:], _ASSOCIATED)
    except InvalidTag:
        return None


def _stated(content: bytes) -> list[tuple[str, float | None]] | None:
    """The values of all objects; `None` where there is none, or one that is not known."""
    values: list[tuple[str, float | None]] = []
    at = 0
    while at + 3 <= len(content):
        known, size = _OBJECTS.get(int.from_bytes(content[at : at + 2], "little")), content[at + 2]
        value = content[at + 3 : at + 3 + size]
        if known is None or len(value) != known.size:
            return None
        values += known.read(value)
        at += 3 + size
    return values or None

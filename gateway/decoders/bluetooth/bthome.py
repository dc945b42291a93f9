"""BTHome, the open format of Bluetooth sensors and buttons (https://bthome.io/format).

Version 2 is service data of FCD2: a byte of device information, then objects, each an id and a value whose length
follows from the id, so parsing ends at the first unknown id. Version 1 (181C, encrypted 181E) states the length of each
object. Several objects of one id on one device are its first, second, … of that kind. Encrypted data needs the device's
key and address. A device that has a key is expected to encrypt: its plain data is ignored, because any radio could send
it. Replays are not detected, since a decoder keeps no state.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from gateway.decoders.bluetooth.frames import Frame
from gateway.decoders.contract import Keys
from gateway.decoders.values.measurements import Parsed, possible_readings

V2, V1_PLAIN, V1_ENCRYPTED = "fcd2", "181c", "181e"
_ENCRYPTED, _WITH_MAC, _VERSION_BITS, _VERSION_2 = 0x01, 0x02, 0xE0, 0x40
_COUNTER_BYTES = _MIC_BYTES = 4
_TEXT, _RAW = 0x53, 0x54  # of variable length, stated in the first byte
_BUTTON, _DIMMER, _IDLE = 0x3A, 0x3C, 0
_LEFT = 1


class _Row(NamedTuple):
    """One kind of object: the value is the integer times `times`, divided by `per`; without a quantity it is skipped."""

    size: int
    quantity: str = ""
    per: float = 1
    times: float = 1
    signed: bool = False


def _signed(size: int, quantity: str, per: float = 1, times: float = 1) -> _Row:
    return _Row(size, quantity, per, times, signed=True)


_POUND_KG = 0.45359237
_OBJECTS: dict[int, _Row] = {
    0x00: _Row(1),  # packet id
    0x01: _Row(1, "battery"),
    0x02: _signed(2, "temperature", 100),
    0x03: _Row(2, "humidity", 100),
    0x04: _Row(3, "pressure", 100),
    0x05: _Row(3, "illuminance", 100),
    0x06: _Row(2, "mass", 100),
    0x07: _Row(2, "mass", 100, _POUND_KG),
    0x08: _signed(2, "dew_point", 100),
    0x09: _Row(1, "tally"),
    0x0A: _Row(3, "energy", 1_000),
    0x0B: _Row(3, "power", 100),
    0x0C: _Row(2, "voltage", 1_000),
    0x0D: _Row(2, "pm2_5"),
    0x0E: _Row(2, "pm10"),
    0x0F: _Row(1, "input"),
    0x10: _Row(1, "switch"),
    0x11: _Row(1, "contact", -1),
    0x12: _Row(2, "co2"),
    0x13: _Row(2, "tvoc"),
    0x14: _Row(2, "soil_moisture", 100),
    0x15: _Row(1, "battery_low"),
    0x16: _Row(1, "charging"),
    0x17: _Row(1, "carbon_monoxide_alarm"),
    0x18: _Row(1, "cold"),
    0x19: _Row(1, "connected"),
    0x1A: _Row(1, "contact", -1),
    0x1B: _Row(1, "contact", -1),
    0x1C: _Row(1, "gas_alarm"),
    0x1D: _Row(1, "hot"),
    0x1E: _Row(1, "light"),
    0x1F: _Row(1, "unlocked"),
    0x20: _Row(1, "leak"),
    0x21: _Row(1, "occupancy"),
    0x22: _Row(1, "moving"),
    0x23: _Row(1, "occupancy"),
    0x24: _Row(1, "plugged"),
    0x25: _Row(1, "occupancy"),
    0x26: _Row(1, "problem"),
    0x27: _Row(1, "running"),
    0x28: _Row(1, "unsafe"),
    0x29: _Row(1, "smoke_alarm"),
    0x2A: _Row(1, "sound"),
    0x2B: _Row(1, "tamper"),
    0x2C: _Row(1, "vibration"),
    0x2D: _Row(1, "contact", -1),
    0x2E: _Row(1, "humidity"),
    0x2F: _Row(1, "soil_moisture"),
    _BUTTON: _Row(1, "button"),
    _DIMMER: _Row(2, "dimmer_steps"),
    0x3D: _Row(2, "tally"),
    0x3E: _Row(4, "tally"),
    0x3F: _signed(2, "rotation", 10),
    0x40: _Row(2, "distance", 1_000),
    0x41: _Row(2, "distance", 10),
    0x42: _Row(3, "duration", 1_000),
    0x43: _Row(2, "current", 1_000),
    0x44: _Row(2, "speed", 100),
    0x45: _signed(2, "temperature", 10),
    0x46: _Row(1, "uv_index", 10),
    0x47: _Row(2, "volume", 10),
    0x48: _Row(2, "volume", 1_000),
    0x49: _Row(2, "volume_flow", 1_000),
    0x4A: _Row(2, "voltage", 10),
    0x4B: _Row(3, "gas_volume", 1_000),
    0x4C: _Row(4, "gas_volume", 1_000),
    0x4D: _Row(4, "energy", 1_000),
    0x4E: _Row(4, "volume", 1_000),
    0x4F: _Row(4, "volume", 1_000),  # water
    0x50: _Row(4),  # a time stamp; not kept
    0x51: _Row(2, "acceleration", 1_000),
    0x52: _Row(2, "angular_velocity", 1_000),
    0x55: _Row(4, "volume", 1_000),
    0x56: _Row(2, "conductivity"),
    0x57: _signed(1, "temperature"),
    0x58: _signed(1, "temperature", 100, 35),
    0x59: _signed(1, "tally"),
    0x5A: _signed(2, "tally"),
    0x5B: _signed(4, "tally"),
    0x5C: _signed(4, "power", 100),
    0x5D: _signed(2, "current", 1_000),
    0x5E: _Row(2, "direction", 100),
    0x5F: _Row(2),  # an amount of rain, not a rate
    0x60: _Row(1),  # channel of a remote control
    0x61: _Row(2, "rotational_speed"),
    0x62: _signed(4, "speed", 1_000_000),
    0x63: _signed(4, "acceleration", 1_000_000),
    0x64: _Row(1),  # light level in the maker's own steps
    0x65: _Row(1),  # settings revision
    0xF0: _Row(2),  # device type
    0xF1: _Row(4),  # firmware version
    0xF2: _Row(3),
}
_FLOATS = {2: "<e", 4: "<f", 8: "<d"}
_UNSIGNED, _SIGNED, _FLOAT = 0, 1, 2


def decode(frame: Frame, keys: Keys) -> Parsed | None:
    """The readings of a BTHome device (none where it is encrypted without a known key), or `None` where `frame` has no BTHome."""
    for uuid, content in frame.services:
        parsed = decode_service(uuid, content, frame.mac, keys)
        if parsed is not None:
            return parsed
    return None


def decode_service(uuid: str, content: bytes, mac: str | None, keys: Keys) -> Parsed | None:
    """The readings in the data of service `uuid`, or `None` where that is not BTHome or of an unknown version."""
    if uuid == V2 and content and content[0] & _VERSION_BITS == _VERSION_2:
        return _version_2(content, mac, keys)
    if uuid == V1_PLAIN:
        return Parsed(() if mac in keys else possible_readings(_objects_v1(content)))
    if uuid == V1_ENCRYPTED:
        opened = _open(content, mac, b"\x1e\x18", b"\x11", keys)
        return Parsed(() if opened is None else possible_readings(_objects_v1(opened)))
    return None


def _version_2(content: bytes, mac: str | None, keys: Keys) -> Parsed | None:
    information, rest, stated = content[0], content[1:], None
    if information & _WITH_MAC:
        if len(rest) < 6:
            return None
        stated, rest = rest[:6][::-1].hex(), rest[6:]
    device = stated or mac
    if information & _ENCRYPTED:
        opened = _open(rest, device, b"\xd2\xfc" + content[:1], None, keys)
        return Parsed(() if opened is None else possible_readings(_objects_v2(opened)), stated)
    return Parsed(() if device in keys else possible_readings(_objects_v2(rest)), stated)


def _open(content: bytes, mac: str | None, marks: bytes, associated: bytes | None, keys: Keys) -> bytes | None:
    """The plain data, or `None` without the key or for a wrong tag.

    AES-CCM: ciphertext, counter, tag; the nonce is address, `marks`, counter.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - takes milliseconds, which only encrypted sensors need
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM  # noqa: PLC0415

    key = None if mac is None else keys.get(mac)
    if key is None or mac is None or len(key) != 16 or len(content) <= _COUNTER_BYTES + _MIC_BYTES:
        return None
    sealed, counter, tag = content[:-8], content[-8:-4], content[-4:]
    try:
        return AESCCM(key, tag_length=_MIC_BYTES).decrypt(bytes.fromhex(mac) + marks + counter, sealed + tag, associated)
    except InvalidTag:
        return None


def _objects_v2(content: bytes) -> Iterator[tuple[str, float | None]]:
    at = 0
    while at < len(content):
        kind = content[at]
        if kind in (_TEXT, _RAW):
            at += 2 + (content[at + 1] if at + 1 < len(content) else 0)
            continue
        row = _OBJECTS.get(kind)
        value = content[at + 1 : at + 1 + row.size] if row else b""
        if row is None or len(value) < row.size:
            return
        at += 1 + row.size
        yield from _one(kind, row, int.from_bytes(value, "little", signed=row.signed), value)


def _objects_v1(content: bytes) -> Iterator[tuple[str, float | None]]:
    """A byte of format (3 bits) and length (5 bits, including the id), the id, the value."""
    at = 0
    while at + 1 < len(content):
        size, form = content[at] & 0x1F, content[at] >> 5
        value = content[at + 2 : at + 1 + size]
        row = _OBJECTS.get(content[at + 1])
        if size < 2 or len(value) < size - 1:
            return
        number = _number(form, value)
        if row is not None and number is not None:
            yield from _one(content[at + 1], row, number, value)
        at += 1 + size


def _number(form: int, value: bytes) -> float | None:
    if form == _FLOAT:
        layout = _FLOATS.get(len(value))
        return None if layout is None else float(struct.unpack(layout, value)[0])
    return int.from_bytes(value, "little", signed=form == _SIGNED) if form in (_UNSIGNED, _SIGNED) else None


def _one(kind: int, row: _Row, number: float, value: bytes) -> Iterator[tuple[str, float | None]]:
    """The value of one object; `per` -1 turns "open" into our "in contact"."""
    if kind == _DIMMER:
        number = (-1 if value[0] == _LEFT else 1) * value[-1] if value[0] != _IDLE else 0
    if row.per < 0:
        yield row.quantity, 1 - number
    elif row.quantity:
        yield row.quantity, number * row.times / row.per

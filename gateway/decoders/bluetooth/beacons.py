"""Bluetooth beacons: advertisements whose main content is an identity.

A beacon keeps its identity when its radio address changes, so the identity is the id in a sighting. Sources: Apple,
"Proximity Beacon Specification" (iBeacon); https://github.com/AltBeacon/spec; and
https://github.com/google/eddystone/blob/master/protocol-specification.md. An Eddystone EID changes every few minutes
and only its owner can resolve it; it is the id all the same, as the beacon has no other.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from gateway.decoders.bluetooth.frames import Frame
from gateway.decoders.values.measurements import Readings, possible_readings
from gateway.decoders.values.radio_ids import altbeacon_id, eddystone_id, ibeacon_id

_APPLE_IBEACON = bytes.fromhex("4c000215")  # company 0x004C, type 2, 21 bytes
_IBEACON_BYTES = 25
# A Tilt hydrometer (a495bb?0-c5b1-4b44-b512-1370f02d74de) sends its readings as major and minor, so it is not an identity.
_TILT_HEAD, _TILT_TAIL = "a495bb", "c5b14b44b5121370f02d74de"
_ALTBEACON = bytes.fromhex("beac")
_RADIUS_NETWORKS = bytes.fromhex("1801")  # authors of AltBeacon, with the same layout under other codes
_ALTBEACON_BYTES = 25  # company, code, 20 bytes of identity, power; the maker's reserved byte at the end may be missing
EDDYSTONE = "feaa"
_AT_1M_DB = 41  # Eddystone states the power at 0 m, by definition 41 dB above that at 1 m
_UID, _URL, _TLM, _EID = 0x00, 0x10, 0x20, 0x30
_SCHEMES = ("http://www.", "https://www.", "http://", "https://")
_ENDINGS = tuple(f".{domain}{slash}" for slash in ("/", "") for domain in ("com", "org", "edu", "net", "info", "biz", "gov"))
_TLM_FORMAT = struct.Struct(">HhII")  # voltage in mV, temperature in 1/256 °C, advertisements, tenths of a second
_SEALED_TLM_BYTES = 18
_NO_TEMPERATURE = -0x8000


class Beacon(NamedTuple):
    """`id` is canonical; `tx_power_dbm` is the received strength at one metre."""

    id: str
    tx_power_dbm: float | None = None


class Health(NamedTuple):
    """The telemetry (TLM) of an Eddystone beacon."""

    readings: Readings = ()
    uptime_s: int | None = None


def beacon_of(frame: Frame) -> Beacon | None:
    """The beacon in `frame`, an iBeacon or AltBeacon before an Eddystone, or `None`."""
    for content in frame.manufacturer:
        found = ibeacon(content) or altbeacon(content)
        if found is not None:
            return found
    if frame.services:
        return next((found for content in frame.of_service(EDDYSTONE) if (found := eddystone(content)) is not None), None)
    return None


def ibeacon(content: bytes) -> Beacon | None:
    """An iBeacon in manufacturer data, or `None`."""
    if not content.startswith(_APPLE_IBEACON) or len(content) < _IBEACON_BYTES:
        return None
    uuid = content[4:20].hex()
    if uuid.startswith(_TILT_HEAD) and uuid.endswith(_TILT_TAIL):
        return None
    canonical = ibeacon_id(uuid, _word(content, 20), _word(content, 22))
    return None if canonical is None else Beacon(canonical, _power(content[24]))


def altbeacon(content: bytes) -> Beacon | None:
    """An AltBeacon in manufacturer data of any company, or `None`."""
    known = content[2:4] == _ALTBEACON or content.startswith(_RADIUS_NETWORKS)
    if not known or len(content) < _ALTBEACON_BYTES:
        return None
    canonical = altbeacon_id(content[4:20].hex(), _word(content, 20), _word(content, 22))
    return None if canonical is None else Beacon(canonical, _power(content[24]))


def eddystone(content: bytes) -> Beacon | None:
    """An Eddystone UID, URL or EID in service data, or `None`."""
    if len(content) < 3 or content[0] not in (_UID, _URL, _EID):
        return None
    named = _NAMED[content[0]](content[2:])
    stated = _power(content[1])
    if named is None:
        return None
    return Beacon(eddystone_id(named), None if stated is None else stated - _AT_1M_DB)


def health(frame: Frame) -> Health | None:
    """Eddystone telemetry, or `None`; encrypted telemetry gives no values."""
    for content in frame.of_service(EDDYSTONE):
        if len(content) == _SEALED_TLM_BYTES and content[:2] == bytes((_TLM, 1)):
            return Health()
        if len(content) == 2 + _TLM_FORMAT.size and content[:2] == bytes((_TLM, 0)):
            millivolt, temperature, _, tenths = _TLM_FORMAT.unpack_from(content, 2)
            degrees = None if temperature == _NO_TEMPERATURE else temperature / 256
            return Health(possible_readings((("voltage", millivolt / 1_000 or None), ("temperature", degrees))), tenths // 10)
    return None


def _uid(content: bytes) -> str | None:
    return f"{content[:10].hex()}-{content[10:16].hex()}" if len(content) in (16, 18) else None


def _url(content: bytes) -> str | None:
    """The URL in full. A byte below 14 is the code of a domain ending; other bytes that are not printable make it invalid."""
    if content[0] >= len(_SCHEMES) or any(byte >= 0x7F or len(_ENDINGS) <= byte <= 0x20 for byte in content[1:]):
        return None
    return _SCHEMES[content[0]] + "".join(_ENDINGS[byte] if byte < len(_ENDINGS) else chr(byte) for byte in content[1:])


def _eid(content: bytes) -> str | None:
    return content.hex() if len(content) == 8 else None


_NAMED = {_UID: _uid, _URL: _url, _EID: _eid}


def _word(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 2], "big")


def _power(byte: int) -> float | None:
    """A signed byte in dBm, or `None` above 20 dBm, more than such a radio can send."""
    stated = byte - 256 if byte > 127 else byte
    return float(stated) if stated <= 20 else None

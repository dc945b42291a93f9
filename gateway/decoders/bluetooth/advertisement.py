"""What one Bluetooth LE advertisement says, wherever it was carried.

Scanners of several makes hand on what they hear, so it is understood here once: a beacon's identity, and what
a sensor measured. Open formats and the makers whose gateways we read are understood by the house itself; other
brands by the parsers of the entry points `wayside.advertisements`, ours for `bleparser` (the extra `ble`) and
whatever else somebody installs. An advertisement is a stranger's radio noise: what is not understood says
nothing, and never spoils the sighting that carried it.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.decoders.bluetooth import bthome, estimote, gatt, ingics, kkm, minew, other_brands, qingping, switchbot
from gateway.decoders.bluetooth.beacons import Beacon, Health, beacon_of, health
from gateway.decoders.bluetooth.frames import Frame, frame_of
from gateway.decoders.bluetooth.ruuvi import COMPANY as RUUVI
from gateway.decoders.bluetooth.ruuvi import decode_ruuvi
from gateway.decoders.contract import NO_KEYS, Keys
from gateway.decoders.plugins import Parse, parsers
from gateway.decoders.values.measurements import Parsed, Readings


class Advertisement(NamedTuple):
    """`beacon` is a canonical id; `readings` are in canonical units; `mac` is what the sensor says of itself.

    `understood` tells an advertisement of which nothing is kept (a packet number, something encrypted) from noise.
    """

    beacon: str | None = None
    tx_power_dbm: float | None = None
    readings: Readings = ()
    mac: str | None = None
    uptime_s: int | None = None
    understood: bool = False


NOTHING = Advertisement()


def from_hex(text: object, mac: str | None = None, keys: Keys = NO_KEYS) -> Advertisement | None:
    """The advertisement in hex digits; `None` when `text` is not that."""
    data = hex_bytes(text)
    return None if data is None else understand(frame_of(data, mac), keys)


def hex_bytes(text: object) -> bytes | None:
    """The bytes that hex digits stand for, or `None`."""
    if not isinstance(text, str):
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


def understand(frame: Frame, keys: Keys = NO_KEYS) -> Advertisement:
    """A beacon, measurements, both or nothing.

    What is a beacon and nothing more is looked at no further, and neither is what phones say to each other: crowds
    of them pass by.
    """
    if not frame.manufacturer and not frame.services:
        return NOTHING
    beacon = beacon_of(frame)
    if beacon is not None and len(frame.manufacturer) + len(frame.services) == 1:
        return Advertisement(beacon.id, beacon.tx_power_dbm, understood=True)
    if beacon is None and _is_chatter(frame):
        return NOTHING
    itself: Health | None = None
    parse = _OF_MAKERS
    if frame.services:
        beacon, itself = beacon or _estimote(frame), health(frame)
        parse = _OF_BOTH if frame.manufacturer else _OF_SERVICES
    parsed = _first(parse, frame, keys)
    if parsed is None and itself is None:
        parsed = _first(tuple(parser.parse for parser in parsers()), frame, keys)
    if beacon is None and itself is None:  # sensors are the rule, and their readings all that there is
        return NOTHING if parsed is None else Advertisement(None, None, parsed.readings, parsed.mac, understood=True)
    return _together(beacon, itself, parsed or Parsed())


def _estimote(frame: Frame) -> Beacon | None:
    named = estimote.identity(frame)
    return None if named is None else Beacon(named)


def _together(beacon: Beacon | None, itself: Health | None, parsed: Parsed) -> Advertisement:
    return Advertisement(
        None if beacon is None else beacon.id,
        None if beacon is None else beacon.tx_power_dbm,
        parsed.readings + (() if itself is None else itself.readings),
        parsed.mac,
        None if itself is None else itself.uptime_s,
        understood=True,
    )


def _first(parse: tuple[Parse, ...], frame: Frame, keys: Keys) -> Parsed | None:
    for one in parse:
        parsed = one(frame, keys)
        if parsed is not None:
            return parsed
    return None


def _ruuvi(frame: Frame, _keys: Keys) -> Parsed | None:
    for content in frame.of_company(RUUVI):
        ruuvi = decode_ruuvi(content)
        if ruuvi is not None:
            return Parsed(ruuvi.readings, ruuvi.mac)
    return None


def _exposure(frame: Frame, _keys: Keys) -> Parsed | None:
    """Exposure notifications change their identifier so that nobody can be followed: known, and nothing of them is kept."""
    return Parsed() if any(uuid == _EXPOSURE for uuid, _ in frame.services) else None


def _is_chatter(frame: Frame) -> bool:
    """Whether it is of phones, laptops and televisions alone, of which no maker sells sensors under the same number."""
    if frame.services or frame.name or frame.manufacturer[0][:2] not in _CHATTERING:
        return False
    return all(content[:2] in _CHATTERING and not content.startswith(_APPLE_BEACON) for content in frame.manufacturer)


_CHATTERING = frozenset(company.to_bytes(2, "little") for company in (0x004C, 0x0006, 0x0075, 0x00E0))  # Apple, Microsoft, Samsung, Google
_APPLE_BEACON = bytes.fromhex("4c0002")  # behind which some sensors hide, Tilt's for one
_EXPOSURE = "fd6f"
_OF_SERVICES: tuple[Parse, ...] = (
    bthome.decode,
    minew.decode,
    qingping.decode,
    switchbot.decode,
    kkm.decode,
    other_brands.decode,
    estimote.decode,
    gatt.decode,
    _exposure,
)
_OF_MAKERS: tuple[Parse, ...] = (_ruuvi, minew.decode, ingics.decode, switchbot.decode, other_brands.decode)
_OF_BOTH: tuple[Parse, ...] = (
    bthome.decode,
    _ruuvi,
    minew.decode,
    ingics.decode,
    qingping.decode,
    switchbot.decode,
    kkm.decode,
    other_brands.decode,
    estimote.decode,
    gatt.decode,
    _exposure,
)

"""One Bluetooth LE advertisement: the identity of a beacon and the readings of a sensor, whichever gateway received it.

Scanners of several makes forward advertisements; all of these formats use this parser. Open formats and the makers of
gateways with a decoder are parsed by this room; other brands by the parsers of the entry points
`wayside.advertisements` (`plugins.py`), of which ours is for `bleparser` (the extra `ble`). An advertisement of an
unknown format gives no readings and does not affect the sighting.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.decoders.bluetooth import bthome, estimote, gatt, ingics, kkm, minew, other_brands, qingping, switchbot, xiaomi
from gateway.decoders.bluetooth.beacons import Beacon, Health, beacon_of, health
from gateway.decoders.bluetooth.frames import Frame, frame_of
from gateway.decoders.bluetooth.ruuvi import COMPANY as RUUVI
from gateway.decoders.bluetooth.ruuvi import decode_ruuvi
from gateway.decoders.contract import NO_KEYS, Keys
from gateway.decoders.plugins import Parse, parsers
from gateway.decoders.values.measurements import Parsed, Readings


class Advertisement(NamedTuple):
    """`beacon` is a canonical id; `readings` are in canonical units; `mac` is the address in the sensor's own data.

    `is_known` marks an advertisement of a known format even where nothing of it is kept (packet numbers, encrypted
    data).
    """

    beacon: str | None = None
    tx_power_dbm: float | None = None
    readings: Readings = ()
    mac: str | None = None
    uptime_s: int | None = None
    is_known: bool = False


NOTHING = Advertisement()


def parse_hex(text: object, mac: str | None = None, keys: Keys = NO_KEYS) -> Advertisement | None:
    """The advertisement in hex digits, or `None` where `text` is not hex digits."""
    data = hex_bytes(text)
    return None if data is None else parse_advertisement(frame_of(data, mac), keys)


def hex_bytes(text: object) -> bytes | None:
    """The bytes in hex digits, or `None` where `text` is not hex digits."""
    if not isinstance(text, str):
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


def parse_advertisement(frame: Frame, keys: Keys = NO_KEYS) -> Advertisement:
    """The beacon and the readings in `frame`.

    A frame that is only a beacon, or only of phones, is not passed to the parsers of sensors: in a crowd these are most
    frames.
    """
    if not frame.manufacturer and not frame.services:
        return NOTHING
    beacon = beacon_of(frame)
    if beacon is not None and len(frame.manufacturer) + len(frame.services) == 1:
        return Advertisement(beacon.id, beacon.tx_power_dbm, is_known=True)
    if beacon is None and _is_of_phones(frame):
        return NOTHING
    beacon_health: Health | None = None
    parse = _OF_COMPANIES
    if frame.services:
        beacon, beacon_health = beacon or _estimote(frame), health(frame)
        parse = _OF_BOTH if frame.manufacturer else _OF_SERVICES
    parsed = _first(parse, frame, keys)
    if parsed is None and beacon_health is None:
        parsed = _first(tuple(parser.parse for parser in parsers()), frame, keys)
    if beacon is None and beacon_health is None:  # the usual case: a sensor
        return NOTHING if parsed is None else Advertisement(None, None, parsed.readings, parsed.mac, is_known=True)
    return _joined(beacon, beacon_health, parsed or Parsed())


def _estimote(frame: Frame) -> Beacon | None:
    named = estimote.identity(frame)
    return None if named is None else Beacon(named)


def _joined(beacon: Beacon | None, beacon_health: Health | None, parsed: Parsed) -> Advertisement:
    return Advertisement(
        None if beacon is None else beacon.id,
        None if beacon is None else beacon.tx_power_dbm,
        parsed.readings + (() if beacon_health is None else beacon_health.readings),
        parsed.mac,
        None if beacon_health is None else beacon_health.uptime_s,
        is_known=True,
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
    """An exposure notification changes its identifier to prevent tracking: known, and nothing is kept."""
    return Parsed() if any(uuid == _EXPOSURE for uuid, _ in frame.services) else None


def _is_of_phones(frame: Frame) -> bool:
    """Whether all of it is of phones, laptops and televisions, as no sensors are sold under these company ids."""
    if frame.services or frame.name or frame.manufacturer[0][:2] not in _PHONE_COMPANIES:
        return False
    return all(content[:2] in _PHONE_COMPANIES and not content.startswith(_APPLE_BEACON) for content in frame.manufacturer)


_PHONE_COMPANIES = frozenset(
    company.to_bytes(2, "little") for company in (0x004C, 0x0006, 0x0075, 0x00E0)
)  # Apple, Microsoft, Samsung, Google
_APPLE_BEACON = bytes.fromhex("4c0002")  # some sensors send readings as an iBeacon, such as Tilt
_EXPOSURE = "fd6f"
_OF_SERVICES: tuple[Parse, ...] = (
    bthome.decode,
    minew.decode,
    qingping.decode,
    switchbot.decode,
    xiaomi.decode,
    kkm.decode,
    other_brands.decode,
    estimote.decode,
    gatt.decode,
    _exposure,
)
_OF_COMPANIES: tuple[Parse, ...] = (_ruuvi, minew.decode, ingics.decode, switchbot.decode, other_brands.decode)
_OF_BOTH: tuple[Parse, ...] = (
    bthome.decode,
    _ruuvi,
    minew.decode,
    ingics.decode,
    qingping.decode,
    switchbot.decode,
    xiaomi.decode,
    kkm.decode,
    other_brands.decode,
    estimote.decode,
    gatt.decode,
    _exposure,
)

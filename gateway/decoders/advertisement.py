"""What one Bluetooth LE advertisement says, wherever it was carried.

Scanners of several makes hand on what they hear, so it is understood here once: a beacon's identity, and what
a sensor measured. Open formats and the makers whose gateways we read are understood by the house itself; other
brands by the parsers of the entry points `wayside.advertisements`, ours for `bleparser` (the extra `ble`) and
whatever else somebody installs. An advertisement is a stranger's radio noise: what is not understood says
nothing, and never spoils the sighting that carried it.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.decoders import bthome, estimote, gatt, ingics, kkm, makers, minew, qingping, switchbot
from gateway.decoders.beacons import Beacon, Health, beacons, health
from gateway.decoders.frames import Frame, frame_of
from gateway.decoders.keys import NO_KEYS, Keys
from gateway.decoders.measured import Parsed, Readings, kept
from gateway.decoders.plugins import Parse, parsers
from gateway.decoders.ruuvi_formats import COMPANY as RUUVI
from gateway.decoders.ruuvi_formats import decode_ruuvi


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

    What is a beacon and nothing more is looked at no further: crowds of them pass by.
    """
    beacon = next(beacons(frame), None)
    if beacon is not None and len(frame.manufacturer) + len(frame.services) == 1:
        return Advertisement(beacon.id, beacon.tx_power_dbm, understood=True)
    beacon = beacon or _estimote(frame)
    itself = health(frame)
    parsed = _first(_OWN, frame, keys)
    if parsed is None and itself is None:
        parsed = _first(tuple(parser.parse for parser in parsers()), frame, keys)
    if beacon is None and itself is None and parsed is None:
        return NOTHING
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
    return next((parsed for one in parse if (parsed := one(frame, keys)) is not None), None)


def _ruuvi(frame: Frame, _keys: Keys) -> Parsed | None:
    found = (decode_ruuvi(content) for content in frame.of_company(RUUVI))
    return next((Parsed(kept(ruuvi.readings), ruuvi.mac) for ruuvi in found if ruuvi is not None), None)


def _exposure(frame: Frame, _keys: Keys) -> Parsed | None:
    """Exposure notifications change their identifier so that nobody can be followed: known, and nothing of them is kept."""
    return Parsed() if any(uuid == _EXPOSURE for uuid, _ in frame.services) else None


_EXPOSURE = "fd6f"
_OWN: tuple[Parse, ...] = (
    bthome.decode,
    _ruuvi,
    minew.decode,
    ingics.decode,
    qingping.decode,
    switchbot.decode,
    kkm.decode,
    makers.decode,
    estimote.decode,
    gatt.decode,
    _exposure,
)

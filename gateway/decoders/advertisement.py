"""What one Bluetooth LE advertisement says, wherever it was carried.

Scanners of several makes hand on the raw bytes, so they are understood here once: the sequence of AD
structures (Bluetooth Core Supplement: length, type, content), an iBeacon's identity, and the measurements
of Ruuvi sensors. An advertisement is a stranger's radio noise: whatever is not understood says nothing,
and never spoils the sighting that carried it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.decoders.ids import ibeacon_id
from gateway.decoders.ruuvi_formats import COMPANY as RUUVI
from gateway.decoders.ruuvi_formats import Readings, decode_ruuvi

_MANUFACTURER = 0xFF
_APPLE_IBEACON = bytes.fromhex("4c000215")  # company 0x004C, type 2, 21 bytes
_IBEACON_BYTES = 25
# A Tilt hydrometer (a495bb?0-c5b1-4b44-b512-1370f02d74de) sends its measurements as major and minor: no identity.
_TILT_HEAD, _TILT_TAIL = "a495bb", "c5b14b44b5121370f02d74de"


class Advertisement(NamedTuple):
    """`ibeacon` is a canonical id; `readings` are in canonical units; `mac` is what the sensor says of itself."""

    ibeacon: str | None = None
    tx_power_dbm: float | None = None
    readings: Readings = ()
    mac: str | None = None


_NOTHING = Advertisement()


def from_hex(text: object) -> Advertisement | None:
    """The advertisement in hex digits; `None` when `text` is not that."""
    if not isinstance(text, str):
        return None
    try:
        return decode_advertisement(bytes.fromhex(text))
    except ValueError:
        return None


def decode_advertisement(data: bytes) -> Advertisement:
    """The first manufacturer data in `data` that is understood, or an empty advertisement."""
    for kind, content in structures(data):
        if kind == _MANUFACTURER:
            said = decode_manufacturer(content)
            if said is not _NOTHING:
                return said
    return _NOTHING


def structures(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The AD structures in order, up to padding (length 0) or to one that is cut off."""
    position = 0
    while position < len(data) and (size := data[position]):
        end = position + 1 + size
        if end > len(data):
            return
        yield data[position + 1], data[position + 2 : end]
        position = end


def decode_manufacturer(content: bytes) -> Advertisement:
    """Manufacturer data, company id first."""
    if content.startswith(_APPLE_IBEACON) and len(content) >= _IBEACON_BYTES:
        return _ibeacon(content)
    if len(content) > 1 and int.from_bytes(content[:2], "little") == RUUVI:
        ruuvi = decode_ruuvi(content[2:])
        return _NOTHING if ruuvi is None else Advertisement(readings=ruuvi.readings, mac=ruuvi.mac)
    return _NOTHING


def _ibeacon(content: bytes) -> Advertisement:
    uuid = content[4:20].hex()
    if uuid.startswith(_TILT_HEAD) and uuid.endswith(_TILT_TAIL):
        return _NOTHING
    major, minor = int.from_bytes(content[20:22], "big"), int.from_bytes(content[22:24], "big")
    measured = content[24] - 256 if content[24] > 127 else content[24]
    return Advertisement(ibeacon_id(uuid, major, minor), float(measured) if measured <= 20 else None)

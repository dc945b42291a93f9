"""Bluetooth Low Energy advertisements.

An advertisement is at most 31 bytes of AD structures, each length, type, value (Bluetooth Core Specification, vol. 3 part C,
11). An iBeacon is manufacturer data of company 0x004C, type 0x02, length 0x15, then UUID, major, minor (big-endian) and the
power measured at one metre (signed).
"""

from __future__ import annotations

import struct
from random import Random
from typing import NamedTuple
from uuid import UUID

FLAGS = bytes((0x02, 0x01, 0x06))  # general discoverable, no classic Bluetooth
MANUFACTURER = 0xFF
SERVICE_DATA_16 = 0x16
APPLE, MICROSOFT, RUUVI = 0x004C, 0x0006, 0x0499
FAST_PAIR = 0xFE2C
FOREIGN_UUID = "fda50693-a4e2-4fb1-afcf-c6eb07647825"  # factory default of many beacons


class IBeacon(NamedTuple):
    """Identity that an iBeacon advertises, and its power at one metre in dBm."""

    uuid: str
    major: int
    minor: int
    power_dbm: int

    @property
    def canonical(self) -> str:
        """Canonical id, as used by ESPresense and by Wayside."""
        return f"iBeacon:{self.uuid}-{self.major}-{self.minor}"


class Advertisement(NamedTuple):
    """One advertisement: a 6-byte address, the AD structures, and the iBeacon in them, if any."""

    address: bytes
    data: bytes
    ibeacon: IBeacon | None = None


def structure(kind: int, value: bytes) -> bytes:
    """One AD structure; the length byte counts the type byte too."""
    return bytes((len(value) + 1, kind)) + value


def manufacturer(company: int, value: bytes) -> bytes:
    """Manufacturer-specific data; company ids are little-endian."""
    return structure(MANUFACTURER, struct.pack("<H", company) + value)


def ibeacon(address: bytes, beacon: IBeacon) -> Advertisement:
    """Advertisement of an iBeacon."""
    identity = UUID(beacon.uuid).bytes + struct.pack(">HHb", beacon.major, beacon.minor, beacon.power_dbm)
    return Advertisement(address, FLAGS + manufacturer(APPLE, b"\x02\x15" + identity), beacon)


def private_address(draws: Random) -> bytes:
    """Resolvable private address: random, with 01 in its two highest bits."""
    high = (draws.getrandbits(8) & 0x3F) | 0x40
    return bytes((high,)) + draws.randbytes(5)


def foreign(draws: Random, sort: int) -> Advertisement:
    """Advertisement of a phone or tag without Wayside's app; `sort` (0 to 3) picks one of four common frames."""
    address = private_address(draws)
    if sort == 0:  # Apple's "nearby info": type 0x10, five bytes
        return Advertisement(address, FLAGS + manufacturer(APPLE, b"\x10\x05" + draws.randbytes(5)))
    if sort == 1:  # Windows' connected devices beacon fills the whole 31 bytes
        return Advertisement(address, manufacturer(MICROSOFT, b"\x01\x09\x20\x02" + draws.randbytes(23)))
    if sort == 2:  # Google Fast Pair: a model id
        return Advertisement(address, FLAGS + structure(SERVICE_DATA_16, struct.pack("<H", FAST_PAIR) + draws.randbytes(3)))
    return ibeacon(address, IBeacon(FOREIGN_UUID, draws.getrandbits(16), draws.getrandbits(16), -59))


def colons(address: bytes) -> str:
    """Address in the form AA:BB:CC:DD:EE:FF."""
    return address.hex(":").upper()

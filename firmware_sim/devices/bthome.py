"""BTHome version 2: sensors that advertise all values (bthome.io/format).

Service data of UUID 0xFCD2: a byte of device information (version 2, unencrypted), then object ids with values, little-endian,
in ascending order of the ids.
"""

from __future__ import annotations

import struct

from firmware_sim.devices.ble import FLAGS, SERVICE_DATA_16, Advertisement, structure

SERVICE = 0xFCD2
NAME_COMPLETE = 0x09
PLAIN_V2 = 0x40
_PACKET_ID, _BATTERY, _TEMPERATURE, _HUMIDITY = 0x00, 0x01, 0x02, 0x03


def objects(packet: int, battery_pct: int, temperature_c: float, humidity_pct: float) -> bytes:
    """Service data of a climate sensor (°C, %), without the UUID."""
    steps = (round(temperature_c * 100), round(humidity_pct * 100))
    return bytes((PLAIN_V2,)) + struct.pack(
        "<BBBBBhBH", _PACKET_ID, packet % 256, _BATTERY, battery_pct, _TEMPERATURE, steps[0], _HUMIDITY, steps[1]
    )


def climate(address: bytes, name: str, packet: int, battery_pct: int, temperature_c: float, humidity_pct: float) -> Advertisement:
    """Complete advertisement of a climate sensor (°C, %)."""
    service = structure(SERVICE_DATA_16, struct.pack("<H", SERVICE) + objects(packet, battery_pct, temperature_c, humidity_pct))
    return Advertisement(address, FLAGS + service + structure(NAME_COMPLETE, name.encode()))

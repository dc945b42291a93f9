"""ESPresense: an ESP32 in a room that reports every device it receives, one message each, without a time.

Topics and fields as published by its firmware (v3/v4); the node itself derives the distance from the power at one metre and an
absorption factor, 3.5 by default.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from firmware_sim.devices.ble import Advertisement
from firmware_sim.message import Message

ABSORPTION = 3.5
CLOSE_M = 0.5
DEFAULT_1M_DBM = -65  # ESPresense's assumption for an advertisement without a power
FORMAT = "espresense"


class Telemetry(NamedTuple):
    """State of a node: uptime in seconds and counts of advertisements."""

    uptime_s: int
    adverts: int
    seen: int
    reported: int


def identity(advert: Advertisement) -> str:
    """ESPresense's id: the iBeacon's canonical id if there is one, else the bare address."""
    return advert.ibeacon.canonical if advert.ibeacon is not None else advert.address.hex()


def sighting(node: str, advert: Advertisement, rssi_dbm: float, interval_ms: int, variance: float) -> Message:
    """Report of one device; `interval_ms` is the time since the last one, `variance` that of the RSSI in dB²."""
    name = identity(advert)
    power = advert.ibeacon.power_dbm if advert.ibeacon is not None else DEFAULT_1M_DBM
    distance_m = 10 ** ((power - rssi_dbm) / (10 * ABSORPTION))
    fields: dict[str, object] = {
        "mac": advert.address.hex(),
        "id": name,
        "rssi@1m": power,
        "rssi": round(rssi_dbm, 2),
        "rxAdj": 0,
        "rssiVar": round(variance, 2),
        "distance": round(distance_m, 2),
        "var": round(variance / 20, 2),
        "int": interval_ms,
    }
    if distance_m < CLOSE_M:
        fields["close"] = True
    return Message(f"espresense/devices/{name}/{node}", msgspec.json.encode(fields), FORMAT, "sighting")


def telemetry(node: str, state: Telemetry) -> Message:
    """Periodic status of a node."""
    fields = {
        "ip": "192.0.2.10",
        "uptime": state.uptime_s,
        "firm": "esp32",
        "rssi": -48,
        "ver": "v4.0.6",
        "adverts": state.adverts,
        "seen": state.seen,
        "reported": state.reported,
        "freeHeap": 91_284,
        "maxHeap": 63_476,
    }
    return Message(f"espresense/rooms/{node}/telemetry", msgspec.json.encode(fields), FORMAT, "status")


def room_status(node: str, *, is_online: bool) -> Message:
    """Birth or last will of a node; retained."""
    return Message(f"espresense/rooms/{node}/status", b"online" if is_online else b"offline", FORMAT, "status", retain=True)

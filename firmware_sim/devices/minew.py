"""Minew gateways (G1 and similar) in JSON mode: one array per report, the gateway itself first, then every tag received.

MACs are 12 upper-case hex digits, iBeacon UUIDs 32; times are ISO 8601 in UTC with milliseconds. Everything but iBeacons is
passed on as type `Unknown` with its raw advertisement.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from firmware_sim.devices.ble import Advertisement
from firmware_sim.message import Message

FORMAT = "minew_gateway_json"


class Heard(NamedTuple):
    """One advertisement with the gateway's time and the RSSI."""

    at_ms: int
    advert: Advertisement
    rssi_dbm: float


def report(gateway_mac: str, at_ms: int, heard: Sequence[Heard]) -> Message:
    """Report of all advertisements since the last one."""
    own = {"timestamp": _iso(at_ms), "type": "Gateway", "mac": gateway_mac, "gatewayFree": 42, "gatewayLoad": 1.15}
    payload = msgspec.json.encode([own, *(_tag(item) for item in heard)])
    return Message(f"/gw/{gateway_mac.lower()}/status", payload, FORMAT, "sighting")


def _tag(item: Heard) -> dict[str, object]:
    beacon = item.advert.ibeacon
    common: dict[str, object] = {
        "timestamp": _iso(item.at_ms),
        "type": "Unknown" if beacon is None else "iBeacon",
        "mac": item.advert.address.hex().upper(),
        "bleName": "",
    }
    if beacon is None:
        return {**common, "rssi": round(item.rssi_dbm), "rawData": item.advert.data.hex().upper()}
    return {
        **common,
        "ibeaconUuid": beacon.uuid.replace("-", "").upper(),
        "ibeaconMajor": beacon.major,
        "ibeaconMinor": beacon.minor,
        "rssi": round(item.rssi_dbm),
        "ibeaconTxPower": beacon.power_dbm,
        "battery": 0,
    }


def _iso(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"

"""Ruuvi Gateway, and the RuuviTag sensor.

The gateway relays every advertisement as one MQTT message with the raw bytes in hex and both times as text (docs.ruuvi.com,
"MQTT: time-stamped data from Bluetooth sensors"). A tag's measurements are in data format 5 ("RAWv2"): 24 bytes of manufacturer
data, big-endian, in fixed steps.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import msgspec

from firmware_sim.devices.ble import FLAGS, RUUVI, Advertisement, colons, manufacturer
from firmware_sim.message import Message

FORMAT = "ruuvi_gateway"
TAG_TX_DBM = 4


class TagState(NamedTuple):
    """Measurements of a RuuviTag: °C, %, Pa, acceleration in mG, battery in mV, and two counters."""

    temperature_c: float
    humidity_pct: float
    pressure_pa: int
    acceleration_mg: tuple[int, int, int]
    battery_mv: int
    movements: int
    sequence: int


def relay(gateway_mac: str, advert: Advertisement, rssi_dbm: float, at_ms: int) -> Message:
    """One advertisement, passed on unchanged."""
    seconds = str(at_ms // 1000)
    fields = {
        "gw_mac": gateway_mac,
        "rssi": round(rssi_dbm),
        "aoa": [],
        "gwts": seconds,
        "ts": seconds,
        "data": advert.data.hex().upper(),
        "coords": "",
    }
    return Message(f"ruuvi/{gateway_mac}/{colons(advert.address)}", msgspec.json.encode(fields), FORMAT, "sighting")


def tag(address: bytes, state: TagState) -> Advertisement:
    """Advertisement of a RuuviTag in data format 5."""
    power = (state.battery_mv - 1600) << 5 | (TAG_TX_DBM + 40) // 2
    body = struct.pack(
        ">BhHHhhhHBH",
        5,
        round(state.temperature_c / 0.005),
        round(state.humidity_pct / 0.0025),
        state.pressure_pa - 50_000,
        *state.acceleration_mg,
        power,
        state.movements % 255,  # 255 and 65535 mean "not available"
        state.sequence % 65_535,
    )
    return Advertisement(address, FLAGS + manufacturer(RUUVI, body + address))


def gateway_status(gateway_mac: str, *, is_online: bool) -> Message:
    """Birth or last will of the gateway; retained."""
    state = {"state": "online" if is_online else "offline"}
    return Message(f"ruuvi/{gateway_mac}/gw_status", msgspec.json.encode(state), FORMAT, "status", retain=True)

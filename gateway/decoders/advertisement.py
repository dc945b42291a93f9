"""What one Bluetooth LE advertisement says, wherever it was carried.

Scanners of several makes hand on what they hear, so it is understood here once: a beacon's identity, and what
a sensor measured. Open formats and the makers whose gateways we read are understood by the house itself; other
brands by the parsers of the entry points `wayside.advertisements`, among them ours for `bleparser` (the extra
`ble`), and whatever else somebody installs. An advertisement is a stranger's radio noise: what is not understood
says nothing, and never spoils the sighting that carried it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gateway.decoders import bthome, estimote, gatt, ingics, minew, switchbot
from gateway.decoders.beacons import Beacon, beacons, telemetry
from gateway.decoders.frames import Frame, frame_of
from gateway.decoders.keys import NO_KEYS, Keys
from gateway.decoders.measured import Readings, kept
from gateway.decoders.plugins import Parsed, parsers
from gateway.decoders.ruuvi_formats import COMPANY as RUUVI
from gateway.decoders.ruuvi_formats import decode_ruuvi


class Advertisement(NamedTuple):
    """`beacon` is a canonical id; `readings` are in canonical units; `mac` is what the sensor says of itself.

    `understood` tells an advertisement that says nothing which is kept (a packet number, something encrypted)
    from noise.
    """

    beacon: str | None = None
    tx_power_dbm: float | None = None
    readings: Readings = ()
    mac: str | None = None
    uptime_s: int | None = None
    understood: bool = False


NOTHING = Advertisement()

"""One canonical unit for every quantity, and the range in which a value can be meant.

A decoder converts to the unit named here and refuses what lies outside: sentinels such as -999 or
163.835 are then refused as such instead of becoming weather.
Ranges are what the phenomenon can do on a street, not what one product can print.
"""

from __future__ import annotations

from typing import NamedTuple


class Quantity(NamedTuple):
    """`unit` as text for people; `low` and `high` are both still valid."""

    unit: str
    low: float
    high: float


QUANTITIES: dict[str, Quantity] = {
    "temperature": Quantity("°C", -60.0, 85.0),
    "humidity": Quantity("%", 0.0, 100.0),
    "pressure": Quantity("hPa", 500.0, 1155.0),
    "precipitation": Quantity("mm/h", 0.0, 500.0),
    "wind_speed": Quantity("m/s", 0.0, 120.0),
    "illuminance": Quantity("lx", 0.0, 200_000.0),
    "co2": Quantity("ppm", 0.0, 40_000.0),
    "pm2_5": Quantity("µg/m³", 0.0, 1_000.0),
    "voc_index": Quantity("1", 0.0, 500.0),
    "nox_index": Quantity("1", 0.0, 500.0),
    "noise": Quantity("dB", 0.0, 160.0),
    "battery": Quantity("%", 0.0, 100.0),
    "voltage": Quantity("V", 0.0, 1_000.0),
    "current": Quantity("A", -1_000.0, 1_000.0),
    "power": Quantity("W", -100_000.0, 100_000.0),
    "energy": Quantity("kWh", 0.0, 1e9),
    "link_quality": Quantity("1", 0.0, 255.0),
    "device_temperature": Quantity("°C", -60.0, 150.0),
    "occupancy": Quantity("1", 0.0, 1.0),
    "contact": Quantity("1", 0.0, 1.0),
}


def in_range(quantity: str, value: float) -> bool:
    """Whether `value` is a possible amount of `quantity`; NaN and unknown quantities never are."""
    row = QUANTITIES.get(quantity)
    return row is not None and row.low <= value <= row.high

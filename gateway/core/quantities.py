"""The canonical unit of every quantity and the range of its possible values.

A decoder converts to this unit and refuses values outside the range, such as the sentinels -999 or 163.835 of some sensors.
Ranges are those of the phenomenon outdoors and indoors, not those of a product's display.
"""

from __future__ import annotations

from typing import NamedTuple


class Quantity(NamedTuple):
    """`unit` is for display; `low` and `high` are inclusive."""

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
    "rain_total": Quantity("mm", 0.0, 100_000.0),  # since the gauge was reset
    "wind_direction": Quantity("°", 0.0, 360.0),
    "solar_radiation": Quantity("W/m²", 0.0, 2_000.0),
    "no2": Quantity("µg/m³", 0.0, 5_000.0),
    "o3": Quantity("µg/m³", 0.0, 2_000.0),
    "so2": Quantity("µg/m³", 0.0, 5_000.0),
    "rssi": Quantity("dBm", -150.0, -1.0),
    "snr": Quantity("dB", -40.0, 40.0),
    "unspecified": Quantity("as its source defines", -1e12, 1e12),  # defined by its source, such as a SensorThings datastream
    "dew_point": Quantity("°C", -80.0, 60.0),
    "pm1": Quantity("µg/m³", 0.0, 1_000.0),
    "pm10": Quantity("µg/m³", 0.0, 10_000.0),
    "tvoc": Quantity("µg/m³", 0.0, 65_535.0),
    "formaldehyde": Quantity("mg/m³", 0.0, 10.0),
    "uv_index": Quantity("1", 0.0, 20.0),
    "soil_moisture": Quantity("%", 0.0, 100.0),
    "conductivity": Quantity("µS/cm", 0.0, 100_000.0),
    "probe_temperature": Quantity("°C", -80.0, 400.0),
    "mass": Quantity("kg", 0.0, 10_000.0),
    "distance": Quantity("m", 0.0, 10_000.0),
    "level": Quantity("%", 0.0, 100.0),
    "duration": Quantity("s", 0.0, 1e8),
    "speed": Quantity("m/s", -200.0, 200.0),
    "acceleration": Quantity("m/s²", -1_000.0, 1_000.0),
    "angular_velocity": Quantity("°/s", -10_000.0, 10_000.0),
    "rotational_speed": Quantity("1/min", 0.0, 100_000.0),
    "rotation": Quantity("°", -4_000.0, 4_000.0),
    "direction": Quantity("°", 0.0, 360.0),
    "elevation": Quantity("m", -500.0, 9_000.0),
    "volume": Quantity("L", 0.0, 1e9),
    "volume_flow": Quantity("m³/h", 0.0, 10_000.0),
    "gas_volume": Quantity("m³", 0.0, 1e9),
    "tally": Quantity("1", -2_147_483_648.0, 4_294_967_295.0),
    "button": Quantity("1", 0.0, 255.0),
    "dimmer_steps": Quantity("1", -255.0, 255.0),
    "battery_low": Quantity("1", 0.0, 1.0),
    "charging": Quantity("1", 0.0, 1.0),
    "carbon_monoxide_alarm": Quantity("1", 0.0, 1.0),
    "gas_alarm": Quantity("1", 0.0, 1.0),
    "smoke_alarm": Quantity("1", 0.0, 1.0),
    "leak": Quantity("1", 0.0, 1.0),
    "cold": Quantity("1", 0.0, 1.0),
    "hot": Quantity("1", 0.0, 1.0),
    "light": Quantity("1", 0.0, 1.0),
    "unlocked": Quantity("1", 0.0, 1.0),
    "moving": Quantity("1", 0.0, 1.0),
    "fall": Quantity("1", 0.0, 1.0),
    "vibration": Quantity("1", 0.0, 1.0),
    "sound": Quantity("1", 0.0, 1.0),
    "tamper": Quantity("1", 0.0, 1.0),
    "problem": Quantity("1", 0.0, 1.0),
    "unsafe": Quantity("1", 0.0, 1.0),
    "running": Quantity("1", 0.0, 1.0),
    "connected": Quantity("1", 0.0, 1.0),
    "plugged": Quantity("1", 0.0, 1.0),
    "switch": Quantity("1", 0.0, 1.0),
    "input": Quantity("1", 0.0, 1.0),
    "gauge_pressure": Quantity("kPa", -100.0, 60_000.0),  # of a pipe or a tyre, above that of the air
}


def in_range(quantity: str, value: float) -> bool:
    """Whether `value` is possible for `quantity`; False for NaN and for unknown quantities."""
    row = QUANTITIES.get(quantity)
    return row is not None and row.low <= value <= row.high

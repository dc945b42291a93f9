"""Units in every spelling of products and formats (SenML, Sparkplug, CloudEvents), and the factors to ours.

A row holds the dimension of a unit, and the conversion of an amount to our unit of that dimension: `amount * factor +
offset`. A unit that is not in the table, or of another dimension than the quantity, gives no reading, because a wrong
guess would pass for a measurement. Factors: SI brochure and NIST SP 811; short names of SenML: RFC 8428 and RFC 8798.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.quantities import in_range
from gateway.decoders.contract import number_or_none


class Unit(NamedTuple):
    """`amount * factor + offset` is the amount in our unit of that dimension."""

    dimension: str
    factor: float = 1.0
    offset: float = 0.0


_ROWS: tuple[tuple[str, Unit], ...] = (
    ("Cel C °C ℃ degC deg_C celsius Celsius", Unit("temperature")),
    ("F °F ℉ degF deg_F fahrenheit Fahrenheit", Unit("temperature", 5 / 9, -160 / 9)),
    ("K Kelvin kelvin", Unit("temperature", 1, -273.15)),
    ("hPa mbar mBar", Unit("pressure")),
    ("Pa", Unit("pressure", 0.01)),
    ("kPa", Unit("pressure", 10)),
    ("bar", Unit("pressure", 1_000)),
    ("inHg", Unit("pressure", 33.86389)),
    ("mmHg", Unit("pressure", 1.333224)),
    ("psi", Unit("pressure", 68.94757)),
    ("%RH", Unit("humidity")),
    ("%EL", Unit("battery")),
    ("% pct percent", Unit("percent")),
    ("m/s m_s", Unit("speed")),
    ("km/h km_h kmh kph", Unit("speed", 1 / 3.6)),
    ("mph mi/h mi_h", Unit("speed", 0.44704)),
    ("kn kt knots", Unit("speed", 1_852 / 3_600)),
    ("mm/h mm_h", Unit("rain_rate")),
    ("in/h in_h", Unit("rain_rate", 25.4)),
    ("m/h", Unit("rain_rate", 1_000)),
    ("mm", Unit("length")),
    ("in inch", Unit("length", 25.4)),
    ("° deg", Unit("angle")),
    ("lx lux Lux", Unit("illuminance")),
    ("klx", Unit("illuminance", 1_000)),
    ("ppm", Unit("share")),
    ("µg/m³ μg/m³ ug/m3 µg/m3 μg/m3", Unit("density")),  # micro sign and Greek mu look the same and are not
    ("mg/m3 mg/m³", Unit("density", 1_000)),
    ("dB dBA dB(A)", Unit("sound")),
    ("V", Unit("voltage")),
    ("mV", Unit("voltage", 0.001)),
    ("A", Unit("current")),
    ("mA", Unit("current", 0.001)),
    ("W", Unit("power")),
    ("kW", Unit("power", 1_000)),
    ("kWh", Unit("energy")),
    ("Wh", Unit("energy", 0.001)),
    ("MWh", Unit("energy", 1_000)),
    ("Wmin", Unit("energy", 1 / 60_000)),  # in Shelly's first generation
    ("Ws J", Unit("energy", 1 / 3_600_000)),
    ("/", Unit("percent", 100)),
)
UNITS: dict[str, Unit] = {spelling: unit for spellings, unit in _ROWS for spelling in spellings.split()}

_DIMENSIONS: dict[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "device_temperature": ("temperature",),
    "humidity": ("humidity", "percent"),
    "battery": ("battery", "percent"),
    "pressure": ("pressure",),
    "precipitation": ("rain_rate",),
    "wind_speed": ("speed",),
    "illuminance": ("illuminance",),
    "co2": ("share",),
    "pm2_5": ("density",),
    "probe_temperature": ("temperature",),
    "so2": ("density",),
    "o3": ("density",),
    "no2": ("density",),
    "pm10": ("density",),
    "pm1": ("density",),
    "noise": ("sound",),
    "voltage": ("voltage",),
    "current": ("current",),
    "power": ("power",),
    "energy": ("energy",),
    "level": ("percent",),
    "wind_direction": ("angle",),
    "rain_total": ("length",),
}
_OWN_UNITS: dict[str, tuple[tuple[str, float], ...]] = {
    "distance": (("mm", 0.001), ("cm", 0.01), ("m", 1.0), ("km", 1_000.0)),
    "elevation": (("m", 1.0),),
    "soil_moisture": (("%", 1.0),),
    "dew_point": (("°C", 1.0),),
    "mass": (("g", 0.001), ("kg", 1.0)),
    "volume": (("mL", 0.001), ("L", 1.0), ("m³", 1_000.0)),
    "gas_volume": (("L", 0.001), ("m³", 1.0)),
    "volume_flow": (("m³/h", 1.0), ("L/h", 0.001), ("L/min", 0.06)),
    "speed": (("m/s", 1.0), ("km/h", 1 / 3.6)),
    "duration": (("ms", 0.001), ("s", 1.0), ("min", 60.0), ("h", 3_600.0)),
    "rssi": (("dBm", 1.0),),
    "snr": (("dB", 1.0),),
    "conductivity": (("µS/cm", 1.0), ("uS/cm", 1.0), ("mS/cm", 1_000.0)),
    "solar_radiation": (("W/m²", 1.0), ("W/m2", 1.0)),
    "gauge_pressure": (("Pa", 0.001), ("kPa", 1.0), ("bar", 100.0)),
    "rotation": (("°", 1.0),),
    "direction": (("°", 1.0),),
    "tvoc": (("µg/m³", 1.0), ("mg/m³", 1_000.0)),
    "formaldehyde": (("mg/m³", 1.0), ("µg/m³", 0.001)),
}
"""Quantities whose units mean something else elsewhere (mm of rain and of distance): spelling and factor to ours."""

# The quantity of a unit that stands without a name, where only one of ours has its dimension.
BY_UNIT: dict[str, str] = {
    "temperature": "temperature",
    "pressure": "pressure",
    "humidity": "humidity",
    "battery": "battery",
    "rain_rate": "precipitation",
    "illuminance": "illuminance",
    "voltage": "voltage",
    "current": "current",
    "power": "power",
    "energy": "energy",
    "percent": "level",
}
_YES_OR_NO = frozenset({"contact", "input", "occupancy", "switch"})
_FLOAT = (-1e12, 1e12)  # any measurable amount; in_range() decides


def canonical_amount(quantity: str, value: object, unit: str | None = None) -> float | None:
    """`value` in our unit of `quantity`, or `None` where it is no number, has a wrong unit or is out of range.

    Without `unit` it is in our unit already. A boolean is a value only of contacts, inputs, occupancy and switches.
    """
    if isinstance(value, bool):
        return float(value) if quantity in _YES_OR_NO else None
    amount = number_or_none(value, *_FLOAT)
    if amount is None:
        return None
    own = _factor(quantity, unit)
    if own is not None:
        amount = round(amount * own, 9)
    elif unit is not None:
        row = UNITS.get(unit)
        if row is None or row.dimension not in _DIMENSIONS.get(quantity, ()):
            return None
        amount = round(amount * row.factor + row.offset, 9)  # 50.9 °F are 10.5 °C, not 10.500000000000004
    return amount if in_range(quantity, amount) else None


def units_of(quantity: str) -> list[str]:
    """All spellings of the units of a quantity; none for a quantity without a unit."""
    dimensions = _DIMENSIONS.get(quantity, ())
    return [*(one for one, _ in _OWN_UNITS.get(quantity, ())), *(one for one, row in UNITS.items() if row.dimension in dimensions)]


def _factor(quantity: str, unit: str | None) -> float | None:
    """The factor of one of a quantity's own units, or `None` for another unit."""
    return None if unit is None else next((factor for one, factor in _OWN_UNITS.get(quantity, ()) if one == unit), None)

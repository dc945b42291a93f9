"""What a payload decoder, ours or one that runs on a network server, calls what it measured.

A LoRaWAN network server hands on whatever object the maker's script made of a sensor's bytes: flat or
nested, `temperature`, `TempC_SHT`, `relative_humidity_4` (a Cayenne channel at its end) or
`temperatureSensor: {"3": 27.2}`. Names are first read as `naming.named` reads them; the table below holds
the makers' own words. What is in neither is not guessed at.

Three names need a rule, because makers differ:
- `battery`: per cent; above 100 it can only be millivolts and is a voltage;
- `voltage`: volts, from 100 on millivolts (these are batteries, not the mains);
- `pressure`: hPa, below 200 kPa, above 2000 Pa.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.core import limits
from gateway.core.quantities import in_range
from gateway.core.types import Count, Observation, Reading
from gateway.decoders.contract import optional
from gateway.decoders.naming import Named, named
from gateway.decoders.units import measured_amount

_MAKERS: dict[str, str] = {
    "temperature": "temperaturesensor tempcsht tempcds",
    "humidity": "humiditysensor humsht",
    "pressure": "barometer barometricpressure",
    "illuminance": "light luminosity illumination illuminancesensor illumlx",
    "noise": "soundavg laeq leq soundpressurelevel",
    "wind_direction": "winddirection",
    "solar_radiation": "solarradiation totalsolarradiation",
    "uv_index": "uvindex",
    "pm1": "pm1 pm1p0",
    "pm2_5": "pm2p5",
    "pm10": "pm10",
    "voltage": "batteryvoltage batv vbat vdd batmv",
    "occupancy": "presencesensor",
    "probe_temperature": "soiltemperature tempsoil watertemperature",
    "soil_moisture": "soilmoisture",
}
_QUANTITY_OF = {name: quantity for quantity, names in _MAKERS.items() for name in names.split()}

_COUNTED = {
    "peoplecount": "people",
    "people": "people",
    "periodin": "people_in",
    "periodout": "people_out",
    "totalin": "people_in_total",
    "totalout": "people_out_total",
    "vehiclecount": "vehicles",
    "vehicles": "vehicles",
}

_YES_OR_NO = frozenset({"occupancy", "contact"})
_WORDS = {"occupied": 1, "free": 0, "vacant": 0}  # what parking and seat sensors say instead of yes and no
_CHANNEL = re.compile(r"[_\s-]\d{1,3}$")
_OTHERS = re.compile(r"[^a-z0-9]+")
_FLOAT = (-1e12, 1e12)
_MILLIVOLT = (101, 10_000)
_VALUE_KEYS = ("value", "val")


def known(name: str) -> Named | None:
    """The quantity that `name` means, with its unit where the name states one; a channel number is no part of it."""
    bare = _CHANNEL.sub("", name)
    for spelling in (name,) if bare == name else (name, bare):
        found = named(spelling) or _makers_word(spelling)
        if found is not None:
            return found
    return None


def _makers_word(name: str) -> Named | None:
    quantity = _QUANTITY_OF.get(_joined(name))
    return None if quantity is None else Named(quantity)


def _joined(name: str) -> str:
    """`soundAvg` and `Sound_avg` in one spelling."""
    return _OTHERS.sub("", name[: limits.TEXT_CHARS_MAX].lower())


def amount(quantity: str, value: object, unit: str | None = None) -> float | None:
    """`value` in our unit of `quantity`, or `None` where it cannot be one."""
    if quantity in _YES_OR_NO and isinstance(value, (bool, str)):
        value = int(value) if isinstance(value, bool) else _WORDS.get(value.lower())
    if unit is not None:
        return measured_amount(quantity, value, unit)
    stated = optional(value, *_FLOAT)
    if stated is None:
        return None
    if quantity == "voltage" and stated >= 100:
        stated /= 1_000
    elif quantity == "pressure":
        stated = _hectopascal(stated)
    return stated if in_range(quantity, stated) else None


def _hectopascal(stated: float) -> float:
    if stated > 2_000:
        return stated / 100
    return round(stated * 10, 6) if stated < 200 else stated


def reading(device: str, quantity: str, value: object, at_ms: int | None, unit: str | None = None) -> Iterator[Reading]:
    """The reading that `value` is, or nothing where it is not a possible one."""
    found = amount(quantity, value, unit)
    if found is not None:
        yield Reading(device, quantity, found, at_ms)


def count(device: str, what: str, value: object, at_ms: int | None) -> Iterator[Count]:
    """The count that `value` is, or nothing where it is not a whole, possible number."""
    number = optional(value, 0, limits.INTEGER_MAX)
    if number is not None and number.is_integer():
        yield Count(device, what, int(number), at_ms)


def observations_in(device: str, said: object, at_ms: int | None) -> list[Observation]:
    """Readings and counts of the known names anywhere in the object `said`; lists (histories, logs) are not read."""
    return [one for name, value in _leaves(said, "") for one in _observed(device, name, value, at_ms)]


def _leaves(said: object, above: str) -> Iterator[tuple[str, object]]:
    """Every named value; a channel number or `value` takes the name of what it stands in."""
    if not isinstance(said, dict):
        if above and said is not None and not isinstance(said, list):
            yield above, said
        return
    for key, value in said.items():
        yield from _leaves(value, above if key.isdigit() or key in _VALUE_KEYS else key)


def _observed(device: str, name: str, value: object, at_ms: int | None) -> Iterator[Observation]:
    what = _COUNTED.get(_joined(name))
    if what is not None:
        yield from count(device, what, value, at_ms)
        return
    found = known(name)
    if found is None:
        return
    in_millivolts = found.quantity == "battery" and optional(value, *_MILLIVOLT) is not None
    yield from reading(device, "voltage" if in_millivolts else found.quantity, value, at_ms, found.unit)

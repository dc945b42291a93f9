"""Objects of names and values, the result of decoder scripts in LoRaWAN network servers.

Flat or nested: `temperature`, `TempC_SHT`, `relative_humidity_4` or `temperatureSensor: {"3": 27.2}`. Names are read by
`quantity_named()`; lists (histories, logs) are not read.

Scripts state no unit, so three quantities have a rule:
- `battery`: per cent; above 100 it is millivolts and becomes a voltage; a fraction in the range of a battery's volts,
  such as 3.05, could be either and is left out;
- `voltage`: volts, from 1000 on millivolts (230 V is mains);
- `pressure`: hPa, below 200 kPa, above 2000 Pa.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core import limits
from gateway.core.quantities import in_range
from gateway.core.types import Count, Observation, Reading
from gateway.decoders.contract import number_or_none
from gateway.decoders.values.quantity_names import folded_name, quantity_named
from gateway.decoders.values.units import canonical_amount

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
_WORDS = {"occupied": 1, "free": 0, "vacant": 0}  # parking and seat sensors
_FLOAT = (-1e12, 1e12)
_MILLIVOLT = (101, 10_000)
_MILLIVOLT_FROM = 1_000
_VOLTS = (1.5, 5.0)  # of a battery: a fraction in this range could be per cent or volts
_VALUE_KEYS = ("value", "val")


def observations_in(device: str, decoded: object, at_ms: int | None) -> list[Observation]:
    """The readings and counts of all known names in `decoded`, at any depth; none where it is not an object."""
    return [one for name, value in _leaves(decoded, "") for one in _observed(device, name, value, at_ms)]


def decoded_amount(quantity: str, value: object, unit: str | None = None) -> float | None:
    """`value` in our unit of `quantity`, or `None` where it has none or is out of range."""
    if quantity in _YES_OR_NO and isinstance(value, (bool, str)):
        value = int(value) if isinstance(value, bool) else _WORDS.get(value.lower())
    if unit is not None:
        return canonical_amount(quantity, value, unit)
    stated = number_or_none(value, *_FLOAT)
    if stated is None:
        return None
    if quantity == "voltage" and stated >= _MILLIVOLT_FROM:
        stated /= 1_000
    elif quantity == "pressure":
        stated = _hectopascal(stated)
    return stated if in_range(quantity, stated) else None


def count_of(device: str, what: str, value: object, at_ms: int | None) -> Iterator[Count]:
    """The count that `value` is; nothing where it is not a whole number of 0..INTEGER_MAX."""
    number = number_or_none(value, 0, limits.INTEGER_MAX)
    if number is not None and number.is_integer():
        yield Count(device, what, int(number), at_ms)


def _leaves(decoded: object, above: str) -> Iterator[tuple[str, object]]:
    """Name and value of every leaf; below a channel number or `value`, the name is that of the parent."""
    if not isinstance(decoded, dict):
        if above and decoded is not None and not isinstance(decoded, list):
            yield above, decoded
        return
    for key, value in decoded.items():
        yield from _leaves(value, above if key.isdigit() or key in _VALUE_KEYS else key)


def _observed(device: str, name: str, value: object, at_ms: int | None) -> Iterator[Observation]:
    what = _COUNTED.get(folded_name(name))
    if what is not None:
        yield from count_of(device, what, value, at_ms)
        return
    meant = quantity_named(name)
    if meant is None:
        return
    if meant.quantity == "battery" and meant.unit is None:
        found = _battery(device, value, at_ms)
        if found is not None:
            yield found
        return
    value_of_ours = decoded_amount(meant.quantity, value, meant.unit)
    if value_of_ours is not None:
        yield Reading(device, meant.quantity, value_of_ours, at_ms)


def _battery(device: str, value: object, at_ms: int | None) -> Reading | None:
    """A battery level in per cent or a voltage in millivolts, or `None` where it could be volts."""
    millivolt = number_or_none(value, *_MILLIVOLT)
    if millivolt is not None:
        return Reading(device, "voltage", millivolt / 1_000, at_ms)
    stated = number_or_none(value, 0, 100)
    is_percent = stated is not None and (stated.is_integer() or not _VOLTS[0] < stated < _VOLTS[1])
    return Reading(device, "battery", stated, at_ms) if stated is not None and is_percent else None


def _hectopascal(stated: float) -> float:
    if stated > 2_000:
        return stated / 100
    return round(stated * 10, 6) if stated < 200 else stated

"""What a network server's decoder script made of a sensor's bytes: an object of names and numbers.

LoRaWAN network servers hand it on as it is: flat or nested, `temperature`, `TempC_SHT`, `relative_humidity_4` or
`temperatureSensor: {"3": 27.2}`. Names are read as `naming.named` reads them; lists (histories, logs) are not.

Three quantities need a rule, because scripts differ and state no unit:
- `battery`: per cent; above 100 it can only be millivolts and is a voltage, and a broken number such as 3.05 that a
  battery's volts could be is neither;
- `voltage`: volts, from 1000 on millivolts (230 are the mains);
- `pressure`: hPa, below 200 kPa, above 2000 Pa.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core import limits
from gateway.core.quantities import in_range
from gateway.core.types import Count, Observation, Reading
from gateway.decoders.contract import optional
from gateway.decoders.values.naming import named
from gateway.decoders.values.quantity_names import spelled
from gateway.decoders.values.units import measured_amount

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
_FLOAT = (-1e12, 1e12)
_MILLIVOLT = (101, 10_000)
_MILLIVOLT_FROM = 1_000
_VOLTS = (1.5, 5.0)  # of a battery: per cent or volts, when the number is broken
_VALUE_KEYS = ("value", "val")


def observations_in(device: str, said: object, at_ms: int | None) -> list[Observation]:
    """Readings and counts of the known names anywhere in the object `said`."""
    return [one for name, value in _leaves(said, "") for one in _observed(device, name, value, at_ms)]


def amount(quantity: str, value: object, unit: str | None = None) -> float | None:
    """`value` in our unit of `quantity`, or `None` where it cannot be one."""
    if quantity in _YES_OR_NO and isinstance(value, (bool, str)):
        value = int(value) if isinstance(value, bool) else _WORDS.get(value.lower())
    if unit is not None:
        return measured_amount(quantity, value, unit)
    stated = optional(value, *_FLOAT)
    if stated is None:
        return None
    if quantity == "voltage" and stated >= _MILLIVOLT_FROM:
        stated /= 1_000
    elif quantity == "pressure":
        stated = _hectopascal(stated)
    return stated if in_range(quantity, stated) else None


def counted(device: str, what: str, value: object, at_ms: int | None) -> Iterator[Count]:
    """The count that `value` is, or nothing where it is not a whole, possible number."""
    number = optional(value, 0, limits.INTEGER_MAX)
    if number is not None and number.is_integer():
        yield Count(device, what, int(number), at_ms)


def _leaves(said: object, above: str) -> Iterator[tuple[str, object]]:
    """Every named value; a channel number or `value` takes the name of what it stands in."""
    if not isinstance(said, dict):
        if above and said is not None and not isinstance(said, list):
            yield above, said
        return
    for key, value in said.items():
        yield from _leaves(value, above if key.isdigit() or key in _VALUE_KEYS else key)


def _observed(device: str, name: str, value: object, at_ms: int | None) -> Iterator[Observation]:
    what = _COUNTED.get(spelled(name))
    if what is not None:
        yield from counted(device, what, value, at_ms)
        return
    meant = named(name)
    if meant is None:
        return
    if meant.quantity == "battery" and meant.unit is None:
        found = _battery(device, value, at_ms)
        if found is not None:
            yield found
        return
    value_of_ours = amount(meant.quantity, value, meant.unit)
    if value_of_ours is not None:
        yield Reading(device, meant.quantity, value_of_ours, at_ms)


def _battery(device: str, value: object, at_ms: int | None) -> Reading | None:
    """Per cent, or millivolts; `None` where it may as well be volts."""
    millivolt = optional(value, *_MILLIVOLT)
    if millivolt is not None:
        return Reading(device, "voltage", millivolt / 1_000, at_ms)
    stated = optional(value, 0, 100)
    is_told = stated is not None and (stated.is_integer() or not _VOLTS[0] < stated < _VOLTS[1])
    return Reading(device, "battery", stated, at_ms) if stated is not None and is_told else None


def _hectopascal(stated: float) -> float:
    if stated > 2_000:
        return stated / 100
    return round(stated * 10, 6) if stated < 200 else stated

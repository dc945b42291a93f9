"""Objects of names and values, the result of decoder scripts in LoRaWAN network servers.

Flat or nested: `temperature`, `TempC_SHT`, `relative_humidity_4` or `temperatureSensor: {"3": 27.2}`. Names are read by
`quantity_named()`, with the object around them where that is soil or water; lists (histories, logs) are not read, except
that of SenseCAP's measurements (`sensecap.py`). A text such as `open` is a value of the quantities in `_TEXTS`.

Scripts state no unit, so some quantities have a rule:
- `current`: amperes in one maker's script and milliamperes in another's, so it is left out;
- `battery`: per cent; above 100 it is millivolts and becomes a voltage; a fraction in the range of a battery's volts,
  such as 3.05, could be either and is left out;
- `voltage`: volts, from 1000 on millivolts (230 V is mains);
- `pressure`: hPa, below 200 kPa, above 2000 Pa.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core import limits
from gateway.core.quantities import in_range
from gateway.core.types import Count, CountKind, Observation, Position, Reading
from gateway.decoders.contract import number_or_none
from gateway.decoders.values.people import counted_named, people_named
from gateway.decoders.values.quantity_names import folded_name, quantity_named
from gateway.decoders.values.sensecap import measurements_in
from gateway.decoders.values.units import canonical_amount

_VEHICLES = frozenset({"vehicles", "vehiclecount"})
_OPEN_OR_CLOSED = {"open": 0, "opened": 0, "close": 1, "closed": 1}
_ON_OR_OFF = {"on": 1, "off": 0}
# quantity -> its value for each text
_TEXTS: dict[str, dict[str, int]] = {
    "occupancy": {"occupied": 1, "free": 0, "vacant": 0, "trigger": 1, "triggered": 1, "normal": 0, "idle": 0},
    "contact": _OPEN_OR_CLOSED | {"free": 0},
    "leak": {"leak": 1, "leakage": 1, "wet": 1, "normal": 0, "dry": 0},
    "switch": _ON_OR_OFF,
}
_OCCUPIED = (2, 3)  # of scripts that number the states: free, pending, occupied
_UNSTATED_UNIT = frozenset({"current", "distance"})  # without a unit in the name
_OCCUPANCY = frozenset({"occupancy", "occupied", "presence"})
_MOVEMENT = frozenset({"motion", "pir"})
_SURROUNDINGS = frozenset({"soil", "water"})  # an object of such a name is not about the air
_FLOAT = (-1e12, 1e12)
_MILLIVOLT = (101, 10_000)
_MILLIVOLT_FROM = 1_000
_VOLTS = (1.5, 5.0)  # of a battery: a fraction in this range could be per cent or volts
_VALUE_KEYS = ("value", "val")


def observations_in(device: str, decoded: object, at_ms: int | None) -> list[Observation]:
    """The readings and counts of all known names, and the positions, in `decoded`, at any depth; none where it is not an object.

    A number of movements (`motion`) is not read as occupancy where the object states the occupancy itself.
    """
    leaves = [*_leaves(decoded, "")]
    if any(folded_name(name) in _OCCUPANCY for name, _ in leaves):
        leaves = [(name, value) for name, value in leaves if folded_name(name) not in _MOVEMENT]
    found = [one for name, value in leaves for one in _observed(device, name, value, at_ms)]
    return [*found, *measurements_in(device, decoded, at_ms), *_positions(device, decoded, at_ms)]


def _positions(device: str, decoded: object, at_ms: int | None) -> Iterator[Position]:
    """The position of each object with a latitude and a longitude; none at 0, 0, which trackers send without a fix."""
    if not isinstance(decoded, dict):
        return
    latitude, longitude = number_or_none(decoded.get("latitude"), -90, 90), number_or_none(decoded.get("longitude"), -180, 180)
    if latitude is not None and longitude is not None and (latitude or longitude):
        yield Position(device, latitude, longitude, at_ms=at_ms)
    for below in decoded.values():
        yield from _positions(device, below, at_ms)


def decoded_amount(quantity: str, value: object, unit: str | None = None) -> float | None:
    """`value` in our unit of `quantity`, or `None` where it has none or is out of range."""
    if quantity in _TEXTS and isinstance(value, (bool, str)):
        value = int(value) if isinstance(value, bool) else _TEXTS[quantity].get(value.lower())
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


def count_of(device: str, what: str, value: object, at_ms: int | None, kind: CountKind = "passed") -> Iterator[Count]:
    """The count that `value` is; nothing where it is not a whole number of 0..INTEGER_MAX."""
    number = number_or_none(value, 0, limits.INTEGER_MAX)
    if number is not None and number.is_integer():
        yield Count(device, what, int(number), at_ms, kind)


def _leaves(decoded: object, above: str) -> Iterator[tuple[str, object]]:
    """Name and value of every leaf; below a channel number or `value`, the name is that of the parent."""
    if not isinstance(decoded, dict):
        if above and decoded is not None and not isinstance(decoded, list):
            yield above, decoded
        return
    for key, value in decoded.items():
        name = f"{above}_{key}" if above.lower() in _SURROUNDINGS and not isinstance(value, dict) else key
        yield from _leaves(value, above if key.isdigit() or key in _VALUE_KEYS else name)


def _observed(device: str, name: str, value: object, at_ms: int | None) -> Iterator[Observation]:
    if counted_named(name) is not None:
        count = people_named(device, name, value, at_ms)
        if count is not None:
            yield count
        return
    if folded_name(name) in _VEHICLES:
        yield from count_of(device, "vehicles", value, at_ms)
        return
    meant = quantity_named(name)
    if meant is None or (meant.unit is None and meant.quantity in _UNSTATED_UNIT):
        return
    if meant.quantity == "occupancy" and value in _OCCUPIED:
        value = 1
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

"""Measurements of one sensor in canonical units, without impossible values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gateway.core.quantities import in_range


class Measurement(NamedTuple):
    """`quantity` is a row of `gateway.core.quantities`; `part` numbers several of one quantity on one device, from 1."""

    quantity: str
    value: float
    part: int = 1


Readings = tuple[Measurement, ...]


class Parsed(NamedTuple):
    """The result of one parser for an advertisement of its format: perhaps no readings. `mac` is the address in the sensor's own data."""

    readings: Readings = ()
    mac: str | None = None


Stated = Iterable[tuple[str, float | None]]


def possible_readings(stated: Stated) -> Readings:
    """The values of `stated` that are within the range of the quantity.

    `None` is "not measured" and still counts as a part: the third probe stays the third when the second is unplugged.
    """
    parts: dict[str, int] = {}
    readings: list[Measurement] = []
    for quantity, value in stated:
        part = parts[quantity] = parts.get(quantity, 0) + 1
        if value is not None and in_range(quantity, value):
            readings.append(Measurement(quantity, float(value), part))
    return tuple(readings)

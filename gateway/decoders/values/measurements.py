"""What a sensor measured, in canonical units, with what cannot be meant left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gateway.core.quantities import in_range


class Measurement(NamedTuple):
    """`quantity` is a row of `gateway.core.quantities`; `part` tells several of one kind on one device apart, from 1."""

    quantity: str
    value: float
    part: int = 1


Readings = tuple[Measurement, ...]


class Parsed(NamedTuple):
    """What one format found in an advertisement: perhaps nothing that is kept. `mac` is what the sensor says of itself."""

    readings: Readings = ()
    mac: str | None = None


Stated = Iterable[tuple[str, float | None]]


def kept(stated: Stated) -> Readings:
    """The possible ones of `stated`.

    `None` is "not measured"; it still counts as a part, so that the third probe stays the third when the second is pulled out.
    """
    parts: dict[str, int] = {}
    readings: list[Measurement] = []
    for quantity, value in stated:
        part = parts[quantity] = parts.get(quantity, 0) + 1
        if value is not None and in_range(quantity, value):
            readings.append(Measurement(quantity, float(value), part))
    return tuple(readings)

"""SenseCAP's decoder scripts: lists of measurements, each with a number from the maker's table and a value.

`{"messages": [{"measurementId": 4097, "measurementValue": 21.4}]}`, or one list a time of measurement
(https://sensecap-docs.seeed.cc, "Measurement IDs"). The name (`type`) differs between scripts, the number does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core import limits
from gateway.core.types import Reading
from gateway.decoders.contract import number_or_none
from gateway.decoders.values.units import canonical_amount

# number as a text, because scripts send both -> (quantity, unit; None is ours)
_MEASUREMENTS: dict[str, tuple[str, str | None]] = {
    "3000": ("battery", None),
    "4097": ("temperature", None),
    "4098": ("humidity", None),
    "4099": ("illuminance", None),
    "4100": ("co2", None),
    "4101": ("pressure", "Pa"),
    "4102": ("probe_temperature", None),  # of the soil
    "4103": ("soil_moisture", None),
    "4104": ("wind_direction", None),
    "4105": ("wind_speed", None),
    "4113": ("precipitation", None),
    "4190": ("uv_index", None),
}


def measurements_in(device: str, decoded: object, at_ms: int | None) -> Iterator[Reading]:
    """The readings of all measurements in `decoded["messages"]`; none where it is no such object."""
    rows = decoded.get("messages") if isinstance(decoded, dict) else None
    for row in _rows(rows):
        quantity, unit = _MEASUREMENTS.get(str(row.get("measurementId")), (None, None))
        amount = None if quantity is None else canonical_amount(quantity, row.get("measurementValue"), unit)
        if quantity is not None and amount is not None:
            yield Reading(device, quantity, amount, _measured_ms(row, at_ms))


def _rows(stated: object) -> Iterator[dict[str, Any]]:
    """The measurements of a list, or of a list of lists."""
    for row in stated if isinstance(stated, list) else []:
        for one in row if isinstance(row, list) else [row]:
            if isinstance(one, dict):
                yield one


def _measured_ms(row: dict[str, Any], at_ms: int | None) -> int | None:
    """The time of one measurement, or of the uplink where it states none."""
    stated = number_or_none(row.get("timestamp"), 1, limits.CLOCK_CEILING_MS)
    return at_ms if stated is None else int(stated)

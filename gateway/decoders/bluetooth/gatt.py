"""Standard characteristics sent as service data: the service UUID is that of the characteristic.

Source: Bluetooth SIG, "GATT Specification Supplement" and "Assigned Numbers" (16-bit UUIDs). Each has one value for
"not known" (the highest or lowest number), which is out of the range of its quantity.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.decoders.bluetooth.frames import Frame
from gateway.decoders.contract import Keys
from gateway.decoders.values.measurements import Parsed, possible_readings


class _Row(NamedTuple):
    size: int
    quantity: str
    per: float = 1
    signed: bool = False


_CHARACTERISTICS: dict[str, _Row] = {
    "180f": _Row(1, "battery"),
    "2a19": _Row(1, "battery"),
    "2a6c": _Row(3, "elevation", 100, signed=True),
    "2a6d": _Row(4, "pressure", 1_000),  # tenths of a pascal
    "2a6e": _Row(2, "temperature", 100, signed=True),
    "2a6f": _Row(2, "humidity", 100),
    "2a76": _Row(1, "uv_index"),
    "2a7b": _Row(1, "dew_point", signed=True),
    "2aee": _Row(2, "current", 100),
    "2afb": _Row(3, "illuminance", 100),
    "2b18": _Row(2, "voltage", 64),
    "2b8c": _Row(2, "co2"),
}


def decode(frame: Frame, _keys: Keys) -> Parsed | None:
    """The readings of all standard characteristics in `frame`, or `None` where it has none."""
    stated: list[tuple[str, float | None]] = []
    for uuid, content in frame.services:
        row = _CHARACTERISTICS.get(uuid)
        if row is not None and len(content) == row.size:
            stated.append((row.quantity, int.from_bytes(content, "little", signed=row.signed) / row.per))
    return Parsed(possible_readings(stated)) if stated else None

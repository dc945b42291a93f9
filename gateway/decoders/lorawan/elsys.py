"""Elsys' LoRaWAN payloads: entries of a type and a value, big-endian (Elsys, "LoRa payload").

CO2, pressure, distance, pulses and probes are tested with that document alone, every other entry with real messages.
"""

from __future__ import annotations

import re

from gateway.core.types import Observation
from gateway.decoders.lorawan.entries import TEMPERATURE, Entry, Layout, Part, read_entries

# type -> entry
_ENTRIES: dict[int, Entry] = {
    0x01: Entry(2, (TEMPERATURE,)),
    0x02: Entry(1, (Part("humidity", 0, 1),)),
    0x03: Entry(3),  # acceleration
    0x04: Entry(2, (Part("illuminance", 0, 2),)),
    0x05: Entry(1, (Part("motions", 0, 1, 0),)),
    0x06: Entry(2, (Part("co2", 0, 2),)),
    0x07: Entry(2, (Part("voltage", 0, 2, 1_000),)),
    0x08: Entry(2),  # analog input
    0x09: Entry(6),  # GPS
    0x0A: Entry(2, (Part("pulses", 0, 2, 0),)),  # since the last message
    0x0B: Entry(4, (Part("tally", 0, 4),)),  # the total
    0x0C: Entry(2, (Part("probe_temperature", 0, 2, 10, signed=True),)),
    0x0D: Entry(1, (Part("input", 0, 1),)),
    0x0E: Entry(2, (Part("distance", 0, 2, 1_000),)),
    0x0F: Entry(1),  # movement
    0x10: Entry(4),  # infrared temperatures
    0x11: Entry(1, (Part("occupancy", 0, 1, yes_or_no=True),)),  # 0 no, 1 entering or leaving, 2 yes
    0x12: Entry(1, (Part("leak", 0, 1),)),
    0x14: Entry(4, (Part("pressure", 0, 4, 1_000),)),
    0x15: Entry(2, (Part("noise", 1, 1),)),  # after its peak
    0x16: Entry(2, (Part("pulses", 0, 2, 0, sub=2),)),
    0x17: Entry(4, (Part("tally", 0, 4, sub=2),)),
    0x18: Entry(2),  # a second analog input
    0x19: Entry(2, (Part("probe_temperature", 0, 2, 10, signed=True, sub=2),)),
    0x1A: Entry(1, (Part("input", 0, 1, sub=2),)),
    0x1B: Entry(4),  # a third analog input, in microvolts
    0x1C: Entry(2),  # organic compounds in ppb
}


_LAYOUT = Layout(_ENTRIES, 1, "big")
_MODEL = re.compile(r"elsys|el[st]|ems|ers|esm|eth|eia", re.ASCII | re.IGNORECASE)


def is_elsys(model: str | None) -> bool:
    """Whether `model` is the name of a product of Elsys, such as `ERS CO2`."""
    return model is not None and _MODEL.match(model) is not None


def decode_elsys(payload: bytes, device: str, at_ms: int | None, model: str | None = None) -> list[Observation] | None:
    """The readings and counts of one payload, or `None` where it is not of Elsys."""
    return read_entries(payload, _LAYOUT, device, at_ms, is_named=is_elsys(model))

"""Milesight's LoRaWAN payloads: entries of a channel, a type and a value, little-endian (user guides, "Uplink Data").

Particulate matter, and people counted by line and region, are tested with the guides alone, every other entry with real
messages.
"""

from __future__ import annotations

import re

from gateway.core.types import Observation, Reading
from gateway.decoders.lorawan.entries import TEMPERATURE, Entry, Layout, Part, read_entries

_INPUT = Entry(1, (Part("input", 0, 1),))  # a contact, a movement or a leak, by model
_IN_AND_OUT = ("people_in", "people_out")
_IN_AND_OUT_TOTAL = ("people_in_total", "people_out_total")


def _counts(*names: str, size: int, extra: int = 0) -> Entry:
    """An entry of consecutive counts, and `extra` bytes that are skipped."""
    return Entry(len(names) * size + extra, tuple(Part(name, at * size, size, 0) for at, name in enumerate(names)))


# channel and type -> entry
_ENTRIES: dict[int, Entry] = {
    0x0175: Entry(1, (Part("battery", 0, 1),)),
    0x0367: Entry(2, (TEMPERATURE,)),
    0x8367: Entry(3, (TEMPERATURE,)),  # with an alarm
    0x0468: Entry(1, (Part("humidity", 0, 1, 2),)),
    0x057D: Entry(2, (Part("co2", 0, 2),)),
    0x077D: Entry(2, (Part("co2", 0, 2),)),
    0x0B7D: Entry(2, (Part("pm2_5", 0, 2),)),
    0x0C7D: Entry(2, (Part("pm10", 0, 2),)),
    0x0A7D: Entry(2, (Part("formaldehyde", 0, 2, 100),)),
    0x087D: Entry(2),  # organic compounds: an index or ppb, by model
    0x0673: Entry(2, (Part("pressure", 0, 2, 10),)),
    0x0973: Entry(2, (Part("pressure", 0, 2, 10),)),
    0x0394: Entry(4, (Part("illuminance", 0, 4),)),
    0x0665: Entry(6, (Part("illuminance", 0, 2),)),  # and two infrared channels
    0x0374: Entry(2, (Part("voltage", 0, 2, 10),)),
    0x0480: Entry(4, (Part("power", 0, 4),)),
    0x0581: Entry(1),  # a power factor
    0x0683: Entry(4, (Part("energy", 0, 4, 1_000),)),
    0x07C9: Entry(2, (Part("current", 0, 2, 1_000),)),
    0x0870: Entry(1),  # which sockets are on, by model
    0x06CB: Entry(1),  # a light level, 0 to 5
    0x056A: Entry(2),  # an activity level
    0x037B: Entry(2, (Part("gauge_pressure", 0, 2),)),  # in a pipe, in kPa
    0x0282: Entry(2, (Part("distance", 0, 2, 1_000),)),
    0x0382: Entry(2, (Part("distance", 0, 2, 1_000),)),
    0x0482: Entry(2, (Part("distance", 0, 2, 1_000),)),
    0x8482: Entry(3, (Part("distance", 0, 2, 1_000),)),
    0x03D4: Entry(6, tuple(Part("rotation", 2 * axis, 2, 100, signed=True, flags=1, sub=axis + 1) for axis in range(3))),
    0x0300: _INPUT,
    0x0400: Entry(1, (Part("input", 0, 1, sub=2),)),  # a second one: the light, or the lid
    0x0500: _INPUT,
    0x0600: _INPUT,
    0x038E: Entry(1, (Part("occupancy", 0, 1),)),  # of a toilet or a parking space
    0x048E: Entry(1),
    0x058E: Entry(1, (Part("gas_alarm", 0, 1),)),
    0x0601: Entry(1, (Part("switch", 0, 1),)),  # a gas alarm's valve: open
    0x0701: Entry(1, (Part("switch", 0, 1, sub=2),)),  # and its relay: closed
    0x04C9: Entry(4, (Part("people", 0, 1, 0),)),
    0x06CD: Entry(1),  # the maximum of people at once
    0x07D5: _counts(*(f"region_{region}" for region in range(1, 9)), size=1),
    0x08D5: _counts(*(f"region_{region}" for region in range(9, 17)), size=1),
    0x09DA: Entry(8),  # people between regions, by origin and destination
    0x0ADA: Entry(8),
    0x0BDA: Entry(8),
    0x0CDA: Entry(8),
    0x0EE4: Entry(5),  # dwell times
    0x10E4: Entry(5),
    0x0FE3: _counts(*(f"region_{region}" for region in range(1, 5)), size=1),
    0x0AEF: Entry(4),  # the time of the count
    0x05CC: _counts(*_IN_AND_OUT, size=2),
    0x85CC: _counts(*_IN_AND_OUT, size=2, extra=1),
    0x04CC: _counts(*_IN_AND_OUT_TOTAL, size=2),
    0x0DCC: _counts(*_IN_AND_OUT_TOTAL, size=2),
    0x84CC: _counts(*_IN_AND_OUT_TOTAL, size=2, extra=1),
    **{(3 * line) << 8 | 0xD2: _counts(f"line_{line}_total_in", size=4) for line in range(1, 5)},
    **{(3 * line + 1) << 8 | 0xD2: _counts(f"line_{line}_total_out", size=4) for line in range(1, 5)},
    **{(3 * line + 2) << 8 | 0xCC: _counts(*(f"line_{line}_period_{way}" for way in ("in", "out")), size=2) for line in range(2, 5)},
    **{
        0xFF00 | kind: Entry(size)
        for size, kinds in {1: "010b0ffe", 2: "090a18ff", 4: "1f", 6: "08", 8: "16"}.items()
        for kind in bytes.fromhex(kinds)
    },
}


_LAYOUT = Layout(_ENTRIES, 2, "little")
_MODEL = re.compile(r"(milesight\W*)?(am|at|ct|ds|em|ft|gs|sp|ts|uc|vs|ws|wt|wts)\d{3}", re.ASCII | re.IGNORECASE)


def is_milesight(model: str | None) -> bool:
    """Whether `model` is the name of a product of Milesight, such as `EM300-TH`."""
    return model is not None and _MODEL.match(model) is not None


# first letters of the model -> the quantity of its input; an input of 1 is an open door, water or a person
_INPUTS = {
    "contact": ("em300-mcs", "ws301"),
    "leak": ("em300-sld", "em300-zld", "em300-mld", "ws303"),
    "occupancy": ("am30", "am319", "vs34", "ws202", "ws203"),
}


def decode_milesight(payload: bytes, device: str, at_ms: int | None, model: str | None = None) -> list[Observation] | None:
    """The readings and counts of one payload, or `None` where it is not of Milesight.

    An `input` is read as a contact, a leak or the occupancy where the model has only that one.
    """
    found = read_entries(payload, _LAYOUT, device, at_ms, is_named=is_milesight(model))
    plain = (model or "").lower().removeprefix("milesight").lstrip(" -_")
    quantity = next((quantity for quantity, models in _INPUTS.items() if plain.startswith(models)), None)
    if found is None or quantity is None:
        return found
    return [
        _meant(one, quantity) if isinstance(one, Reading) and one.quantity == "input" and one.device == device else one for one in found
    ]


def _meant(one: Reading, quantity: str) -> Reading:
    return Reading(one.device, quantity, 1 - one.value if quantity == "contact" else one.value, one.at_ms)

"""The bytes of LoRaWAN sensors, for when the network server hands them on undecoded.

Nothing in a LoRaWAN message tells how its sensor writes. Two makers' formats tell it themselves: Milesight's
and Elsys' are lists of entries whose kinds and sizes are published. A payload counts as theirs only on a port
on which they send and when it is used up to its last byte by known entries. Decentlab's frames are read in
`decentlab.py`. Everything else is tried as Cayenne LPP. What none of them is gives no reading: a wrong guess
would look like weather.

An entry that is a contact, a movement or a leak by the model of the sensor is an `input`: 1 is what its model
reports (a door that is open, water, somebody who moves).

Sources: the makers' user guides (Milesight "Uplink Data" pages, Elsys "LoRa payload"). Checked against real
messages are the entries that the cases hold; Milesight's particulate matter and people counting by line and
region, and Elsys' CO2, pressure, distance, pulses and probes, follow the guides alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from gateway.core.quantities import in_range
from gateway.core.types import Count, Observation, Reading
from gateway.decoders.cayenne_lpp import PAYLOAD_BYTES_MAX, decode_cayenne_lpp
from gateway.decoders.contract import text
from gateway.decoders.decentlab import decode_decentlab

_PEOPLE = "people"


class _Part(NamedTuple):
    """One number in an entry: what it is, where it stands, what it is divided by; `divisor` 0 marks a count.

    The lowest `flags` bits are not of the number; `sub` tells several of one kind on one device apart, from 1.
    """

    what: str
    offset: int
    size: int
    divisor: int = 1
    signed: bool = False
    flags: int = 0
    sub: int = 1


class _Entry(NamedTuple):
    """An entry's size and those of its parts that Wayside keeps."""

    size: int
    parts: tuple[_Part, ...] = ()


def _counts(*names: str, size: int, extra: int = 0) -> _Entry:
    """An entry of counts, one behind the other, and `extra` bytes that are not read."""
    return _Entry(len(names) * size + extra, tuple(_Part(name, at * size, size, 0) for at, name in enumerate(names)))


_TEMPERATURE = _Part("temperature", 0, 2, 10, signed=True)
_INPUT = _Entry(1, (_Part("input", 0, 1),))  # a contact, a movement or a leak, by model
_IN_AND_OUT = ("people_in", "people_out")
_IN_AND_OUT_TOTAL = ("people_in_total", "people_out_total")

# Milesight: a channel and a type tell what follows, little-endian.
_MILESIGHT: dict[tuple[int, int], _Entry] = {
    (0x01, 0x75): _Entry(1, (_Part("battery", 0, 1),)),
    (0x03, 0x67): _Entry(2, (_TEMPERATURE,)),
    (0x83, 0x67): _Entry(3, (_TEMPERATURE,)),  # with an alarm
    (0x04, 0x68): _Entry(1, (_Part("humidity", 0, 1, 2),)),
    (0x05, 0x7D): _Entry(2, (_Part("co2", 0, 2),)),
    (0x07, 0x7D): _Entry(2, (_Part("co2", 0, 2),)),
    (0x0B, 0x7D): _Entry(2, (_Part("pm2_5", 0, 2),)),
    (0x0C, 0x7D): _Entry(2, (_Part("pm10", 0, 2),)),
    (0x08, 0x7D): _Entry(2),  # organic compounds: an index or ppb, by model
    (0x06, 0x73): _Entry(2, (_Part("pressure", 0, 2, 10),)),
    (0x09, 0x73): _Entry(2, (_Part("pressure", 0, 2, 10),)),
    (0x03, 0x94): _Entry(4, (_Part("illuminance", 0, 4),)),
    (0x06, 0x65): _Entry(6, (_Part("illuminance", 0, 2),)),  # and two infrared channels
    (0x06, 0xCB): _Entry(1),  # a light level, 0 to 5
    (0x05, 0x6A): _Entry(2),  # an activity level
    (0x03, 0x7B): _Entry(2, (_Part("gauge_pressure", 0, 2),)),  # in a pipe, in kPa
    (0x02, 0x82): _Entry(2, (_Part("distance", 0, 2, 1_000),)),
    (0x03, 0x82): _Entry(2, (_Part("distance", 0, 2, 1_000),)),
    (0x04, 0x82): _Entry(2, (_Part("distance", 0, 2, 1_000),)),
    (0x84, 0x82): _Entry(3, (_Part("distance", 0, 2, 1_000),)),
    (0x03, 0xD4): _Entry(6, tuple(_Part("rotation", 2 * axis, 2, 100, signed=True, flags=1, sub=axis + 1) for axis in range(3))),
    (0x03, 0x00): _INPUT,
    (0x04, 0x00): _Entry(1, (_Part("input", 0, 1, sub=2),)),  # a second one: the light, or the lid
    (0x05, 0x00): _INPUT,
    (0x06, 0x00): _INPUT,
    (0x03, 0x8E): _Entry(1, (_Part("occupancy", 0, 1),)),  # of a toilet or a parking space
    (0x04, 0x8E): _Entry(1),
    (0x05, 0x8E): _Entry(1, (_Part("gas_alarm", 0, 1),)),
    (0x06, 0x01): _Entry(1, (_Part("switch", 0, 1),)),  # a gas alarm's valve: open
    (0x07, 0x01): _Entry(1, (_Part("switch", 0, 1, sub=2),)),  # and its relay: closed
    (0x04, 0xC9): _Entry(4, (_Part(_PEOPLE, 0, 1, 0),)),
    (0x06, 0xCD): _Entry(1),  # the most people at once
    (0x07, 0xD5): _counts(*(f"people_region_{region}" for region in range(1, 9)), size=1),
    (0x08, 0xD5): _counts(*(f"people_region_{region}" for region in range(9, 17)), size=1),
    (0x09, 0xDA): _Entry(8),  # who went from where to where
    (0x0A, 0xDA): _Entry(8),
    (0x0B, 0xDA): _Entry(8),
    (0x0C, 0xDA): _Entry(8),
    (0x0E, 0xE4): _Entry(5),  # how long they stayed
    (0x10, 0xE4): _Entry(5),
    (0x0F, 0xE3): _counts(*(f"people_region_{region}" for region in range(1, 5)), size=1),
    (0x05, 0xCC): _counts(*_IN_AND_OUT, size=2),
    (0x85, 0xCC): _counts(*_IN_AND_OUT, size=2, extra=1),
    (0x04, 0xCC): _counts(*_IN_AND_OUT_TOTAL, size=2),
    (0x0D, 0xCC): _counts(*_IN_AND_OUT_TOTAL, size=2),
    (0x84, 0xCC): _counts(*_IN_AND_OUT_TOTAL, size=2, extra=1),
    **{(3 * line, 0xD2): _counts(f"people_in_total_line_{line}", size=4) for line in range(1, 5)},
    **{(3 * line + 1, 0xD2): _counts(f"people_out_total_line_{line}", size=4) for line in range(1, 5)},
    **{(3 * line + 2, 0xCC): _counts(*(f"{way}_line_{line}" for way in _IN_AND_OUT), size=2) for line in range(2, 5)},
    **{
        (0xFF, kind): _Entry(size)
        for size, kinds in {1: "010b0ffe", 2: "090a18ff", 4: "1f", 6: "08", 8: "16"}.items()
        for kind in bytes.fromhex(kinds)
    },
}

# Elsys: a type tells what follows, big-endian.
_ELSYS: dict[int, _Entry] = {
    0x01: _Entry(2, (_TEMPERATURE,)),
    0x02: _Entry(1, (_Part("humidity", 0, 1),)),
    0x03: _Entry(3),  # acceleration
    0x04: _Entry(2, (_Part("illuminance", 0, 2),)),
    0x05: _Entry(1, (_Part("motions", 0, 1, 0),)),
    0x06: _Entry(2, (_Part("co2", 0, 2),)),
    0x07: _Entry(2, (_Part("voltage", 0, 2, 1_000),)),
    0x08: _Entry(2),  # analog input
    0x09: _Entry(6),  # GPS
    0x0A: _Entry(2, (_Part("pulses", 0, 2, 0),)),  # since the last one
    0x0B: _Entry(4, (_Part("tally", 0, 4),)),  # of all pulses
    0x0C: _Entry(2, (_Part("probe_temperature", 0, 2, 10, signed=True),)),
    0x0D: _Entry(1, (_Part("input", 0, 1),)),
    0x0E: _Entry(2, (_Part("distance", 0, 2, 1_000),)),
    0x0F: _Entry(1),  # movement
    0x10: _Entry(4),  # infrared temperatures
    0x11: _Entry(1),  # 0 nobody, 1 perhaps, 2 somebody
    0x12: _Entry(1, (_Part("leak", 0, 1),)),
    0x14: _Entry(4, (_Part("pressure", 0, 4, 1_000),)),
    0x15: _Entry(2, (_Part("noise", 1, 1),)),  # behind its peak
    0x16: _Entry(2, (_Part("pulses", 0, 2, 0, sub=2),)),
    0x17: _Entry(4, (_Part("tally", 0, 4, sub=2),)),
    0x18: _Entry(2),  # a second analog input
    0x19: _Entry(2, (_Part("probe_temperature", 0, 2, 10, signed=True, sub=2),)),
    0x1A: _Entry(1, (_Part("input", 0, 1, sub=2),)),
    0x1B: _Entry(4),  # a third analog input, in microvolts
    0x1C: _Entry(2),  # organic compounds in ppb
}

_Codec = Callable[[bytes, str, int | None, str | None], list[Observation] | None]


def decode_payload(payload: bytes, port: int | None, device: str, at_ms: int | None, model: str | None = None) -> list[Observation]:
    """What a sensor's bytes say, as far as their format can be told; `model` as the network server names it."""
    if not 0 < len(payload) <= PAYLOAD_BYTES_MAX:
        return []
    for codec in _BY_PORT.get(port, (_cayenne,)):
        found = codec(payload, device, at_ms, model)
        if found is not None:
            return found
    return []


def _milesight(payload: bytes, device: str, at_ms: int | None, _: str | None) -> list[Observation] | None:
    observations: list[Observation] = []
    offset = 0
    while offset < len(payload):
        entry = _MILESIGHT.get((payload[offset], payload[offset + 1])) if offset + 1 < len(payload) else None
        if entry is None or offset + 2 + entry.size > len(payload):
            return None
        observations += _read(entry, payload[offset + 2 :], "little", device, at_ms)
        offset += 2 + entry.size
    return observations


def _elsys(payload: bytes, device: str, at_ms: int | None, _: str | None) -> list[Observation] | None:
    observations: list[Observation] = []
    offset = 0
    while offset < len(payload):
        entry = _ELSYS.get(payload[offset])
        if entry is None or offset + 1 + entry.size > len(payload):
            return None
        observations += _read(entry, payload[offset + 1 :], "big", device, at_ms)
        offset += 1 + entry.size
    return observations


def _read(entry: _Entry, value: bytes, order: Literal["little", "big"], device: str, at_ms: int | None) -> Iterator[Observation]:
    """The parts of one entry; an impossible one (a sensor that is not there says 0xFFFF) is passed over."""
    for part in entry.parts:
        number = int.from_bytes(value[part.offset : part.offset + part.size], order, signed=part.signed) >> part.flags
        whole = device if part.sub == 1 else text(f"{device}/{part.sub}", "device")
        if part.divisor == 0:
            yield Count(whole, part.what, number, at_ms)
        elif in_range(part.what, number / part.divisor):
            yield Reading(whole, part.what, number / part.divisor, at_ms)


def _cayenne(payload: bytes, device: str, at_ms: int | None, _: str | None) -> list[Observation] | None:
    return decode_cayenne_lpp(payload, device, at_ms)


_BY_PORT: dict[int | None, tuple[_Codec, ...]] = {
    1: (decode_decentlab, _cayenne),
    5: (_elsys, _cayenne),
    85: (_milesight, _elsys),  # Elsys' port can be set
}

"""Makers whose payloads are lists of entries, each with a grammar of its own: Tektelic, Seeed, Synetica, Yosensi.

The network server must name the model. Rows are those of the makers' documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.core.types import Observation
from gateway.decoders.lorawan.entries import Entry, Layout, Part, observe, read_entries

_Read = Callable[[bytes, str, int | None], list[Observation]]

# Tektelic, "technical reference manual" of the room sensors: channel and type, big-endian.
_TEKTELIC = Layout(
    {
        0x00BA: Entry(2, (Part("voltage", 0, 2, 1_000),)),
        0x00FF: Entry(2, (Part("voltage", 0, 2, 100),)),
        0x0367: Entry(2, (Part("temperature", 0, 2, 10, signed=True),)),
        0x0B67: Entry(2, (Part("device_temperature", 0, 2, 10, signed=True),)),
        0x0468: Entry(1, (Part("humidity", 0, 1, 2),)),
        0x0A00: Entry(1, (Part("occupancy", 0, 1, yes_or_no=True),)),
        0x0D04: Entry(2),  # movements, with the configuration of the sensor
        0x0100: Entry(1),
        0x0200: Entry(1),
        0x0804: Entry(2),
        0x0C00: Entry(1),
        0x0571: Entry(6),
        0x1002: Entry(2),
    },
    2,
    "big",
)
# Seeed Studio, "SenseCAP LoRaWAN sensors": channel and measurement id, then 4 bytes in thousandths; a checksum ends the list.
_SEEED = Layout(
    {
        0x010110: Entry(4, (Part("temperature", 0, 4, 1_000, signed=True),)),
        0x010210: Entry(4, (Part("humidity", 0, 4, 1_000, signed=True),)),
        0x010310: Entry(4, (Part("illuminance", 0, 4, 1_000, signed=True),)),
        0x010410: Entry(4, (Part("co2", 0, 4, 1_000, signed=True),)),
        0x010510: Entry(4, (Part("pressure", 0, 4, 100_000, signed=True),)),  # of pascals
        0x010610: Entry(4, (Part("probe_temperature", 0, 4, 1_000, signed=True),)),
        0x010710: Entry(4, (Part("soil_moisture", 0, 4, 1_000, signed=True),)),
        0x010810: Entry(4, (Part("wind_direction", 0, 4, 1_000, signed=True),)),
        0x010910: Entry(4, (Part("wind_speed", 0, 4, 1_000, signed=True),)),
    },
    3,
    "little",
)
# Synetica, "enLink payload": one byte of type, big-endian.
_SYNETICA = Layout(
    {
        0x01: Entry(2, (Part("temperature", 0, 2, 10, signed=True),)),
        0x02: Entry(1, (Part("humidity", 0, 1),)),
        0x03: Entry(2, (Part("illuminance", 0, 2),)),
        0x04: Entry(2, (Part("pressure", 0, 2),)),
        0x05: Entry(2),
        0x08: Entry(2, (Part("co2", 0, 2),)),
        0x12: Entry(4),
        0x17: Entry(2),  # a probe, in the air or in a pipe
        0x2C: Entry(4),
        0x2D: Entry(4),
        0x3F: Entry(4),
        0x42: Entry(2, (Part("voltage", 0, 2, 1_000),)),
        0x57: Entry(4, (Part("pm1", 0, 4, float32=True),)),
        0x58: Entry(4, (Part("pm2_5", 0, 4, float32=True),)),
        0x59: Entry(4),
        0x5A: Entry(4, (Part("pm10", 0, 4, float32=True),)),
    },
    1,
    "big",
)
# Yosensi, "payload structure": type -> its number. The head of each entry states its size and whether a channel follows.
_YOSENSI: dict[int, Part] = {
    0x08: Part("voltage", 0, 2, 1_000),
    0x0D: Part("device_temperature", 0, 2, 10, signed=True),
    0x10: Part("humidity", 0, 1),
    0x15: Part("pressure", 0, 2, 10),
    0x6C: Part("co2", 0, 2),
}
_YOSENSI_HEAD = 4
_PASSAGES = {0: "ltr", 1: "rtl", 2: "ltr_sum", 3: "rtl_sum"}  # channel of type 0x60 of the people counter


def _entries(layout: Layout) -> _Read:
    return lambda payload, device, at_ms: read_entries(payload, layout, device, at_ms, is_named=True) or []


def _yosensi(payload: bytes, device: str, at_ms: int | None) -> list[Observation]:
    observations: list[Observation] = []
    at = _YOSENSI_HEAD
    while at + 3 <= len(payload):
        kind, shape = payload[at], payload[at + 2]
        has_channel, size = bool(shape & 0x10), (shape & 0x0F) + 1
        begin = at + 3 + has_channel
        channel = payload[at + 3] if has_channel and at + 3 < len(payload) else None
        value = payload[begin : begin + size]
        part = (
            _YOSENSI.get(kind)
            if channel is None
            else Part(_PASSAGES[channel], 0, size, 0)
            if kind == 0x60 and channel in _PASSAGES
            else None
        )
        found = observe(part, value, "big", device, at_ms) if part is not None and len(value) == size == part.size else None
        observations += [] if found is None else [found]
        at = begin + size
    return observations


# first letters of the model, in lower case without punctuation -> its grammar
_MAKERS: tuple[tuple[str, _Read], ...] = (
    ("tektelic.*|smartroom.*|comfort|vivid|kona.*", _entries(_TEKTELIC)),
    ("sensecap.*|seeed.*", _entries(_SEEED)),
    ("enlink.*|synetica.*", _entries(_SYNETICA)),
    ("yo(?!peoplecounter)[a-z].*|yosensi.*", _yosensi),
    ("yopeoplecounter", _yosensi),
)
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")


def decode_entries(payload: bytes, _port: int | None, device: str, at_ms: int | None, model: str | None) -> list[Observation] | None:
    """The observations of one payload, or `None` where the model is none of these makers'."""
    read = _reader(model)
    return None if read is None else read(payload, device, at_ms)


def has_entries(model: str | None) -> bool:
    """Whether the model is of one of these makers."""
    return _reader(model) is not None


def _reader(model: str | None) -> _Read | None:
    plain = _NOT_ALPHANUMERIC.sub("", (model or "").lower())
    return next((read for names, read in _MAKERS if plain and re.fullmatch(names, plain)), None)

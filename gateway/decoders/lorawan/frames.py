"""Fixed frames of LoRaWAN sensors: numbers at fixed places, by maker and model.

A frame is read only where the network server names the model, and where its first bytes and its length are those of the maker's
document. The rows state that document.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from gateway.core.types import Observation
from gateway.decoders.lorawan.entries import Part, observe


class Frame(NamedTuple):
    """`models` match the whole name of the model, in lower case without punctuation; `head` are the first bytes, `size` is the least."""

    models: str
    head: bytes
    size: int
    parts: tuple[Part, ...]
    order: Literal["little", "big"] = "big"
    port: int | None = None


_BROWAN = (
    Part("voltage", 1, 1, 10, mask=0x0F, offset_value=2.5),
    Part("temperature", 2, 1, mask=0x7F, offset_value=-32.0),
)


def _netvox(kind: int, *parts: Part) -> Frame:
    """Netvox, "application commands": version, device type, report 1, battery in tenths of a volt (the highest bit: low), values."""
    return Frame("(netvox)?r[ab]?\\d{2,4}[a-z]*\\d?", bytes((1, kind, 1)), 11, (Part("voltage", 3, 1, 10, mask=0x7F), *parts), port=6)


_FRAMES: tuple[Frame, ...] = (
    _netvox(0x02),
    _netvox(0x03, Part("temperature", 4, 2, 100, signed=True), Part("illuminance", 6, 2), Part("occupancy", 8, 1)),
    _netvox(0x01, Part("temperature", 4, 2, 100, signed=True), Part("humidity", 6, 2, 100)),
    _netvox(0x0B, Part("temperature", 4, 2, 100, signed=True), Part("humidity", 6, 2, 100)),
    _netvox(0x13, Part("temperature", 4, 2, 100, signed=True), Part("humidity", 6, 2, 100)),
    _netvox(0x06, Part("leak", 4, 1, yes_or_no=True)),
    _netvox(0x12, Part("leak", 4, 1, yes_or_no=True)),
    _netvox(0x1E, Part("illuminance", 4, 4)),
    _netvox(0x95, Part("temperature", 4, 2, 10, signed=True)),
    _netvox(0x25),
    _netvox(0x4A),
    _netvox(0xDE),
    # Browan, "Tabs" sensors: status, battery, temperature and humidity, then by port
    Frame(
        "(browan)?tb(climate|hv|ms)(100|110)?",
        b"",
        8,
        (*_BROWAN, Part("humidity", 3, 1, mask=0x7F), Part("co2", 4, 2)),
        "little",
        103,
    ),
    Frame("(browan)?tb(sound|so)(100)?", b"", 4, (*_BROWAN, Part("noise", 3, 1)), "little", 105),
    Frame(
        "(browan)?tb(waterleak|wl)(100)?",
        b"",
        4,
        (*_BROWAN, Part("leak", 0, 1, mask=0x01), Part("humidity", 3, 1, mask=0x7F)),
        "little",
        106,
    ),
    # Bosch, "Parking Lot Sensor, communication interface": a change on port 1, a heartbeat with the temperature on port 2
    Frame("(bosch)?parkinglotsensor.*", b"", 2, (Part("occupancy", 0, 1, mask=0x01), Part("temperature", 1, 1, signed=True)), port=2),
    Frame("(bosch)?parkinglotsensor.*", b"", 1, (Part("occupancy", 0, 1, mask=0x01),), port=1),
    Frame("(bosch)?parkinglotsensor.*", b"", 1, (Part("occupancy", 0, 1, mask=0x01),), port=2),
    # Dragino: battery in millivolts, then by model (user manuals)
    Frame(
        "(dragino)?lht65n?",
        b"",
        11,
        (Part("voltage", 0, 2, 1_000, mask=0x3FFF), Part("temperature", 2, 2, 100, signed=True), Part("humidity", 4, 2, 10)),
        port=2,
    ),
    Frame("(dragino)?lht52", b"", 11, (Part("temperature", 0, 2, 100, signed=True), Part("humidity", 2, 2, 10)), port=2),
    Frame("(dragino)?lds0[12]", b"", 10, (Part("voltage", 0, 2, 1_000, mask=0x3FFF), Part("contact", 0, 1, flags=7)), port=2),
    # HKT, "People counter": counters since the last report, and totals
    Frame(
        "(hkt)?peoplecounter",
        b"hkt",
        18,
        (Part("counter_a", 6, 2, 0), Part("counter_b", 8, 2, 0), Part("total_counter_a", 10, 4, 0), Part("total_counter_b", 14, 4, 0)),
    ),
    # Terabee, "People Counting L-XL, LoRa payload": totals, and a byte of flags
    Frame("(terabee)?peoplecounting(lxl|xl|l)?", b"", 9, (Part("total_in", 0, 4, 0), Part("total_out", 4, 4, 0))),
    # IMBuildings, "Comfort sensor LoRaWAN manual": payload type 1, variant 3
    Frame(
        "(imbuildings)?comfortsensor",
        b"\x01\x03",
        20,
        (
            Part("voltage", 11, 2, 100),
            Part("temperature", 13, 2, 100, signed=True),
            Part("humidity", 15, 2, 100),
            Part("co2", 17, 2),
            Part("occupancy", 19, 1, yes_or_no=True),
        ),
    ),
    # pmx, "TCR radar counter", port 13: passages and their speed by direction
    Frame("(pmx)?tcr(ls|hs|dli|dls)?", b"\xa2\x14", 8, (Part("ltr", 3, 2, 0), Part("rtl", 6, 2, 0)), port=13),
    # IMBuildings, "People Counter LoRaWAN manual": payload type 2, variant 6
    Frame(
        "(imbuildings)?peoplecounter",
        b"\x02\x06",
        23,
        (
            Part("counter_a", 13, 2, 0),
            Part("counter_b", 15, 2, 0),
            Part("total_counter_a", 18, 2, 0),
            Part("total_counter_b", 20, 2, 0),
            Part("voltage", 11, 2, 100),
        ),
    ),
    # Parametric, "PCR2 application payloads", version 4: vendor, product, version, then counts since the last frame and in all
    Frame(
        "(parametric)?pcr2(in|od|xio|ods|oda|odb|odbs)?",
        b"\xbe\x01\x04",
        11,
        (Part("ltr", 3, 2, 0), Part("rtl", 5, 2, 0), Part("ltr_sum", 7, 2, 0), Part("rtl_sum", 9, 2, 0)),
    ),
    Frame(
        "(parametric)?pcr2(in|od|xio|ods|oda|odb|odbs)?", b"\x0a", 6, (Part("ltr", 1, 2, 0), Part("rtl", 4, 2, 0))
    ),  # in the layout of Elsys
)
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")


def decode_frame(payload: bytes, port: int | None, device: str, at_ms: int | None, model: str | None) -> list[Observation] | None:
    """The observations of a frame, or `None` where it is none of this model."""
    fitting = (one for one in _of_model(model) if payload.startswith(one.head) and len(payload) >= one.size)
    frame = next((one for one in fitting if one.port in (None, port)), None)
    if frame is None:
        return None
    found = [observe(part, payload, frame.order, device, at_ms) for part in frame.parts]
    return [one for one in found if one is not None]


def has_frames(model: str | None) -> bool:
    """Whether a frame of this model has a row."""
    return any(True for _ in _of_model(model))


def _of_model(model: str | None) -> list[Frame]:
    plain = _NOT_ALPHANUMERIC.sub("", (model or "").lower())
    return [one for one in _FRAMES if plain and re.fullmatch(one.models, plain)]

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
    """`models` match the whole name of the model, in lower case without punctuation; `head` are the first bytes."""

    models: str
    head: bytes
    size: int
    parts: tuple[Part, ...]
    order: Literal["little", "big"] = "big"


_FRAMES: tuple[Frame, ...] = (
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
        "(parametric)?pcr2.*",
        b"\xbe\x01\x04",
        11,
        (Part("ltr", 3, 2, 0), Part("rtl", 5, 2, 0), Part("ltr_sum", 7, 2, 0), Part("rtl_sum", 9, 2, 0)),
    ),
    Frame("(parametric)?pcr2.*", b"\x0a", 6, (Part("ltr", 1, 2, 0), Part("rtl", 4, 2, 0))),  # in the layout of Elsys
)
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")


def decode_frame(payload: bytes, device: str, at_ms: int | None, model: str | None) -> list[Observation] | None:
    """The observations of a frame, or `None` where it is none of this model."""
    frame = next((one for one in _of_model(model) if payload.startswith(one.head) and len(payload) >= one.size), None)
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

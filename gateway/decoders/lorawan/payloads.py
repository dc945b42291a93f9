"""Payloads of LoRaWAN sensors that the network server did not decode.

A LoRaWAN message does not name the format of its payload. Two makers' formats can be recognised: Milesight's and Elsys'
are lists of entries of published types and sizes. A payload counts as one of them only on the maker's ports, and if the
network server names one of the maker's models, or known entries with possible values use it up to its last byte. Elsys'
port can be changed, but its short entries fit other makers' bytes: on another port the model must be named, and on
Milesight's port a payload counts too if it begins with a temperature and a humidity. Decentlab's frames are read by
`decentlab.py`, all others are tried as Cayenne LPP. A payload of an unknown format gives no reading, because a wrong
guess would pass for a measurement.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.core.types import Observation
from gateway.decoders.lorawan.cayenne_lpp import PAYLOAD_BYTES_MAX, decode_cayenne_lpp
from gateway.decoders.lorawan.decentlab import decode_decentlab, is_decentlab
from gateway.decoders.lorawan.elsys import decode_elsys, is_elsys
from gateway.decoders.lorawan.frames import decode_frame, has_frames
from gateway.decoders.lorawan.milesight import decode_milesight, is_milesight

_Codec = Callable[[bytes, str, int | None, str | None], list[Observation] | None]


def decode_payload(payload: bytes, port: int | None, device: str, at_ms: int | None, model: str | None = None) -> list[Observation]:
    """The observations in a sensor's payload; none where its format is unknown. `model` is the name that the network server states."""
    if not 0 < len(payload) <= PAYLOAD_BYTES_MAX:
        return []
    for codec in _codecs(port, model):
        found = codec(payload, device, at_ms, model)
        if found is not None:
            return found
    return []


def is_of_known_maker(model: str | None) -> bool:
    """Whether `model` names the maker of the device, so that its payload needs no guess."""
    return is_milesight(model) or is_elsys(model) or is_decentlab(model) or has_frames(model)


def _decode_elsys_of_rooms(payload: bytes, device: str, at_ms: int | None, model: str | None) -> list[Observation] | None:
    """As `decode_elsys()`, for payloads that begin as those of room sensors; `None` for others and for another maker's model."""
    if is_milesight(model) or payload[:1] != b"\x01" or payload[3:4] != b"\x02":
        return None
    return decode_elsys(payload, device, at_ms, model)


def _codecs(port: int | None, model: str | None) -> tuple[_Codec, ...]:
    """The codecs to try: that of the maker where the model names one, then those of the port."""
    if has_frames(model):
        return (decode_frame,)
    if is_elsys(model):
        return (decode_elsys, decode_cayenne_lpp)
    return _BY_PORT.get(port, (decode_cayenne_lpp,))


_BY_PORT: dict[int | None, tuple[_Codec, ...]] = {
    1: (decode_decentlab, decode_cayenne_lpp),
    5: (decode_elsys, decode_cayenne_lpp),
    85: (decode_milesight, _decode_elsys_of_rooms),
}

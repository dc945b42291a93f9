"""Payloads of LoRaWAN sensors that the network server did not decode.

A LoRaWAN message does not name the format of its payload. Two makers' formats can be recognised: Milesight's and Elsys'
are lists of entries of published types and sizes. A payload counts as one of them only on the maker's ports, and if
known entries use it up to its last byte. Decentlab's frames are read by `decentlab.py`, all others are tried as Cayenne
LPP. A payload of an unknown format gives no reading, because a wrong guess would pass for a measurement.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.core.types import Observation
from gateway.decoders.lorawan.cayenne_lpp import PAYLOAD_BYTES_MAX, decode_cayenne_lpp
from gateway.decoders.lorawan.decentlab import decode_decentlab
from gateway.decoders.lorawan.elsys import decode_elsys
from gateway.decoders.lorawan.milesight import decode_milesight

_Codec = Callable[[bytes, str, int | None, str | None], list[Observation] | None]


def decode_payload(payload: bytes, port: int | None, device: str, at_ms: int | None, model: str | None = None) -> list[Observation]:
    """The observations in a sensor's payload; none where its format is unknown. `model` is the name that the network server states."""
    if not 0 < len(payload) <= PAYLOAD_BYTES_MAX:
        return []
    for codec in _BY_PORT.get(port, (decode_cayenne_lpp,)):
        found = codec(payload, device, at_ms, model)
        if found is not None:
            return found
    return []


_BY_PORT: dict[int | None, tuple[_Codec, ...]] = {
    1: (decode_decentlab, decode_cayenne_lpp),
    5: (decode_elsys, decode_cayenne_lpp),
    85: (decode_milesight, decode_elsys),  # the port of Elsys can be changed
}

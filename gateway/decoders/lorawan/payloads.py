"""The bytes of LoRaWAN sensors, for when the network server hands them on undecoded.

Nothing in a LoRaWAN message tells how its sensor writes. Two makers' formats tell it themselves: Milesight's
and Elsys' are lists of entries whose kinds and sizes are published. A payload counts as theirs only on a port
on which they send and when it is used up to its last byte by known entries. Decentlab's frames are read in
`decentlab.py`. Everything else is tried as Cayenne LPP. What none of them is gives no reading: a wrong guess
would look like weather.
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
    """What a sensor's bytes say, as far as their format can be told; `model` as the network server names it."""
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
    85: (decode_milesight, decode_elsys),  # Elsys' port can be set
}

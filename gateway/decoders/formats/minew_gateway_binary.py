"""Minew G1 gateways in binary mode: everything heard since the last message, as bytes.

A header (BB 01, length of the message, the gateway's address, how many tags), then for each tag its address, a
flag and how many advertisements, and for each of these its length, its bytes, one byte more and the signal
strength; a checksum at the end. Of several advertisements of one tag each is a sighting: people walk while the
gateway collects. Facts: Minew, "G1 binary data format", and messages that gateways really sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.core import limits
from gateway.core.types import Message, Observation, Status
from gateway.decoders.bluetooth.advertisement import understand
from gateway.decoders.bluetooth.frames import frame_of
from gateway.decoders.bluetooth.radio_observations import observed
from gateway.decoders.contract import NO_KEYS, Decoder, Keys, bounded, measured, refuse

_HEAD = bytes.fromhex("bb01")
_LENGTH_AT, _GATEWAY_AT, _TAGS_AT, _FIRST_TAG_AT = 2, 6, 12, 14
_TAG_HEAD = 8


class _Heard(NamedTuple):
    mac: str
    data: bytes
    rssi: int


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """The gateway's sign of life, and the sightings and readings of all tags."""
    payload = message.payload
    if len(payload) > limits.PAYLOAD_BYTES_MAX:
        refuse("too_large", f"payload over {limits.PAYLOAD_BYTES_MAX} bytes")
    if not payload.startswith(_HEAD) or len(payload) < _FIRST_TAG_AT:
        refuse("wrong_shape", "does not begin as a message in binary mode")
    if _number(payload, _LENGTH_AT, 4) != len(payload):
        refuse("wrong_shape", "not as long as it says")
    gateway = payload[_GATEWAY_AT:_TAGS_AT].hex()
    observations: list[Observation] = [Status(gateway)]
    for heard in _tags(payload):
        rssi_dbm = measured(heard.rssi)
        if rssi_dbm is not None:
            observations += observed(gateway, heard.mac, rssi_dbm, understand(frame_of(heard.data, heard.mac), keys))
    return bounded(observations)


def _tags(payload: bytes) -> Iterator[_Heard]:
    at = _FIRST_TAG_AT
    for _ in range(_number(payload, _TAGS_AT, 2)):
        if at + _TAG_HEAD > len(payload):
            refuse("wrong_shape", "fewer tags than it says")
        mac, count = payload[at : at + 6].hex(), payload[at + 7]
        at += _TAG_HEAD
        for _ in range(count):
            size = payload[at] if at < len(payload) else 0
            end = at + 1 + size
            if end + 2 > len(payload):
                refuse("wrong_shape", "an advertisement is cut off")
            yield _Heard(mac, payload[at + 1 : end], payload[end + 1] - 256)
            at = end + 2


def _number(payload: bytes, at: int, size: int) -> int:
    return int.from_bytes(payload[at : at + size], "big")


DECODER = Decoder("minew_gateway_binary", (), decode, decode)

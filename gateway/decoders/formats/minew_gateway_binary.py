"""Minew G1 gateways in binary mode: all advertisements received since the last message.

A header (BB 01, length of the message, the gateway's address, number of tags); for each tag its address, a flag and the
number of advertisements, and for each of these its length, its bytes, one more byte and the rssi; a checksum at the
end. Each of several advertisements of one tag is a sighting, because people walk while the gateway collects. Source:
Minew, "G1 binary data format", and messages of real gateways.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.core.types import Message, Observation, Status
from gateway.decoders.bluetooth.advertisement import parse_advertisement
from gateway.decoders.bluetooth.frames import frame_of
from gateway.decoders.bluetooth.radio_observations import radio_observations
from gateway.decoders.contract import HEARD, NO_KEYS, UNSTATED, Decoder, Keys, bounded, check_size, refuse, rssi_or_none

_HEAD = bytes.fromhex("bb01")
_LENGTH_AT, _GATEWAY_AT, _TAGS_AT, _FIRST_TAG_AT = 2, 6, 12, 14
_TAG_HEAD = 8


class _Reception(NamedTuple):
    mac: str
    data: bytes
    rssi: int


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """The status of the gateway, and sightings and readings of all tags.

    Raises DecodeError: "wrong_shape" for another header, length or a message that is cut off, "too_large".
    """
    payload = message.payload
    check_size(payload)
    if not payload.startswith(_HEAD) or len(payload) < _FIRST_TAG_AT:
        refuse("wrong_shape", "the payload must begin with BB 01 and be at least 14 bytes long")
    if _number(payload, _LENGTH_AT, 4) != len(payload):
        refuse("wrong_shape", "the length field is not the length of the payload")
    gateway = UNSTATED if message.topic else payload[_GATEWAY_AT:_TAGS_AT].hex()
    observations: list[Observation] = [Status(gateway)]
    for reception in _tags(payload):
        rssi_dbm = rssi_or_none(reception.rssi)
        if rssi_dbm is not None:
            observations += radio_observations(
                gateway, reception.mac, rssi_dbm, parse_advertisement(frame_of(reception.data, reception.mac), keys)
            )
    return bounded(observations)


def _tags(payload: bytes) -> Iterator[_Reception]:
    at = _FIRST_TAG_AT
    for _ in range(_number(payload, _TAGS_AT, 2)):
        if at + _TAG_HEAD > len(payload):
            refuse("wrong_shape", "the payload ends before its last tag")
        mac, count = payload[at : at + 6].hex(), payload[at + 7]
        at += _TAG_HEAD
        for _ in range(count):
            size = payload[at] if at < len(payload) else 0
            end = at + 1 + size
            if end + 2 > len(payload):
                refuse("wrong_shape", "an advertisement is cut off")
            yield _Reception(mac, payload[at + 1 : end], payload[end + 1] - 256)
            at = end + 2


def _number(payload: bytes, at: int, size: int) -> int:
    return int.from_bytes(payload[at : at + size], "big")


DECODER = Decoder("minew_gateway_binary", (), decode, decode, role="scanner", kinds=HEARD)

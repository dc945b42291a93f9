"""reelyActive raddecs ("radio decodings"): one transmitter, and all receivers of its signal.

Source: https://github.com/reelyactive/raddec. As JSON or as bytes: 10, the length, the transmitter (type of id, id),
then for each receiver rssi + 127, number of decodings, type of id, id; optional properties, and the sum of all bytes at
the end. The rssi of each receiver is a sighting; packets are link layer PDUs (header, the address reversed, the
advertisement).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gateway.core import limits
from gateway.core.types import Message, Observation, Position
from gateway.decoders.bluetooth.advertisement import NOTHING, Advertisement, hex_bytes, parse_advertisement
from gateway.decoders.bluetooth.frames import frame_of
from gateway.decoders.bluetooth.radio_observations import radio_observations
from gateway.decoders.contract import (
    HEARD,
    NO_KEYS,
    Decoder,
    Keys,
    bounded,
    check_size,
    number_or_none,
    parse_json,
    refuse,
    rssi_or_none,
    text,
)
from gateway.decoders.values.radio_ids import canonical_id, mac_or_none

_FLAG = 0x10
_ID_BYTES = {1: 8, 2: 6, 3: 6, 4: 16, 5: 12, 6: 8}  # EUI-64, EUI-48, random address, UUID, EPC, …
_RSSI_ZERO = 127
_PDU_HEAD = 8
_TIME_FLAG = 0xF0


class _Receiver(msgspec.Struct, gc=False, rename="camel"):
    receiver_id: str
    rssi: object = None


class _Raddec(msgspec.Struct, gc=False, rename="camel"):
    transmitter_id: str
    rssi_signature: list[_Receiver]
    pdus: list[str] = msgspec.field(default_factory=list, name="packets")
    timestamp: object = None
    earliest_decoding_time: object = None
    position: object = None


_RADDEC = msgspec.json.Decoder(_Raddec)


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """A sighting for each receiver, the readings in the packets, and the position of the transmitter where it is stated.

    Raises DecodeError: "missing_field" where no receiver has a measured rssi, "wrong_shape" for a wrong length or
    checksum, "unknown_kind" for another type of id, "too_large".
    """
    is_binary = message.payload[:1] == bytes((_FLAG,))
    raddec = _binary(message.payload) if is_binary else parse_json(message.payload, _RADDEC)
    transmitter = canonical_id(text(raddec.transmitter_id, "transmitterId"))
    advertisement = _advertisement(raddec, mac_or_none(raddec.transmitter_id), keys)
    at_ms = _time(raddec)
    observations: list[Observation] = []
    for receiver in raddec.rssi_signature:
        strength = rssi_or_none(receiver.rssi)
        if strength is not None:
            hearer = canonical_id(text(receiver.receiver_id, "receiverId"))
            observations += radio_observations(hearer, transmitter, strength, advertisement, at_ms)
            advertisement = advertisement._replace(readings=())  # one measurement, although several receivers forward it
    if not observations:
        refuse("missing_field", "no receiver has an rssi within -127..-1")
    return bounded([*observations, *_position(transmitter, raddec.position, at_ms)])


def _advertisement(raddec: _Raddec, device: str | None, keys: Keys) -> Advertisement:
    """The first packet of a known format."""
    pdus = (hex_bytes(digits) for digits in raddec.pdus)
    understood = (parse_advertisement(frame_of(pdu[_PDU_HEAD:], device), keys) for pdu in pdus if pdu is not None)
    return next((advertisement for advertisement in understood if advertisement.is_known), NOTHING)


def _time(raddec: _Raddec) -> int | None:
    for stated in (raddec.timestamp, raddec.earliest_decoding_time):
        at_ms = number_or_none(stated, 0, limits.CLOCK_CEILING_MS)
        if at_ms is not None:
            return int(at_ms)
    return None


def _position(transmitter: str, stated: object, at_ms: int | None) -> Iterator[Position]:
    """The position in longitude, latitude and perhaps height; none where it is out of range."""
    if isinstance(stated, list) and len(stated) >= 2:
        longitude, latitude = number_or_none(stated[0], -180, 180), number_or_none(stated[1], -90, 90)
        if longitude is not None and latitude is not None:
            yield Position(transmitter, latitude, longitude, at_ms=at_ms)


def _binary(payload: bytes) -> _Raddec:
    check_size(payload)
    if len(payload) < 5 or int.from_bytes(payload[1:3], "big") != len(payload):
        refuse("wrong_shape", "the length field is not the length of the payload")
    if sum(payload[:-1]) & 0xFF != payload[-1]:
        refuse("wrong_shape", "the checksum is wrong")
    transmitter, at = _identifier(payload, 3)
    count = payload[at] & 0x0F
    at += 1
    receivers: list[_Receiver] = []
    for _ in range(count):
        strength = payload[at] - _RSSI_ZERO
        receiver, at = _identifier(payload, at + 2)
        receivers.append(_Receiver(receiver, strength))
    has_time = payload[at] == _TIME_FLAG and at + 7 < len(payload)
    return _Raddec(transmitter, receivers, timestamp=int.from_bytes(payload[at + 1 : at + 7], "big") if has_time else None)


def _identifier(payload: bytes, at: int) -> tuple[str, int]:
    """An id in hex digits and the offset after it, at which there is at least one more byte."""
    size = _ID_BYTES.get(payload[at]) if at < len(payload) else None
    if size is None:
        refuse("unknown_kind", "the type of an id must be within 1..6")
    end = at + 1 + size
    if end >= len(payload):
        refuse("wrong_shape", "an id is cut off")
    return payload[at + 1 : end].hex(), end


DECODER = Decoder("reelyactive_raddec", (), decode, decode, kinds=HEARD | {"position"})

"""One advertisement in the JSON that Theengs Decoder reads: service data, manufacturer data, a name.

A gateway that leaves decoding to others publishes this. Here nothing but the advertisement speaks, so one that
neither is understood nor tells whose it is (by a company, a name, or a service UUID that belongs to somebody) is
refused: it is noise, or of a format that somebody still has to write.
"""

from __future__ import annotations

import msgspec

from gateway.core.types import Message, Observation
from gateway.decoders.bluetooth.advertisement import understand
from gateway.decoders.bluetooth.frames import Frame
from gateway.decoders.contract import NO_KEYS, UNSTATED, Decoder, Keys, parse_json, refuse
from gateway.decoders.formats.theengs import Body, device_of, frame_of, observe
from gateway.decoders.values.radio_ids import mac_or_none

_BODY = msgspec.json.Decoder(Body)
_OWNED = ("fc", "fd", "fe", "ff")  # 16-bit UUIDs FC00 and up are given to members and standards bodies


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """The sighting where a strength was measured, otherwise a sign of life; and what was measured."""
    body = parse_json(message.payload, _BODY)
    levels = message.topic.split("/")
    device = device_of(body, mac_or_none(levels[-1]))
    frame = frame_of(body, device)
    said = understand(frame, keys)
    if not said.understood and not _owned(frame):
        refuse("unknown_kind", "an advertisement of nobody known")
    return observe(UNSTATED, device, body, said)


def _owned(frame: Frame) -> bool:
    return bool(frame.manufacturer or frame.name) or any(len(uuid) == 4 and uuid.startswith(_OWNED) for uuid, _ in frame.services)


DECODER = Decoder("theengs_ble_json", (), decode, decode)

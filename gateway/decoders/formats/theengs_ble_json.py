"""One advertisement as the JSON that Theengs Decoder takes: service data, manufacturer data, a name.

Gateways that leave decoding to others publish it. It states nothing beside the advertisement, so one of an unknown
format without an owner (a company, a name, or a registered service UUID) is refused as noise.
"""

from __future__ import annotations

import msgspec

from gateway.core.types import Message, Observation
from gateway.decoders.bluetooth.advertisement import parse_advertisement
from gateway.decoders.bluetooth.frames import Frame
from gateway.decoders.contract import HEARD, NO_KEYS, UNSTATED, Decoder, Keys, parse_json, refuse
from gateway.decoders.formats.theengs import Body, body_observations, device_of, frame_of
from gateway.decoders.values.radio_ids import mac_or_none

_BODY = msgspec.json.Decoder(Body)
_OWNED = ("fc", "fd", "fe", "ff")  # 16-bit UUIDs from FC00 on are assigned to members and standards bodies


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """The sighting (without an rssi a status) and the readings.

    Raises DecodeError: "unknown_kind" for an advertisement of an unknown format without an owner, "wrong_shape".
    """
    body = parse_json(message.payload, _BODY)
    levels = message.topic.split("/")
    device = device_of(body, mac_or_none(levels[-1]))
    frame = frame_of(body, device)
    advertisement = parse_advertisement(frame, keys)
    if not advertisement.is_known and not _owned(frame):
        refuse("unknown_kind", "the advertisement is of an unknown format, without a company, a name or a registered service")
    return body_observations(UNSTATED, device, body, advertisement)


def _owned(frame: Frame) -> bool:
    return bool(frame.manufacturer or frame.name) or any(len(uuid) == 4 and uuid.startswith(_OWNED) for uuid, _ in frame.services)


DECODER = Decoder("theengs_ble_json", (), decode, decode, role="scanner", kinds=HEARD)

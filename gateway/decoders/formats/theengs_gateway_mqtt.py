"""Theengs Gateway and OpenMQTTGateway: received Bluetooth devices, on `home/{gateway}/BTtoMQTT/{device}`.

With presence switched on, `{"id", "rssi", "distance"}` is published on `home/home_presence/{gateway}`. Topics with
`commands` give nothing.
"""

from __future__ import annotations

import msgspec

from gateway.core.types import Message, Observation, Reading
from gateway.decoders.bluetooth.advertisement import parse_advertisement
from gateway.decoders.contract import HEARD, NO_KEYS, UNSTATED, Decoder, Keys, parse_json, refuse, text
from gateway.decoders.formats.theengs import Body, body_observations, check_shape, device_of, frame_of
from gateway.decoders.values.radio_ids import mac_or_none
from gateway.decoders.values.speakers import is_radio

_BRANCH, _PRESENCE, _COMMANDS = "BTtoMQTT", "home_presence", "commands"
_BODY = msgspec.json.Decoder(Body)


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """The sighting of one device, and its readings.

    Raises DecodeError: "missing_field" without a device, or without id, data and values, "wrong_shape".
    """
    levels = message.topic.split("/")
    body = parse_json(message.payload, _BODY)
    if _COMMANDS in levels:
        return []
    check_shape(body)
    device = device_of(body, mac_or_none(levels[-1]))
    advertisement = parse_advertisement(frame_of(body, device), keys)
    if body.id is None and (device or advertisement.beacon or advertisement.mac) is None:
        refuse("missing_field", "the device is missing in topic and id")
    found = body_observations(_gateway(levels), device, body, advertisement)
    return [one for one in found if not isinstance(one, Reading) or is_radio(one.device)]  # a mere name may be that of any device


def _gateway(levels: list[str]) -> str:
    if _BRANCH in levels[1:]:
        return text(levels[levels.index(_BRANCH, 1) - 1], "gateway")
    return text(levels[-1], "gateway") if _PRESENCE in levels[:-1] else UNSTATED


DECODER = Decoder(
    "theengs_gateway_mqtt",
    ("home/+/BTtoMQTT/+", "home/home_presence/+", "home/+/commands/#"),
    decode,
    decode,
    speakers=(f"home/{_PRESENCE}/{{gateway}}", f"home/{{gateway}}/{_BRANCH}/#"),
    role="scanner",
    kinds=HEARD,
)

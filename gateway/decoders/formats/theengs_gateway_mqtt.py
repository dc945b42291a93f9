"""Theengs Gateway and OpenMQTTGateway: what they hear, on `home/{gateway}/BTtoMQTT/{device}`.

With presence switched on they also publish `{"id", "rssi", "distance"}` on `home/home_presence/{gateway}`.
Commands to the gateways pass on the same broker and say nothing that is kept.
"""

from __future__ import annotations

import msgspec

from gateway.core.types import Message, Observation
from gateway.decoders.bluetooth.advertisement import understand
from gateway.decoders.contract import NO_KEYS, UNSTATED, Decoder, Keys, parse_json, refuse, text
from gateway.decoders.formats.theengs import Body, check_shape, device_of, frame_of, observe
from gateway.decoders.values.radio_ids import mac_or_none

_BRANCH, _PRESENCE, _COMMANDS = "BTtoMQTT", "home_presence", "commands"
_BODY = msgspec.json.Decoder(Body)


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """The sighting of one device, and what it measures."""
    levels = message.topic.split("/")
    body = parse_json(message.payload, _BODY)
    if _COMMANDS in levels:
        return []
    check_shape(body)
    device = device_of(body, mac_or_none(levels[-1]))
    said = understand(frame_of(body, device), keys)
    if body.id is None and (device or said.beacon or said.mac) is None:
        refuse("missing_field", "the device: neither topic nor id name it")
    return observe(_hearer(levels), device, body, said)


def _hearer(levels: list[str]) -> str:
    if _BRANCH in levels[1:]:
        return text(levels[levels.index(_BRANCH, 1) - 1], "gateway")
    return text(levels[-1], "gateway") if _PRESENCE in levels[:-1] else UNSTATED


DECODER = Decoder("theengs_gateway_mqtt", ("home/+/BTtoMQTT/+", "home/home_presence/+", "home/+/commands/#"), decode, decode)

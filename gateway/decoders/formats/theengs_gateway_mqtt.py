"""Theengs Gateway and OpenMQTTGateway: received Bluetooth devices, on `home/{gateway}/BTtoMQTT/{device}`.

With presence switched on, `{"id", "rssi", "distance"}` is published on `home/home_presence/{gateway}`. Topics with
`commands` give nothing. `home/{gateway}/LWT` is the gateway's last will, `home/{gateway}/SYStoMQTT` its own state.
"""

from __future__ import annotations

import msgspec

from gateway.core import limits
from gateway.core.types import Message, Observation, Reading, Status
from gateway.decoders.bluetooth.advertisement import parse_advertisement
from gateway.decoders.contract import HEARD, NO_KEYS, UNSTATED, Decoder, Keys, number_or_none, parse_json, refuse, text
from gateway.decoders.formats.theengs import Body, body_observations, check_shape, device_of, frame_of
from gateway.decoders.values.radio_ids import mac_or_none
from gateway.decoders.values.speakers import is_radio
from gateway.decoders.values.text_payload import payload_text

_BRANCH, _PRESENCE, _COMMANDS = "BTtoMQTT", "home_presence", "commands"
_WILL, _SYSTEM = "LWT", "SYStoMQTT"
_BODY = msgspec.json.Decoder(Body)


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """The sighting of one device, and its readings.

    Raises DecodeError: "missing_field" without a device, or without id, data and values, "wrong_shape".
    """
    levels = message.topic.split("/")
    if levels[-1] in (_WILL, _SYSTEM):
        return [_own_status(levels, message.payload)]
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


def _own_status(levels: list[str], payload: bytes) -> Status:
    gateway = text(levels[-2] if len(levels) > 1 else "", "gateway")
    if levels[-1] == _SYSTEM:
        state = parse_json(payload)
        uptime = number_or_none(state.get("uptime"), 0, limits.INTEGER_MAX) if isinstance(state, dict) else None
        return Status(gateway, uptime_s=None if uptime is None else int(uptime))
    state = payload_text(payload)
    if state not in ("online", "offline"):
        refuse("unknown_kind", "a last will must be online or offline")
    return Status(gateway, state)


def _gateway(levels: list[str]) -> str:
    if _BRANCH in levels[1:]:
        return text(levels[levels.index(_BRANCH, 1) - 1], "gateway")
    return text(levels[-1], "gateway") if _PRESENCE in levels[:-1] else UNSTATED


DECODER = Decoder(
    "theengs_gateway_mqtt",
    ("home/+/BTtoMQTT/+", "home/home_presence/+", "home/+/commands/#", f"home/+/{_WILL}", f"home/+/{_SYSTEM}"),
    decode,
    decode,
    speakers=(f"home/{_PRESENCE}/{{gateway}}", f"home/{{gateway}}/{_BRANCH}/#", f"home/{{gateway}}/{_WILL}", f"home/{{gateway}}/{_SYSTEM}"),
    role="scanner",
    kinds=HEARD,
)

"""ChirpStack 4: events of LoRaWAN devices (https://www.chirpstack.io/docs/chirpstack/integrations/events.html).

The device is the DevEUI in `application/{application}/device/{devEui}/event/{kind}`. Without such a topic it is the one
in `deviceInfo`, and the kind follows from the fields that only one kind has. `up` becomes readings, `location` a
position, `join`, `ack` and `status` a status; `integration` is an uplink decoded by another service. `txack` and `log`
are about the network and give nothing. A message without a device and without an event topic is a downlink command and
gives nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway.core.types import Message, Observation, Status
from gateway.decoders.contract import PLACED, Decoder, number_or_none, parse_json, refuse
from gateway.decoders.lorawan.javascript import Codecs
from gateway.decoders.lorawan.uplink import Uplink, from_base64, links_in, port_or_none, position, uplink_observations
from gateway.decoders.values.decoded_objects import observations_in
from gateway.decoders.values.radio_ids import eui
from gateway.decoders.values.times import iso_ms

_UP = "up"
_TOPIC_LEVELS = 4  # device/{devEui}/event/{kind}


class _DeviceInfo(msgspec.Struct, gc=False):
    dev_eui: object = msgspec.field(default=None, name="devEui")
    model: object = msgspec.field(default=None, name="deviceProfileName")


class _Sent(msgspec.Struct, gc=False):
    """The fields that Wayside reads, of all kinds of events."""

    info: _DeviceInfo | None = msgspec.field(default=None, name="deviceInfo")
    time: object = None
    port: object = msgspec.field(default=None, name="fPort")
    data: object = None
    decoded: object = msgspec.field(default=None, name="object")
    receptions: object = msgspec.field(default=None, name="rxInfo")
    battery: object = msgspec.field(default=None, name="batteryLevel")
    margin: object = None
    place: dict[str, object] | None = msgspec.field(default=None, name="location")
    integration: object = msgspec.field(default=None, name="integrationName")
    device_address: object = msgspec.field(default=None, name="devAddr")
    queue_item: object = msgspec.field(default=None, name="queueItemId")
    acknowledged: object = None
    level: object = None


_SENT: msgspec.json.Decoder[_Sent] = msgspec.json.Decoder(_Sent)


def decode(message: Message, codecs: Codecs = ()) -> list[Observation]:
    """The readings of an uplink, a position or a status, depending on the kind of event.

    Raises DecodeError: "unknown_kind" for another event, "wrong_shape", "missing_field" or "out_of_range" for its
    fields.
    """
    sent = parse_json(message.payload, _SENT)
    levels = message.topic.split("/")[-_TOPIC_LEVELS:]
    on_topic = len(levels) == _TOPIC_LEVELS and levels[0] == "device" and levels[2] == "event"
    if sent.info is None and not on_topic:
        return []
    device = eui(levels[1], "topic") if on_topic else eui(sent.info.dev_eui, "devEui")
    kind = levels[3] if on_topic else _kind(sent)
    if kind == _UP:
        return uplink_observations(_uplink(device, sent), codecs)
    if kind not in _KINDS:
        refuse("unknown_kind", f"the event must be one of {', '.join((_UP, *_KINDS))}")
    return _KINDS[kind](device, sent)


def _kind(sent: _Sent) -> str:
    """The kind of an event that came without its topic; an empty text for an unknown one."""
    rows = (
        ("location", sent.place),
        ("integration", sent.integration),
        ("log", sent.level),
        ("ack", sent.acknowledged),
        ("txack", sent.queue_item),
        (_UP, sent.receptions),
        ("status", sent.margin if sent.battery is None else sent.battery),
        ("join", sent.device_address),
    )
    return next((kind for kind, field in rows if field is not None), "")


def _uplink(device: str, sent: _Sent) -> Uplink:
    model = sent.info.model if sent.info is not None else None
    return Uplink(
        device,
        iso_ms(sent.time),
        sent.decoded,
        from_base64(sent.data, "data"),
        port_or_none(sent.port),
        links_in(sent.receptions, "rssi", "snr"),
        model if isinstance(model, str) else None,
    )


def _alive(device: str, sent: _Sent) -> list[Observation]:
    return [Status(device, at_ms=iso_ms(sent.time), battery_pct=number_or_none(sent.battery, 0, 100))]


def _place(device: str, sent: _Sent) -> list[Observation]:
    if sent.place is None:
        refuse("missing_field", "location is missing")
    stated = sent.place
    return [position(device, stated.get("latitude"), stated.get("longitude"), iso_ms(sent.time), stated.get("accuracy"))]


def _integration(device: str, sent: _Sent) -> list[Observation]:
    return observations_in(device, sent.decoded, iso_ms(sent.time)) or _alive(device, sent)


def _silent(_: str, __: _Sent) -> list[Observation]:
    return []


_KINDS: dict[str, Callable[[str, _Sent], list[Observation]]] = {
    "join": _alive,
    "ack": _alive,
    "status": _alive,
    "location": _place,
    "integration": _integration,
    "txack": _silent,
    "log": _silent,
}

DECODER = Decoder("chirpstack_v4", ("application/+/device/+/event/+",), decode, kinds=PLACED, decode_coded=decode)

"""ChirpStack 4: events of LoRaWAN devices (https://www.chirpstack.io/docs/chirpstack/integrations/events.html).

The device is the DevEUI in `application/{application}/device/{devEui}/event/{kind}`, without such a topic the
one in `deviceInfo`; there the fields that only one kind has tell the kind. `up` becomes readings, `join`,
`ack` and `status` are signs of life, `location` is a position, and in `integration` another service decoded an
uplink. `txack` and `log` are the network's own and say nothing of the device. What neither names a device
nor stands on its event topic is a command on its way down, and no observation.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway.core.types import Message, Observation, Status
from gateway.decoders.contract import Decoder, optional, parse_json, refuse
from gateway.decoders.lorawan.uplink import Uplink, from_base64, links_in, observed, port_or_none, position
from gateway.decoders.values.decoded_objects import observations_in
from gateway.decoders.values.radio_ids import eui
from gateway.decoders.values.times import iso_ms

_TOPIC_LEVELS = 4  # device/{devEui}/event/{kind}


class _DeviceInfo(msgspec.Struct, gc=False):
    dev_eui: object = msgspec.field(default=None, name="devEui")
    model: object = msgspec.field(default=None, name="deviceProfileName")


class _Sent(msgspec.Struct, gc=False):
    """The fields that Wayside reads, of whichever kind of event."""

    info: _DeviceInfo | None = msgspec.field(default=None, name="deviceInfo")
    time: object = None
    port: object = msgspec.field(default=None, name="fPort")
    data: object = None
    decoded: object = msgspec.field(default=None, name="object")
    heard_by: object = msgspec.field(default=None, name="rxInfo")
    battery: object = msgspec.field(default=None, name="batteryLevel")
    margin: object = None
    place: dict[str, object] | None = msgspec.field(default=None, name="location")
    integration: object = msgspec.field(default=None, name="integrationName")
    device_address: object = msgspec.field(default=None, name="devAddr")
    queue_item: object = msgspec.field(default=None, name="queueItemId")
    acknowledged: object = None
    level: object = None


_SENT: msgspec.json.Decoder[_Sent] = msgspec.json.Decoder(_Sent)


def decode(message: Message) -> list[Observation]:
    """Readings of an uplink, a position or a sign of life, by the kind of event."""
    sent = parse_json(message.payload, _SENT)
    levels = message.topic.split("/")[-_TOPIC_LEVELS:]
    on_topic = len(levels) == _TOPIC_LEVELS and levels[0] == "device" and levels[2] == "event"
    if sent.info is None and not on_topic:
        return []
    device = eui(levels[1], "topic") if on_topic else eui(sent.info.dev_eui, "devEui")
    kind = levels[3] if on_topic else _kind(sent)
    if kind not in _KINDS:
        refuse("unknown_kind", "not one of ChirpStack's events")
    return _KINDS[kind](device, sent)


def _kind(sent: _Sent) -> str:
    """Of an event that came without its topic."""
    rows = (
        ("location", sent.place),
        ("integration", sent.integration),
        ("log", sent.level),
        ("ack", sent.acknowledged),
        ("txack", sent.queue_item),
        ("up", sent.heard_by),
        ("status", sent.margin if sent.battery is None else sent.battery),
        ("join", sent.device_address),
    )
    return next((kind for kind, field in rows if field is not None), "")


def _up(device: str, sent: _Sent) -> list[Observation]:
    model = sent.info.model if sent.info is not None else None
    return observed(
        Uplink(
            device,
            iso_ms(sent.time),
            sent.decoded,
            from_base64(sent.data, "data"),
            port_or_none(sent.port),
            links_in(sent.heard_by, "rssi", "snr"),
            model if isinstance(model, str) else None,
        )
    )


def _alive(device: str, sent: _Sent) -> list[Observation]:
    return [Status(device, at_ms=iso_ms(sent.time), battery_pct=optional(sent.battery, 0, 100))]


def _place(device: str, sent: _Sent) -> list[Observation]:
    if sent.place is None:
        refuse("missing_field", "location")
    stated = sent.place
    return [position(device, stated.get("latitude"), stated.get("longitude"), iso_ms(sent.time), stated.get("accuracy"))]


def _integration(device: str, sent: _Sent) -> list[Observation]:
    return observations_in(device, sent.decoded, iso_ms(sent.time)) or _alive(device, sent)


def _silent(_: str, __: _Sent) -> list[Observation]:
    return []


_KINDS: dict[str, Callable[[str, _Sent], list[Observation]]] = {
    "up": _up,
    "join": _alive,
    "ack": _alive,
    "status": _alive,
    "location": _place,
    "integration": _integration,
    "txack": _silent,
    "log": _silent,
}

DECODER = Decoder("chirpstack_v4", ("application/+/device/+/event/+",), decode)

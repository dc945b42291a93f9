"""ChirpStack 4: events of LoRaWAN devices (https://www.chirpstack.io/docs/chirpstack/integrations/events.html).

The device is the DevEUI in `application/{application}/device/{devEui}/event/{kind}`, without such a topic the
one in `deviceInfo`; there the fields that only one kind has tell the kind. `up` becomes readings, `join`,
`ack` and `status` are signs of life, `location` is a position, and in `integration` another service decoded an
uplink. `txack` and `log` are the network's own and say nothing of the device. What neither names a device
nor stands on its event topic is a command on its way down, and no observation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.core.types import Message, Observation, Status
from gateway.decoders.contract import Decoder, optional, parse_json, refuse
from gateway.decoders.decoded_objects import observations_in
from gateway.decoders.lorawan import Uplink, eui, from_base64, links_in, observed, port_or_none, position
from gateway.decoders.times import iso_ms

_EVENT_LEVELS = 4  # device/{devEui}/event/{kind}


class _DeviceInfo(msgspec.Struct, gc=False):
    dev_eui: object = msgspec.field(default=None, name="devEui")
    profile: object = msgspec.field(default=None, name="deviceProfileName")


class _Event(msgspec.Struct, gc=False):
    """The fields that Wayside reads, of whichever kind of event."""

    info: _DeviceInfo | None = msgspec.field(default=None, name="deviceInfo")
    time: object = None
    port: object = msgspec.field(default=None, name="fPort")
    data: object = None
    decoded: object = msgspec.field(default=None, name="object")
    heard_by: object = msgspec.field(default=None, name="rxInfo")
    battery: object = msgspec.field(default=None, name="batteryLevel")
    margin: object = None
    location: dict[str, object] | None = None
    integration: object = msgspec.field(default=None, name="integrationName")
    device_address: object = msgspec.field(default=None, name="devAddr")
    queue_item: object = msgspec.field(default=None, name="queueItemId")
    acknowledged: object = None
    level: object = None


_EVENT: msgspec.json.Decoder[_Event] = msgspec.json.Decoder(_Event)


def decode(message: Message) -> list[Observation]:
    """Readings of an uplink, a position or a sign of life, by the kind of event."""
    event = parse_json(message.payload, _EVENT)
    levels = message.topic.split("/")[-_EVENT_LEVELS:]
    on_topic = len(levels) == _EVENT_LEVELS and levels[0] == "device" and levels[2] == "event"
    if event.info is None and not on_topic:
        return []
    device = eui(levels[1], "topic") if on_topic else eui(event.info.dev_eui, "devEui")
    kind = levels[3] if on_topic else _kind(event)
    if kind not in _KINDS:
        refuse("unknown_kind", "not one of ChirpStack's events")
    return _KINDS[kind](device, event)


def _kind(event: _Event) -> str:
    """Of an event that came without its topic."""
    rows = (
        ("location", event.location),
        ("integration", event.integration),
        ("log", event.level),
        ("ack", event.acknowledged),
        ("txack", event.queue_item),
        ("up", event.heard_by),
        ("status", event.margin if event.battery is None else event.battery),
        ("join", event.device_address),
    )
    return next((kind for kind, field in rows if field is not None), "")


def _up(device: str, event: _Event) -> list[Observation]:
    profile = event.info.profile if event.info is not None else None
    return observed(
        Uplink(
            device,
            iso_ms(event.time),
            event.decoded,
            from_base64(event.data, "data"),
            port_or_none(event.port),
            links_in(event.heard_by, "rssi", "snr"),
            profile if isinstance(profile, str) else None,
        )
    )


def _alive(device: str, event: _Event) -> list[Observation]:
    return [Status(device, at_ms=iso_ms(event.time), battery_pct=optional(event.battery, 0, 100))]


def _location(device: str, event: _Event) -> list[Observation]:
    if event.location is None:
        refuse("missing_field", "location")
    stated = event.location
    return [position(device, stated.get("latitude"), stated.get("longitude"), iso_ms(event.time), stated.get("accuracy"))]


def _integration(device: str, event: _Event) -> list[Observation]:
    return observations_in(device, event.decoded, iso_ms(event.time)) or _alive(device, event)


def _silent(_: str, __: _Event) -> list[Observation]:
    return []


_KINDS: dict[str, Callable[[str, Any], list[Observation]]] = {
    "up": _up,
    "join": _alive,
    "ack": _alive,
    "status": _alive,
    "location": _location,
    "integration": _integration,
    "txack": _silent,
    "log": _silent,
}

DECODER = Decoder("chirpstack_v4", ("application/+/device/+/event/+",), decode)

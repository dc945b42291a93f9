"""The Things Stack v3: LoRaWAN devices of The Things Network (https://www.thethingsindustries.com/docs/integrations/data-formats/).

A message holds exactly one of the fields below, and that field tells its kind; its topic
(`v3/{application}@{tenant}/devices/{device}/...`) is the application's name for the device. The device is its
DevEUI, which is the same on every network; where that is not told, as in the storage integration, it is the
device id of the topic, then of the payload. `decoded_payload` comes from the maker's script; without one
`normalized_payload` is read, then the bytes. Downlinks on their way and the stack's own records are silent.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.types import Message, Observation, Status
from gateway.decoders.contract import Decoder, bounded, parse_json, refuse, text
from gateway.decoders.lorawan.uplink import Uplink, from_base64, links_in, observed, port_or_none, position
from gateway.decoders.values.decoded_objects import observations_in
from gateway.decoders.values.radio_ids import eui_or_none
from gateway.decoders.values.times import iso_ms

_DEVICE_LEVEL = 3  # v3/{application}/devices/{device}/...
_WRITTEN_DOWN = "user"


class _Ids(msgspec.Struct, gc=False):
    device_id: object = None
    dev_eui: object = None


class _Uplink(msgspec.Struct, gc=False):
    port: object = msgspec.field(default=None, name="f_port")
    payload: object = msgspec.field(default=None, name="frm_payload")
    decoded: object = msgspec.field(default=None, name="decoded_payload")
    normalized: list[object] | None = msgspec.field(default=None, name="normalized_payload")
    heard_by: object = msgspec.field(default=None, name="rx_metadata")
    received_at: object = None
    places: dict[str, object] | None = msgspec.field(default=None, name="locations")
    version: dict[str, object] | None = msgspec.field(default=None, name="version_ids")


class _Message(msgspec.Struct, gc=False):
    ids: _Ids | None = msgspec.field(default=None, name="end_device_ids")
    received_at: object = None
    uplink: _Uplink | None = msgspec.field(default=None, name="uplink_message")
    join: dict[str, object] | None = msgspec.field(default=None, name="join_accept")
    acked: dict[str, object] | None = msgspec.field(default=None, name="downlink_ack")
    nacked: dict[str, object] | None = msgspec.field(default=None, name="downlink_nack")
    located: dict[str, object] | None = msgspec.field(default=None, name="location_solved")


class _Stored(msgspec.Struct, gc=False):
    """A message out of the storage integration."""

    result: _Message | None = None


_MESSAGE: msgspec.json.Decoder[_Message] = msgspec.json.Decoder(_Message)
_STORED: msgspec.json.Decoder[_Stored] = msgspec.json.Decoder(_Stored)


def decode(message: Message) -> list[Observation]:
    """Readings of an uplink, a position or a sign of life."""
    said = parse_json(message.payload, _MESSAGE)
    if said.ids is None and said.uplink is None:
        said = parse_json(message.payload, _STORED).result
        if said is None:
            return []
    device = _device(message.topic, said.ids or _Ids())
    at_ms = iso_ms(said.received_at)
    if said.uplink is not None:
        return _uplink(device, said.uplink, at_ms)
    if said.located is not None:
        return [_place(device, said.located.get("location"), at_ms)]
    if said.join is not None or said.acked is not None or said.nacked is not None:
        return [Status(device, at_ms=at_ms)]
    return []


def _device(topic: str, ids: _Ids) -> str:
    found = eui_or_none(ids.dev_eui)
    if found is not None:
        return found
    levels = topic.split("/")
    if len(levels) > _DEVICE_LEVEL and levels[2] == "devices" and levels[_DEVICE_LEVEL]:
        return text(levels[_DEVICE_LEVEL], "topic")
    return text(ids.device_id, "device_id")


def _uplink(device: str, uplink: _Uplink, at_ms: int | None) -> list[Observation]:
    heard_ms = iso_ms(uplink.received_at)  # by the network; the application's own time is some hops later
    at_ms = at_ms if heard_ms is None else heard_ms
    model = (uplink.version or {}).get("model_id")
    heard = observed(
        Uplink(
            device,
            at_ms,
            _decoded(device, uplink),
            from_base64(uplink.payload, "frm_payload"),
            port_or_none(uplink.port),
            links_in(uplink.heard_by, "rssi", "snr"),
            model if isinstance(model, str) else None,
        )
    )
    return bounded([*heard, *_places(device, uplink.places or {}, at_ms)])


def _decoded(device: str, uplink: _Uplink) -> object:
    """The maker's own words, or the stack's where they mean nothing here."""
    if not uplink.normalized or observations_in(device, uplink.decoded, None):
        return uplink.decoded
    return uplink.normalized[0]


def _places(device: str, stated: dict[str, object], at_ms: int | None) -> list[Observation]:
    """One place of several: a measured one (by GPS, by the network) before that which its owner wrote down (`user`)."""
    source = min(stated, key=lambda name: name == _WRITTEN_DOWN, default=None)
    return [] if source is None else [_place(device, stated[source], at_ms)]


def _place(device: str, stated: Any, at_ms: int | None) -> Observation:
    if not isinstance(stated, dict):
        refuse("wrong_shape", "location must be an object")
    if "latitude" not in stated and "longitude" not in stated:
        refuse("missing_field", "latitude and longitude")  # one alone is left out where it is 0
    return position(device, stated.get("latitude", 0), stated.get("longitude", 0), at_ms, stated.get("accuracy"))


DECODER = Decoder("ttn_v3", ("v3/+/devices/#", "v3/as/applications/#"), decode)

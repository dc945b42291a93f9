"""The Things Stack v3: LoRaWAN devices of The Things Network (https://www.thethingsindustries.com/docs/integrations/data-formats/).

A message holds exactly one of the fields below, which is its kind; its topic
(`v3/{application}@{tenant}/devices/{device}/...`) holds the application's name of the device. The device is its DevEUI,
which is the same on every network; where it is not stated, as in the storage integration, it is the device id of the
topic, then of the payload. `decoded_payload` comes from the maker's script; where it holds nothing that is kept,
`normalized_payload` is read with all its entries, then the bytes. Downlinks and the stack's own records give nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.types import Message, Observation, Position, Status
from gateway.decoders.contract import PLACED, Decoder, bounded, parse_json, refuse, text
from gateway.decoders.lorawan.javascript import Codecs
from gateway.decoders.lorawan.uplink import Uplink, from_base64, links_in, port_or_none, position, uplink_observations
from gateway.decoders.values.decoded_objects import observations_in
from gateway.decoders.values.radio_ids import eui_or_none
from gateway.decoders.values.times import iso_ms

_DEVICE_LEVEL = 3  # v3/{application}/devices/{device}/...
_BY_OWNER = "user"


class _Ids(msgspec.Struct, gc=False):
    device_id: object = None
    dev_eui: object = None


class _Uplink(msgspec.Struct, gc=False):
    port: object = msgspec.field(default=None, name="f_port")
    payload: object = msgspec.field(default=None, name="frm_payload")
    decoded: object = msgspec.field(default=None, name="decoded_payload")
    normalized: list[object] | None = msgspec.field(default=None, name="normalized_payload")
    receptions: object = msgspec.field(default=None, name="rx_metadata")
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
    """A message of the storage integration."""

    result: _Message | None = None


_MESSAGE: msgspec.json.Decoder[_Message] = msgspec.json.Decoder(_Message)
_STORED: msgspec.json.Decoder[_Stored] = msgspec.json.Decoder(_Stored)


def decode(message: Message, codecs: Codecs = ()) -> list[Observation]:
    """The readings of an uplink, a position or a status.

    Raises DecodeError: "missing_field" without a device or coordinates, "wrong_shape" or "out_of_range" for a field,
    "too_large".
    """
    sent = parse_json(message.payload, _MESSAGE)
    if sent.ids is None and sent.uplink is None:
        sent = parse_json(message.payload, _STORED).result
        if sent is None:
            return []
    device = _device(message.topic, sent.ids or _Ids())
    at_ms = iso_ms(sent.received_at)
    if sent.uplink is not None:
        return _uplink(device, sent.uplink, at_ms, codecs)
    if sent.located is not None:
        return [_place(device, sent.located.get("location"), at_ms)]
    if sent.join is not None or sent.acked is not None or sent.nacked is not None:
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


def _uplink(device: str, uplink: _Uplink, at_ms: int | None, codecs: Codecs) -> list[Observation]:
    received_ms = iso_ms(uplink.received_at)  # by the network, which is earlier than by the application
    at_ms = at_ms if received_ms is None else received_ms
    model = (uplink.version or {}).get("model_id")
    observations = uplink_observations(
        Uplink(
            device,
            at_ms,
            uplink.decoded,
            from_base64(uplink.payload, "frm_payload"),
            port_or_none(uplink.port),
            links_in(uplink.receptions, "rssi", "snr"),
            model if isinstance(model, str) else None,
            tuple(one for entry in uplink.normalized or () for one in _normalized(device, entry, at_ms)),
        ),
        codecs,
    )
    is_placed = any(isinstance(one, Position) for one in observations)  # by the tracker itself
    return bounded([*observations, *([] if is_placed else _places(device, uplink.places or {}, at_ms))])


def _normalized(device: str, entry: object, at_ms: int | None) -> list[Observation]:
    """The readings of one entry of `normalized_payload`, at its own time where it states one.

    Its schema differs from the makers' scripts: `battery` is in volts, and `motion.detected` is the occupancy.
    """
    if not isinstance(entry, dict):
        return []
    action = entry.get("action")
    motion = action.get("motion") if isinstance(action, dict) else None
    detected = motion.get("detected") if isinstance(motion, dict) else None
    renamed = {"batteryVoltage" if key == "battery" else key: value for key, value in entry.items()}
    measured_ms = iso_ms(entry.get("time"))
    return observations_in(device, {**renamed, "occupied": detected}, at_ms if measured_ms is None else measured_ms)


def _places(device: str, stated: dict[str, object], at_ms: int | None) -> list[Observation]:
    """One of several positions: a measured one (by GPS, by the network) before the one in the settings (`user`)."""
    source = min(stated, key=lambda name: name == _BY_OWNER, default=None)
    return [] if source is None else [_place(device, stated[source], at_ms)]


def _place(device: str, stated: Any, at_ms: int | None) -> Observation:
    if not isinstance(stated, dict):
        refuse("wrong_shape", "location must be an object")
    if "latitude" not in stated and "longitude" not in stated:
        refuse("missing_field", "latitude and longitude are missing")  # a coordinate of 0 is left out
    return position(device, stated.get("latitude", 0), stated.get("longitude", 0), at_ms, stated.get("accuracy"))


DECODER = Decoder("ttn_v3", ("v3/+/devices/#", "v3/as/applications/#"), decode, kinds=PLACED, decode_coded=decode)

"""CloudEvents 1.0 in JSON: an envelope of the CNCF around anybody's content (https://cloudevents.io).

Structured mode is understood (`application/cloudevents+json`), and an array of them. In binary mode the envelope
stands in MQTT 5 user properties, which are no part of a message here. The device is `source`, and where a `subject`
is stated, that below it; the state is the `type` when the content says nothing that Wayside keeps.

Of the content (`data`, or JSON in `data_base64`) these shapes are understood:
- an object of known names, nested or flat: `{"temperature": 21.5, "air": {"humidity": 40}}` (`decoded_objects.py`);
- one measurement: `{"name" or "quantity": "temperature", "value": 70.1, "unit": "°F"}`;
- one count: `{"what": "people", "count": 3}`;
- a SenML pack (`datacontenttype` of `application/senml+json`).
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from gateway.core import limits
from gateway.core.types import Count, Message, Observation, Reading, Status
from gateway.decoders.contract import Decoder, bounded, optional, parse_json, refuse, text
from gateway.decoders.formats.senml import pack_observations
from gateway.decoders.values.decoded_objects import observations_in
from gateway.decoders.values.naming import named
from gateway.decoders.values.times import iso_ms
from gateway.decoders.values.units import measured_amount

_VERSIONS = ("1.0", "0.3")
_SENML = "application/senml+json"
_JSON_TYPES = ("application/json", "text/json", _SENML)


class _Envelope(msgspec.Struct, gc=False):
    """The attributes that are read, checked where they are used."""

    specversion: object = None
    type: object = None
    source: object = None
    id: object = None
    subject: object = None
    time: object = None
    datacontenttype: object = None
    data: object = None
    data_base64: object = None


def decode(message: Message) -> list[Observation]:
    """What is measured or counted in the content, or that its sender lives."""
    parsed = parse_json(message.payload)
    envelopes = parsed if isinstance(parsed, list) else [parsed]
    observations: list[Observation] = []
    for stated in envelopes:
        if not isinstance(stated, dict):
            refuse("wrong_shape", "an envelope is an object")
        observations += _envelope(msgspec.convert(stated, _Envelope), message.received_at_ms)
    return bounded(observations)


def _envelope(said: _Envelope, received_at_ms: int) -> list[Observation]:
    if text(said.specversion, "specversion") not in _VERSIONS:
        refuse("unknown_kind", "specversion is not one that is known")
    text(said.id, "id")
    kind, source = text(said.type, "type"), text(said.source, "source")
    device = source if said.subject is None else text(f"{source}/{text(said.subject, 'subject')}", "subject")
    at_ms = iso_ms(said.time)
    return _content(device, said, at_ms, received_at_ms) or [Status(device, kind, at_ms)]


def _content(device: str, said: _Envelope, at_ms: int | None, received_at_ms: int) -> list[Observation]:
    stated = said.datacontenttype
    media = stated.partition(";")[0].strip().lower() if isinstance(stated, str) else ""
    if media and media not in _JSON_TYPES and not media.endswith("+json"):
        return []
    data = said.data if said.data_base64 is None else _unpacked(said.data_base64, is_json=bool(media))
    if media == _SENML:
        return pack_observations(data, received_at_ms)
    if not isinstance(data, dict):
        return []
    if "value" in data and ("name" in data or "quantity" in data):
        return _measurement(device, data, at_ms)
    if "count" in data and "what" in data:
        count = optional(data["count"], 0, limits.INTEGER_MAX)
        if count is None or not count.is_integer():
            refuse("out_of_range", "count must be a whole number")
        return [Count(device, text(data["what"], "what"), int(count), at_ms)]
    return observations_in(device, data, at_ms)


def _unpacked(stated: object, *, is_json: bool) -> object:
    """The content of `data_base64` where it says to be JSON; other bytes are nobody's to guess at."""
    if not isinstance(stated, str):
        refuse("wrong_shape", "data_base64 must be a text")
    if not is_json:
        return None
    try:
        return parse_json(base64.b64decode(stated, validate=True))
    except (binascii.Error, ValueError):
        refuse("wrong_shape", "data_base64 is not the base64 of JSON")


def _measurement(device: str, data: dict[str, object], at_ms: int | None) -> list[Observation]:
    meant = named(text(data.get("quantity", data.get("name")), "name"))
    if meant is None:
        return []
    unit = data.get("unit", data.get("uom"))
    amount = measured_amount(meant.quantity, data["value"], meant.unit if unit is None else text(unit, "unit"))
    if amount is None:
        refuse("out_of_range", "value outside the range of its quantity, or in a unit that it has not")
    return [Reading(device, meant.quantity, amount, at_ms)]


DECODER = Decoder("cloudevents", (), decode)

"""CloudEvents 1.0 in JSON: the envelope of the CNCF (https://cloudevents.io).

Structured mode (`application/cloudevents+json`) is read, and an array of envelopes. In binary mode the envelope is in
MQTT 5 user properties, which a message here does not hold. The device is `source`, with a `subject`
`{source}/{subject}`; where the content gives no observation, the envelope is an event of the device `source` at the place `subject`,
until the extension attribute `expirytime`.

Content (`data`, or JSON in `data_base64`) is read in these shapes:
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
from gateway.core.types import Count, Event, Message, Observation, Reading
from gateway.decoders.contract import MEASURED, Decoder, bounded, number_or_none, parse_json, refuse, text
from gateway.decoders.formats.senml import pack_observations
from gateway.decoders.values.decoded_objects import observations_in
from gateway.decoders.values.quantity_names import quantity_named
from gateway.decoders.values.times import iso_ms
from gateway.decoders.values.units import canonical_amount

_VERSIONS = ("1.0", "0.3")
_COUNT_KINDS = ("passed", "total", "present")
_SENML = "application/senml+json"
_JSON_TYPES = ("application/json", "text/json", _SENML)


class _Envelope(msgspec.Struct, gc=False):
    """The attributes that are read; each is checked where it is used."""

    specversion: object = None
    type: object = None
    source: object = None
    id: object = None
    subject: object = None
    time: object = None
    datacontenttype: object = None
    data: object = None
    data_base64: object = None
    expirytime: object = None


def decode(message: Message) -> list[Observation]:
    """The readings and counts in the content of each envelope, or an event.

    Raises DecodeError: "unknown_kind" for another `specversion`, "missing_field" or "wrong_shape" for an attribute,
    "out_of_range" for a value that is impossible in its quantity, "too_large".
    """
    parsed = parse_json(message.payload)
    envelopes = parsed if isinstance(parsed, list) else [parsed]
    observations: list[Observation] = []
    for stated in envelopes:
        if not isinstance(stated, dict):
            refuse("wrong_shape", "an envelope must be an object")
        observations += _envelope(msgspec.convert(stated, _Envelope), message.received_at_ms)
    return bounded(observations)


def _envelope(envelope: _Envelope, received_at_ms: int) -> list[Observation]:
    if text(envelope.specversion, "specversion") not in _VERSIONS:
        refuse("unknown_kind", f"specversion must be one of {', '.join(_VERSIONS)}")
    number, kind, source = text(envelope.id, "id"), text(envelope.type, "type"), text(envelope.source, "source")
    subject = None if envelope.subject is None else text(envelope.subject, "subject")
    device = source if subject is None else text(f"{source}/{subject}", "subject")
    at_ms = iso_ms(envelope.time)
    event = Event(source, source, number, kind, subject, at_ms, iso_ms(envelope.expirytime))
    return _content(device, envelope, at_ms, received_at_ms) or [event]


def _content(device: str, envelope: _Envelope, at_ms: int | None, received_at_ms: int) -> list[Observation]:
    stated = envelope.datacontenttype
    media = stated.partition(";")[0].strip().lower() if isinstance(stated, str) else ""
    if media and media not in _JSON_TYPES and not media.endswith("+json"):
        return []
    data = envelope.data if envelope.data_base64 is None else _unpacked(envelope.data_base64, is_json=bool(media))
    if media == _SENML:
        return pack_observations(data, received_at_ms)
    if not isinstance(data, dict):
        return []
    if "value" in data and ("name" in data or "quantity" in data):
        return _measurement(device, data, at_ms)
    if "count" in data and "what" in data:
        count = number_or_none(data["count"], 0, limits.INTEGER_MAX)
        if count is None or not count.is_integer():
            refuse("out_of_range", "count must be a whole number")
        kind, direction = data.get("kind", "passed"), data.get("direction")
        if kind not in _COUNT_KINDS or direction not in (None, "in", "out"):
            refuse("unknown_kind", "kind must be passed, total or present, and direction in or out")
        return [Count(device, text(data["what"], "what"), int(count), at_ms, kind, direction)]
    return observations_in(device, data, at_ms)


def _unpacked(stated: object, *, is_json: bool) -> object:
    """The JSON in `data_base64`, or `None` where no media type declares it as JSON."""
    if not isinstance(stated, str):
        refuse("wrong_shape", "data_base64 must be a text")
    if not is_json:
        return None
    try:
        return parse_json(base64.b64decode(stated, validate=True))
    except (binascii.Error, ValueError):
        refuse("wrong_shape", "data_base64 must be JSON in base64")


def _measurement(device: str, data: dict[str, object], at_ms: int | None) -> list[Observation]:
    meant = quantity_named(text(data.get("quantity", data.get("name")), "name"))
    if meant is None:
        return []
    unit = data.get("unit", data.get("uom"))
    amount = canonical_amount(meant.quantity, data["value"], meant.unit if unit is None else text(unit, "unit"))
    if amount is None:
        refuse("out_of_range", "value is out of the range of its quantity, or in a unit of another quantity")
    return [Reading(device, meant.quantity, amount, at_ms)]


DECODER = Decoder("cloudevents", (), decode, kinds=MEASURED | {"event"})

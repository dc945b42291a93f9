"""Ruuvi Gateway: forwards the advertisements of Bluetooth sensors, by MQTT or as bodies of HTTP.

By MQTT it publishes one tag a message on `ruuvi/{gateway MAC}/{tag MAC}` and its own state on `ruuvi/{gateway
MAC}/gw_status`; the bodies of its HTTP push and of `GET /history` hold several tags in `data.tags`. Source:
https://docs.ruuvi.com/ruuvi-gateway-firmware/data-formats. Each received device is a sighting, and values of a Ruuvi
sensor are readings of that tag. A gateway set to decode adds the values and may omit the raw bytes; only then its
values are read.
"""

from __future__ import annotations

import msgspec

from gateway.core import limits
from gateway.core.types import Message, Observation, Status
from gateway.decoders.bluetooth.advertisement import Advertisement, parse_hex
from gateway.decoders.bluetooth.radio_observations import radio_observations
from gateway.decoders.contract import (
    HEARD,
    NO_KEYS,
    Decoder,
    Keys,
    bounded,
    number_or_none,
    parse_json,
    refuse,
    rssi,
    rssi_or_none,
    text,
)
from gateway.decoders.values.measurements import possible_readings
from gateway.decoders.values.radio_ids import mac, mac_or_none
from gateway.decoders.values.speakers import hearer_of, parse_template
from gateway.decoders.values.times import seconds, seconds_ms

_STATUS = "gw_status"
_FLOAT = (-1e9, 1e9)  # any measurable amount; in_range() decides


class _Tag(msgspec.Struct, gc=False):
    """One received tag; the last fields are those of a gateway that decodes."""

    rssi: object = None
    timestamp: object = None
    data: object = None
    id: object = None
    temperature: object = None
    humidity: object = None
    pressure: object = None
    voltage: object = None
    co2: object = msgspec.field(default=None, name="CO2")
    pm2_5: object = msgspec.field(default=None, name="PM2.5")
    voc: object = msgspec.field(default=None, name="VOC")
    nox: object = msgspec.field(default=None, name="NOx")
    luminosity: object = None


class _Many(msgspec.Struct, gc=False):
    tags: dict[str, _Tag]
    gw_mac: object = None


class _Body(_Tag, gc=False):
    """A message of any of the three kinds; `data` holds the tags, or the bytes of one."""

    data: str | _Many | None = None
    gw_mac: object = None
    ts: object = None
    gwts: object = None
    state: object = None
    device_addr: object = msgspec.field(default=None, name="DEVICE_ADDR")
    uptime: object = msgspec.field(default=None, name="UPTIME")


_SPEAKERS = ("ruuvi/{gateway_mac}/+",)
_TEMPLATES = tuple(map(parse_template, _SPEAKERS))
_BODY = msgspec.json.Decoder(_Body)

# field of a gateway that decodes -> (quantity, how many of its unit make one of ours)
_DECODED: tuple[tuple[str, str, float], ...] = (
    ("temperature", "temperature", 1),
    ("humidity", "humidity", 1),
    ("pressure", "pressure", 100),  # Pa
    ("voltage", "voltage", 1),
    ("co2", "co2", 1),
    ("pm2_5", "pm2_5", 1),
    ("voc", "voc_index", 1),
    ("nox", "nox_index", 1),
    ("luminosity", "illuminance", 1),
)


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """Sightings and readings of the tags, or the status of the gateway.

    Raises DecodeError: "missing_field" for a message of no kind or without a device, "out_of_range" without a measured
    rssi, "wrong_shape" for a MAC address or data, "too_large".
    """
    body = parse_json(message.payload, _BODY)
    levels = message.topic.split("/")
    topic = message.topic
    if isinstance(body.data, _Many):
        return _many(_gateway(topic, body.data.gw_mac), body.data, keys)
    if body.rssi is not None or body.data is not None:
        return _single(_gateway(topic, body.gw_mac), mac_or_none(levels[-1]), body, keys)
    if levels[-1] != _STATUS and body.state is None and body.device_addr is None:
        refuse("missing_field", "the message must hold tags, the data of a tag or a state")
    return [_status(_gateway(topic, body.device_addr), body)]


def _gateway(topic: str, stated: object) -> str:
    return hearer_of(_TEMPLATES, topic, None if topic or stated is None else mac(stated, "gw_mac"))


def _many(gateway: str, many: _Many, keys: Keys) -> list[Observation]:
    """A tag without a measured rssi is left out; if none is left, the message is refused."""
    observations: list[Observation] = []
    for stated, tag in many.tags.items():
        if rssi_or_none(tag.rssi) is not None:
            observations += _tag(gateway, mac(stated, "tags"), tag, seconds_ms(tag.timestamp), keys)
    if many.tags and not observations:
        refuse("out_of_range", "the rssi of at least one tag must be within -127..-1")
    return bounded(observations) or [Status(gateway)]


def _single(gateway: str, tag_mac: str | None, body: _Body, keys: Keys) -> list[Observation]:
    at_ms = seconds_ms(body.ts) or seconds_ms(body.gwts)
    return _tag(gateway, tag_mac or mac_or_none(body.id), body, at_ms, keys)


def _tag(gateway: str, tag_mac: str | None, tag: _Tag, at_ms: int | None, keys: Keys) -> list[Observation]:
    advertisement = _advertisement(tag_mac, tag, keys)
    if (tag_mac or advertisement.beacon or advertisement.mac) is None:
        refuse("missing_field", "the MAC address of the tag is missing in topic and data")
    return radio_observations(gateway, tag_mac, rssi(tag.rssi), advertisement, at_ms)


def _advertisement(tag_mac: str | None, tag: _Tag, keys: Keys) -> Advertisement:
    """The advertisement in the raw bytes; without them, the values that the gateway decoded."""
    if tag.data is not None:
        advertisement = parse_hex(tag.data, tag_mac, keys)
        if advertisement is None:
            refuse("wrong_shape", "data must be hex digits")
        return advertisement
    stated = ((quantity, number_or_none(getattr(tag, field), *_FLOAT), per) for field, quantity, per in _DECODED)
    return Advertisement(readings=possible_readings((quantity, None if value is None else value / per) for quantity, value, per in stated))


def _status(gateway: str, body: _Body) -> Status:
    uptime_s = seconds(body.uptime)
    return Status(
        gateway,
        "online" if body.state is None else text(body.state, "state"),
        uptime_s=uptime_s if uptime_s is not None and 0 <= uptime_s <= limits.INTEGER_MAX else None,
    )


DECODER = Decoder("ruuvi_gateway", ("ruuvi/+/+",), decode, decode, speakers=_SPEAKERS, role="scanner", kinds=HEARD)

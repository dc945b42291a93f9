"""Ruuvi Gateway: hands on the advertisements of Bluetooth sensors, by MQTT or as HTTP-like bodies.

By MQTT it publishes one tag a message on `ruuvi/{gateway MAC}/{tag MAC}` and its own state on
`ruuvi/{gateway MAC}/gw_status`; the bodies of its HTTP push and of `GET /history` carry many tags under
`data.tags`. Facts: https://docs.ruuvi.com/ruuvi-gateway-firmware/data-formats. Everything it hears is a
sighting; what a Ruuvi sensor measured comes as readings of that tag. With decoding switched on the
gateway adds the measured values, and may leave out the raw bytes: then its values are taken.
"""

from __future__ import annotations

import msgspec

from gateway.core import limits
from gateway.core.types import Message, Observation, Status
from gateway.decoders.bluetooth.advertisement import Advertisement, from_hex
from gateway.decoders.bluetooth.radio_observations import observed
from gateway.decoders.contract import NO_KEYS, UNSTATED, Decoder, Keys, bounded, measured, optional, parse_json, refuse, rssi, text
from gateway.decoders.values.measurements import kept
from gateway.decoders.values.radio_ids import mac, mac_or_none
from gateway.decoders.values.times import seconds, seconds_ms

_STATUS = "gw_status"
_FLOAT = (-1e9, 1e9)  # anything measurable; the quantity has the last word


class _Tag(msgspec.Struct, gc=False):
    """One heard tag; the last fields are there when the gateway decodes."""

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


_BODY = msgspec.json.Decoder(_Body)

# field of the gateway's own decoding -> (quantity, how many of its unit make one of ours)
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
    """Sightings and readings of the tags, or the gateway's status."""
    body = parse_json(message.payload, _BODY)
    levels = message.topic.split("/")
    above = mac_or_none(levels[-2]) if len(levels) > 1 else None
    if isinstance(body.data, _Many):
        return _many(above or _stated_mac(body.data.gw_mac), body.data, keys)
    if body.rssi is not None or body.data is not None:
        return _single(above or _stated_mac(body.gw_mac), mac_or_none(levels[-1]), body, keys)
    if levels[-1] != _STATUS and body.state is None and body.device_addr is None:
        refuse("missing_field", "neither tags, nor a tag's data, nor a state")
    return [_status(above or _stated_mac(body.device_addr), body)]


def _stated_mac(value: object) -> str:
    return UNSTATED if value is None else mac(value, "gw_mac")


def _many(gateway: str, many: _Many, keys: Keys) -> list[Observation]:
    """One tag without a measured signal strength does not take the others with it; none left is a fault."""
    observations: list[Observation] = []
    for stated, tag in many.tags.items():
        if measured(tag.rssi) is not None:
            observations += _tag(gateway, mac(stated, "tags"), tag, seconds_ms(tag.timestamp), keys)
    if many.tags and not observations:
        refuse("out_of_range", "rssi of every tag outside -127..-1")
    return bounded(observations) or [Status(gateway)]


def _single(gateway: str, tag_mac: str | None, body: _Body, keys: Keys) -> list[Observation]:
    at_ms = seconds_ms(body.ts) or seconds_ms(body.gwts)
    return _tag(gateway, tag_mac or mac_or_none(body.id), body, at_ms, keys)


def _tag(gateway: str, tag_mac: str | None, tag: _Tag, at_ms: int | None, keys: Keys) -> list[Observation]:
    said = _advertisement(tag_mac, tag, keys)
    if (tag_mac or said.beacon or said.mac) is None:
        refuse("missing_field", "the tag's MAC: neither topic nor data name it")
    return observed(gateway, tag_mac, rssi(tag.rssi), said, at_ms)


def _advertisement(tag_mac: str | None, tag: _Tag, keys: Keys) -> Advertisement:
    """What the raw bytes say; without them, what the gateway read in them."""
    if tag.data is not None:
        said = from_hex(tag.data, tag_mac, keys)
        if said is None:
            refuse("wrong_shape", "data must be hex digits")
        return said
    stated = ((quantity, optional(getattr(tag, field), *_FLOAT), per) for field, quantity, per in _DECODED)
    return Advertisement(readings=kept((quantity, None if value is None else value / per) for quantity, value, per in stated))


def _status(gateway: str, body: _Body) -> Status:
    uptime_s = seconds(body.uptime)
    return Status(
        gateway,
        "online" if body.state is None else text(body.state, "state"),
        uptime_s=uptime_s if uptime_s is not None and 0 <= uptime_s <= limits.INTEGER_MAX else None,
    )


DECODER = Decoder("ruuvi_gateway", ("ruuvi/+/+",), decode, decode)

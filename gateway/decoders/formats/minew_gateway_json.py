"""Minew G1 gateways: a JSON array of all advertisements since the last one, on `/gw/{gateway MAC}/status`.

The element of type "Gateway" is the gateway itself; "iBeacon" elements are decoded, "S1" elements hold temperature and
humidity, and "Unknown" ones the raw advertisement. The hearer is the gateway in the topic; the Gateway element names it
only where there is no topic. One array holds hundreds of radios, so an element without a measured rssi is left out and
the others are kept. `battery` 0 means that the tag states none.
"""

from __future__ import annotations

import msgspec

from gateway.core.types import Message, Observation, Status
from gateway.decoders.bluetooth.advertisement import NOTHING, parse_hex
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
    rssi_or_none,
    tx_power_or_none,
)
from gateway.decoders.values.measurements import Readings, possible_readings
from gateway.decoders.values.radio_ids import ibeacon_id, mac, mac_or_none
from gateway.decoders.values.speakers import hearer_of, parse_template
from gateway.decoders.values.times import iso_ms

_GATEWAY = "Gateway"
_QUANTITIES = ("temperature", "humidity", "battery")
_FLOAT = (-1e9, 1e9)  # any measurable amount; in_range() decides


class _Element(msgspec.Struct, gc=False, rename="camel"):
    type: object = None
    mac: object = None
    timestamp: object = None
    rssi: object = None
    raw_data: object = None
    ibeacon_uuid: object = None
    ibeacon_major: object = None
    ibeacon_minor: object = None
    ibeacon_tx_power: object = None
    temperature: object = None
    humidity: object = None
    battery: object = None


_SPEAKERS = ("/gw/{gateway_mac}/status",)
_TEMPLATES = tuple(map(parse_template, _SPEAKERS))
_ELEMENTS = msgspec.json.Decoder(list[_Element])


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """The status of the gateway, a sighting for each tag, and readings of the sensors.

    Raises DecodeError: "out_of_range" where no element has an id and a measured rssi, "wrong_shape", "too_large".
    """
    elements: list[_Element] = parse_json(message.payload, _ELEMENTS)
    hearer = _gateway(message.topic, elements)
    observations: list[Observation] = []
    for element in elements:
        if element.type == _GATEWAY:
            observations.append(Status(hearer, at_ms=iso_ms(element.timestamp)))
        else:
            observations += _tag(hearer, element, keys)
    if elements and not observations:
        refuse("out_of_range", "no element has an id and an rssi within -127..-1")
    return bounded(observations)


def _gateway(topic: str, elements: list[_Element]) -> str:
    stated = (mac(element.mac, "mac") for element in elements if not topic and element.type == _GATEWAY)
    return hearer_of(_TEMPLATES, topic, next(stated, None))


def _tag(hearer: str, element: _Element, keys: Keys) -> list[Observation]:
    """The sighting and readings of one element; none where it has no id or no measured rssi."""
    device = mac_or_none(element.mac)
    advertisement = parse_hex(element.raw_data, device, keys) or NOTHING
    beacon = ibeacon_id(element.ibeacon_uuid, element.ibeacon_major, element.ibeacon_minor) or advertisement.beacon
    rssi_dbm = rssi_or_none(element.rssi)
    if rssi_dbm is None or (beacon or device or advertisement.mac) is None:
        return []
    stated = _stated(element) if beacon is None else ()
    advertisement = advertisement._replace(beacon=beacon, readings=stated + advertisement.readings)
    return radio_observations(
        hearer, device, rssi_dbm, advertisement, iso_ms(element.timestamp), tx_power_dbm=tx_power_or_none(element.ibeacon_tx_power)
    )


def _stated(element: _Element) -> Readings:
    rows = ((quantity, number_or_none(getattr(element, quantity), *_FLOAT)) for quantity in _QUANTITIES)
    return possible_readings((quantity, value) for quantity, value in rows if (quantity, value) != ("battery", 0))


DECODER = Decoder("minew_gateway_json", ("/gw/+/status",), decode, decode, speakers=_SPEAKERS, role="scanner", kinds=HEARD)

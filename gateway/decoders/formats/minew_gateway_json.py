"""Minew G1 gateways: a JSON array of everything heard since the last one, on `/gw/{gateway MAC}/status`.

The element of type "Gateway" is the gateway itself; "iBeacon" elements come decoded, "S1" ones carry
temperature and humidity, and "Unknown" ones the raw advertisement, which is understood here. The hearer
is the MAC of the topic, else of the Gateway element. One array holds hundreds of strangers' radios, so
an element without a usable signal strength is passed over and the others are kept; `battery` 0 is what
the gateway writes when a tag does not tell.
"""

from __future__ import annotations

import msgspec

from gateway.core.types import Message, Observation, Status
from gateway.decoders.bluetooth.advertisement import NOTHING, from_hex
from gateway.decoders.bluetooth.radio_observations import observed
from gateway.decoders.contract import NO_KEYS, UNSTATED, Decoder, Keys, bounded, measured, optional, parse_json, power, refuse
from gateway.decoders.values.measurements import Readings, kept
from gateway.decoders.values.radio_ids import ibeacon_id, mac, mac_or_none
from gateway.decoders.values.times import iso_ms

_GATEWAY = "Gateway"
_QUANTITIES = ("temperature", "humidity", "battery")
_FLOAT = (-1e9, 1e9)  # anything measurable; the quantity has the last word


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


_ELEMENTS = msgspec.json.Decoder(list[_Element])


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """The gateway's status, a sighting for each heard tag, readings of those that measure."""
    elements: list[_Element] = parse_json(message.payload, _ELEMENTS)
    hearer = _hearer(message.topic, elements)
    observations: list[Observation] = []
    for element in elements:
        if element.type == _GATEWAY:
            observations.append(Status(hearer, at_ms=iso_ms(element.timestamp)))
        else:
            observations += _heard(hearer, element, keys)
    if elements and not observations:
        refuse("out_of_range", "no element with an id and an rssi in -127..-1")
    return bounded(observations)


def _hearer(topic: str, elements: list[_Element]) -> str:
    levels = topic.split("/")
    above = mac_or_none(levels[-2]) if len(levels) > 1 else None
    if above is not None:
        return above
    return next((mac(element.mac, "mac") for element in elements if element.type == _GATEWAY), UNSTATED)


def _heard(hearer: str, element: _Element, keys: Keys) -> list[Observation]:
    """Nothing, when the element names no radio or no signal strength was measured."""
    device = mac_or_none(element.mac)
    said = from_hex(element.raw_data, device, keys) or NOTHING
    beacon = ibeacon_id(element.ibeacon_uuid, element.ibeacon_major, element.ibeacon_minor) or said.beacon
    rssi_dbm = measured(element.rssi)
    if rssi_dbm is None or (beacon or device or said.mac) is None:
        return []
    stated = _stated(element) if beacon is None else ()
    said = said._replace(beacon=beacon, readings=stated + said.readings)
    return observed(hearer, device, rssi_dbm, said, iso_ms(element.timestamp), tx_power_dbm=power(element.ibeacon_tx_power))


def _stated(element: _Element) -> Readings:
    rows = ((quantity, optional(getattr(element, quantity), *_FLOAT)) for quantity in _QUANTITIES)
    return kept((quantity, value) for quantity, value in rows if (quantity, value) != ("battery", 0))


DECODER = Decoder("minew_gateway_json", ("/gw/+/status",), decode, decode)

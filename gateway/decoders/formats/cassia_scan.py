"""Cassia Bluetooth gateways: one scan result, as their scan stream and their MQTT bridge give it.

Facts: Cassia SDK implementation guide, "Scan". The gateway does not name itself, so the hearer is the address in
the topic, where the bridge was told to put one. 127 is the radios' word for a power that nobody measured.
"""

from __future__ import annotations

import msgspec

from gateway.core.types import Message, Observation
from gateway.decoders.bluetooth.advertisement import from_hex
from gateway.decoders.bluetooth.radio_observations import observed
from gateway.decoders.contract import NO_KEYS, UNSTATED, Decoder, Keys, parse_json, power, refuse, rssi
from gateway.decoders.values.radio_ids import mac, mac_or_none


class _Address(msgspec.Struct, gc=False):
    bdaddr: str


class _Scan(msgspec.Struct, gc=False, rename="camel"):
    bdaddrs: list[_Address]
    rssi: object
    ad_data: object = None
    scan_data: object = None
    tx_power: object = None
    gateway: object = None


_SCAN = msgspec.json.Decoder(_Scan)


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """The sighting of one device, and what it measures."""
    scan = parse_json(message.payload, _SCAN)
    if not scan.bdaddrs:
        refuse("missing_field", "bdaddrs is empty")
    device = mac(scan.bdaddrs[0].bdaddr, "bdaddr")
    digits = "".join(part for part in (scan.ad_data, scan.scan_data) if isinstance(part, str))
    said = from_hex(digits, device, keys)
    if said is None:
        refuse("wrong_shape", "adData and scanData must be hex digits")
    hearer = next((found for level in message.topic.split("/") if (found := mac_or_none(level))), None) or mac_or_none(scan.gateway)
    return observed(hearer or UNSTATED, device, rssi(scan.rssi), said, tx_power_dbm=power(scan.tx_power))


DECODER = Decoder("cassia_scan", (), decode, decode)

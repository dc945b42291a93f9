"""Cassia Bluetooth gateways: one scan result, of the scan stream or of the MQTT bridge.

Source: Cassia SDK implementation guide, "Scan". The gateway is the second level of `cassia/{gateway}/scan`; on another topic
the source in the config states which level names it. `gateway` of the payload is read only where there is no topic.
A power of 127 means that none was measured.
"""

from __future__ import annotations

import msgspec

from gateway.core.types import Message, Observation
from gateway.decoders.bluetooth.advertisement import parse_hex
from gateway.decoders.bluetooth.radio_observations import radio_observations
from gateway.decoders.contract import HEARD, NO_KEYS, Decoder, Keys, parse_json, refuse, rssi, tx_power_or_none
from gateway.decoders.values.radio_ids import mac, mac_or_none
from gateway.decoders.values.speakers import hearer_of, parse_template


class _Address(msgspec.Struct, gc=False):
    bdaddr: str


class _Scan(msgspec.Struct, gc=False, rename="camel"):
    bdaddrs: list[_Address]
    rssi: object
    ad_data: object = None
    scan_data: object = None
    tx_power: object = None
    gateway: object = None


_SPEAKERS = ("cassia/{gateway_mac}/scan",)
_TEMPLATES = tuple(map(parse_template, _SPEAKERS))
_SCAN = msgspec.json.Decoder(_Scan)


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """The sighting of one device, and its readings.

    Raises DecodeError: "missing_field" without an address, "wrong_shape" for an advertisement that is not hex digits,
    "out_of_range" without a measured rssi.
    """
    scan = parse_json(message.payload, _SCAN)
    if not scan.bdaddrs:
        refuse("missing_field", "bdaddrs must hold an address")
    device = mac(scan.bdaddrs[0].bdaddr, "bdaddr")
    digits = "".join(part for part in (scan.ad_data, scan.scan_data) if isinstance(part, str))
    advertisement = parse_hex(digits, device, keys)
    if advertisement is None:
        refuse("wrong_shape", "adData and scanData must be hex digits")
    hearer = hearer_of(_TEMPLATES, message.topic, mac_or_none(scan.gateway))
    return radio_observations(hearer, device, rssi(scan.rssi), advertisement, tx_power_dbm=tx_power_or_none(scan.tx_power))


DECODER = Decoder("cassia_scan", (), decode, decode, speakers=_SPEAKERS, role="scanner", kinds=HEARD)

"""Shelly devices as Bluetooth scanners: the event `ble.scan_result` of the script that Home Assistant installs.

Version 1 is `[1, address, rssi, advertisement, scan response]` with the bytes in base64; version 2 holds a list of such
rows without the version. It comes alone, or in the `NotifyEvent` of the device's RPC on `{device}/events/rpc`. Source:
https://github.com/home-assistant-libs/aioshelly, `ble/parser.py`.
"""

from __future__ import annotations

import binascii
from typing import Any

from gateway.core.types import Message, Observation
from gateway.decoders.bluetooth.advertisement import parse_advertisement
from gateway.decoders.bluetooth.frames import frame_of
from gateway.decoders.bluetooth.radio_observations import radio_observations
from gateway.decoders.contract import HEARD, NO_KEYS, UNSTATED, Decoder, Keys, bounded, parse_json, refuse, rssi, text
from gateway.decoders.formats.shelly_topics import SPEAKERS, device_of
from gateway.decoders.values.radio_ids import mac

KIND = "ble.scan_result"
_RPC = ["events", "rpc"]
_ROW = 4  # address, rssi, advertisement, scan response


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """The sightings and readings of one scan result, or of all those in a notification.

    Raises DecodeError: "missing_field", "wrong_shape" or "out_of_range" for a row, "unknown_kind" for another version,
    "too_large".
    """
    said = parse_json(message.payload)
    levels = message.topic.split("/")
    hearer = device_of(levels[:-2]) if levels[-2:] == _RPC and len(levels) > 2 else UNSTATED
    if isinstance(said, list):
        return scan_result(hearer, said, keys)
    if not isinstance(said, dict):
        refuse("wrong_shape", "the payload must be a scan result or a notification")
    if not message.topic and "src" in said:
        hearer = text(said["src"], "src")
    return bounded([one for data in _scans(said) for one in scan_result(hearer, data, keys)])


def scan_result(hearer: str, data: object, keys: Keys = NO_KEYS) -> list[Observation]:
    """The sightings and readings in the data of one event. Raises DecodeError as `decode()` does."""
    if not isinstance(data, list) or not data:
        refuse("wrong_shape", "a scan result must be an array")
    version, *rest = data
    if version == 1 and not isinstance(version, bool):
        return _row(hearer, rest, keys)
    if version != 2 or not rest or not isinstance(rest[0], list):
        refuse("unknown_kind", "the version of a scan result must be 1 or 2")
    return bounded([one for row in rest[0] for one in _row(hearer, row, keys)])


def _row(hearer: str, row: object, keys: Keys) -> list[Observation]:
    if not isinstance(row, list) or len(row) < _ROW:
        refuse("wrong_shape", "a row must hold address, rssi, advertisement and scan response")
    device = mac(row[0], "address")
    said = parse_advertisement(frame_of(_bytes(row[2]) + _bytes(row[3]), device), keys)
    return radio_observations(hearer, device, rssi(row[1]), said)


def _bytes(value: object) -> bytes:
    if value == "":
        return b""
    digits = text(value, "advertisement")
    try:
        return binascii.a2b_base64(digits, strict_mode=True)
    except ValueError:
        refuse("wrong_shape", "the advertisement must be base64")


def _scans(said: dict[str, Any]) -> list[object]:
    params = said.get("params")
    entries = params.get("events") if isinstance(params, dict) else None
    if not isinstance(entries, list):
        refuse("missing_field", "params.events is missing")
    return [one.get("data") for one in entries if isinstance(one, dict) and one.get("event") == KIND]


DECODER = Decoder("shelly_ble_scan_result", (), decode, decode, speakers=SPEAKERS, role="scanner", kinds=HEARD)

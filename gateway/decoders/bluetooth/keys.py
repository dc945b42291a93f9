"""The keys of sensors that encrypt what they measure.

A decoder is pure and knows no configuration: who configures a source hands the keys of its sensors over with
each message. A key belongs to one radio address; where the address of an advertisement is not known, there is
no key for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gateway.decoders.contract import Keys
from gateway.decoders.values.radio_ids import mac_or_none

_KEY_BYTES = (12, 16)  # MiBeacon's older devices have 12


def parse_keys(stated: Mapping[str, object]) -> Keys:
    """Keys as people write them (addresses in any spelling, keys in hex digits); `ValueError` names the address that is wrong."""
    keys: dict[str, bytes] = {}
    for address, digits in stated.items():
        mac = mac_or_none(address)
        if mac is None:
            raise ValueError(f"{address!r} is not a MAC address")
        keys[mac] = parse_key(digits, f"the key of {address}")
    return MappingProxyType(keys)


def parse_key(digits: object, what: str = "the key") -> bytes:
    """One key; the digits never show in a message: they are a secret."""
    try:
        key = bytes.fromhex(digits) if isinstance(digits, str) else b""
    except ValueError:
        key = b""
    if len(key) not in _KEY_BYTES:
        raise ValueError(f"{what} must be 24 or 32 hex digits")
    return key

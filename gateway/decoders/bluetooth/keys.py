"""Keys of sensors that encrypt advertisements.

A decoder is pure and does not read settings, so the keys of a source's sensors are passed to it with each message. A
key belongs to one radio address; an advertisement without an address has no key.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gateway.decoders.contract import Keys
from gateway.decoders.values.radio_ids import mac_or_none

_KEY_BYTES = (12, 16)  # older MiBeacon devices have 12


def parse_keys(stated: Mapping[str, object]) -> Keys:
    """Keys by canonical address, of addresses in any spelling and keys in hex digits, as in a settings file.

    Raises ValueError, with the address and without the key, for an address or a key that is not one.
    """
    keys: dict[str, bytes] = {}
    for address, digits in stated.items():
        mac = mac_or_none(address)
        if mac is None:
            raise ValueError(f"{address!r} must be a MAC address (12 hex digits)")
        keys[mac] = parse_key(digits, f"the key of {address}")
    return MappingProxyType(keys)


def parse_key(digits: object, name: str = "the key") -> bytes:
    """The bytes of one key. Raises ValueError unless `digits` are 24 or 32 hex digits; the digits are not in the error."""
    try:
        key = bytes.fromhex(digits) if isinstance(digits, str) else b""
    except ValueError:
        key = b""
    if len(key) not in _KEY_BYTES:
        raise ValueError(f"{name} must be 24 or 32 hex digits")
    return key

"""Ids of radios and devices: one spelling for each, whichever gateway, network or phone states it.

Scanners of several makes receive the same tag, and each spells its id in its own way. A tag has one id only if every
decoder takes it from here:

| kind | spelling |
|---|---|
| MAC address | 12 lower-case hex digits |
| DevEUI of LoRaWAN | 16 lower-case hex digits |
| iBeacon | `iBeacon:{uuid}-{major}-{minor}`, the UUID in lower case with the dashes of RFC 9562 (the spelling of ESPresense) |
| AltBeacon | `altbeacon:{uuid}-{major}-{minor}`, its 20 bytes of identity split in the same way |
| Eddystone | `eddystone:{namespace}-{instance}` in lower-case hex digits, `eddystone:{URL}` or `eddystone:{ephemeral id}` |
| Estimote | `estimote:{first half of the identifier}` in lower-case hex digits |
"""

from __future__ import annotations

import re

from gateway.core import limits
from gateway.decoders.contract import refuse, text

IBEACON_PREFIX = "iBeacon:"
_MAC = re.compile(r"(?:[0-9a-f]{12}|[0-9a-f]{2}(?::[0-9a-f]{2}){5}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5})", re.ASCII)
_UUID_DIGITS = re.compile(r"[0-9a-f]{32}", re.ASCII)
_EUI = re.compile(r"[0-9a-f]{16}", re.ASCII)


def mac_or_none(value: object) -> str | None:
    """A MAC address in a usual spelling (12 hex digits, also in pairs between `:` or between `-`) as 12 lower-case ones, or `None`."""
    if not isinstance(value, str):
        return None
    lower = value.lower()
    return lower.replace(":", "").replace("-", "") if _MAC.fullmatch(lower) else None


def mac(value: object, field: str) -> str:
    """As `mac_or_none()`. Raises DecodeError("wrong_shape") for a text that is no MAC address, and as `text()` for no text."""
    found = mac_or_none(value)
    if found is None:
        text(value, field)
        refuse("wrong_shape", f"{field} must be a MAC address (12 hex digits)")
    return found


def eui_or_none(value: object) -> str | None:
    """A DevEUI in any spelling as 16 lower-case hex digits, or `None`."""
    if not isinstance(value, str) or len(value) > limits.TEXT_CHARS_MAX:
        return None
    digits = value.lower().removeprefix("eui-").replace(":", "").replace("-", "")
    return digits if _EUI.fullmatch(digits) else None


def eui(value: object, field: str) -> str:
    """As `eui_or_none()`. Raises DecodeError("wrong_shape") for a text that is no DevEUI, and as `text()` for no text."""
    found = eui_or_none(value)
    if found is None:
        text(value, field)
        refuse("wrong_shape", f"{field} must be a DevEUI (16 hex digits)")
    return found


def ibeacon_id(uuid: object, major: object, minor: object) -> str | None:
    """The canonical id of an iBeacon, or `None` unless `uuid` has 32 hex digits and the numbers are 0..65535."""
    identity = _identity(uuid, major, minor)
    return None if identity is None else IBEACON_PREFIX + identity


def altbeacon_id(uuid: object, major: object, minor: object) -> str | None:
    """The canonical id of an AltBeacon, or `None` as in `ibeacon_id()`."""
    identity = _identity(uuid, major, minor)
    return None if identity is None else "altbeacon:" + identity


def eddystone_id(identity: str) -> str:
    """The canonical id of an Eddystone beacon of such a UID, URL or EID."""
    return "eddystone:" + identity


def estimote_id(identifier: bytes) -> str:
    """The canonical id of an Estimote beacon of such a (short) identifier."""
    return "estimote:" + identifier.hex()


def canonical_id(stated: str) -> str:
    """`stated` in our spelling where it is an iBeacon or a MAC address, otherwise as it is."""
    if stated[:8].lower() == "ibeacon:":
        return IBEACON_PREFIX + stated[8:].lower()
    return mac_or_none(stated) or stated


def _identity(uuid: object, major: object, minor: object) -> str | None:
    if not isinstance(uuid, str):
        return None
    digits = uuid.replace("-", "").lower()
    if not _UUID_DIGITS.fullmatch(digits) or not _is_uint16(major) or not _is_uint16(minor):
        return None
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}-{major}-{minor}"


def _is_uint16(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0xFFFF

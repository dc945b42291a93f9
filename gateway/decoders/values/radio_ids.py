"""One spelling for every radio id.

A tag is heard by scanners of several makes, and each spells what it heard in its own way. Presence only
works if all of them end up as the same text: `iBeacon:{uuid}-{major}-{minor}` in lower case with the
dashes of RFC 9562 (the spelling of ESPresense), and 12 lower-case hex digits for a MAC address.
"""

from __future__ import annotations

import re

IBEACON_PREFIX = "iBeacon:"
_MAC = re.compile(r"(?:[0-9a-f]{12}|[0-9a-f]{2}(?::[0-9a-f]{2}){5}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5})", re.ASCII)
_UUID_DIGITS = re.compile(r"[0-9a-f]{32}", re.ASCII)


def ibeacon_id(uuid: object, major: object, minor: object) -> str | None:
    """The canonical id of an iBeacon, or `None` when the three parts do not make one."""
    if not isinstance(uuid, str):
        return None
    digits = uuid.replace("-", "").lower()
    if not _UUID_DIGITS.fullmatch(digits) or not _is_word(major) or not _is_word(minor):
        return None
    return f"{IBEACON_PREFIX}{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}-{major}-{minor}"


def _is_word(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0xFFFF


def mac_or_none(value: object) -> str | None:
    """A MAC address in any usual spelling as 12 lower-case hex digits, or `None`."""
    if not isinstance(value, str):
        return None
    lower = value.lower()
    return lower.replace(":", "").replace("-", "") if _MAC.fullmatch(lower) else None


def canonical_id(stated: str) -> str:
    """`stated` in the house's spelling where it is an iBeacon or a MAC address, otherwise as it is."""
    if stated[:8].lower() == "ibeacon:":
        return IBEACON_PREFIX + stated[8:].lower()
    return mac_or_none(stated) or stated

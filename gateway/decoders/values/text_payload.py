"""Payloads that are one text or one number, as published by devices without JSON.

`float()` accepts more than devices send (`1_000`, `nan`, `٣`), so a number is matched before it is converted, and the
length of both is bounded first.
"""

from __future__ import annotations

import re

from gateway.decoders.contract import refuse, text

_TEXT_BYTES_MAX = 2_048  # in UTF-8 a character has at most four
_NUMBER_CHARS_MAX = 40
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)


def payload_text(payload: bytes, field: str = "payload") -> str:
    """The payload as a short printable text, without surrounding white space.

    Raises DecodeError: "not_text" for invalid UTF-8, "too_large", and as `text()` does.
    """
    if len(payload) > _TEXT_BYTES_MAX:
        refuse("too_large", f"{field} is larger than {_TEXT_BYTES_MAX} bytes")
    try:
        return text(payload.decode().strip(), field)
    except UnicodeDecodeError:
        refuse("not_text", f"{field} must be UTF-8")


def decimal_or_none(stated: str) -> float | None:
    """The decimal number that `stated` is, or `None`; it may be beyond the range of every quantity."""
    if len(stated) > _NUMBER_CHARS_MAX or not _NUMBER.fullmatch(stated):
        return None
    return float(stated)

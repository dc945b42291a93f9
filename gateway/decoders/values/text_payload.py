"""Payloads that are one word or one number, as devices without JSON publish them.

Python reads more as a number than any device means by one (`1_000`, `nan`, `٣`), so numbers are recognised
here before they are converted, and both are bounded before anything looks at them.
"""

from __future__ import annotations

import re

from gateway.decoders.contract import refuse, text

_WORD_BYTES_MAX = 2_048  # of UTF-8: four for each character that a text may have
_NUMBER_CHARS_MAX = 40
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)


def word(payload: bytes, field: str = "payload") -> str:
    """The payload as a short printable text without the blanks around it, or `DecodeError`."""
    if len(payload) > _WORD_BYTES_MAX:
        refuse("too_large", f"{field} over {_WORD_BYTES_MAX} bytes")
    try:
        return text(payload.decode().strip(), field)
    except UnicodeDecodeError:
        refuse("not_text", f"{field} is not UTF-8")


def number_in(stated: str) -> float | None:
    """The decimal number that `stated` is, or `None`; it may be too large for any quantity."""
    if len(stated) > _NUMBER_CHARS_MAX or not _NUMBER.fullmatch(stated):
        return None
    return float(stated)

"""Short codes with an end, signed by this gateway: of a screen, of its zone, of a check-in that was begun.

A code is `text.until.signature`: the end in seconds since 1970, and 80 bits of BLAKE2b keyed with a secret of the gateway. `use` is part of
the signed text, so a code of one kind is none of another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Literal

Use = Literal["screen", "zone", "here"]
SIGNATURE_BYTES = 10
CODE_PARTS = 3


class WrongCodeError(ValueError):
    """The text is no code of this gateway for this use."""


class ExpiredCodeError(WrongCodeError):
    """The code was right once."""


def issue(secret: bytes, use: Use, text: str, until_ms: int) -> str:
    """The code of a text that has no dot; it ends at `until_ms`, rounded up to a second."""
    until_s = -(-until_ms // 1000)
    return f"{text}.{until_s}.{_signature(secret, use, text, until_s)}"


def read(secret: bytes, use: Use, code: str, now_ms: int) -> str:
    """The text of a code. Raises WrongCodeError, and ExpiredCodeError for one that has ended."""
    parts = code.split(".")
    if len(parts) != CODE_PARTS or not (code.isascii() and parts[1].isdecimal() and len(parts[1]) <= 12):
        raise WrongCodeError("not a code")
    text, until_s = parts[0], int(parts[1])
    if not hmac.compare_digest(_signature(secret, use, text, until_s), parts[2]):
        raise WrongCodeError("not a code of this gateway")
    if now_ms >= until_s * 1000:
        raise ExpiredCodeError("the code has ended")
    return text


def _signature(secret: bytes, use: Use, text: str, until_s: int) -> str:
    stated = f"{use}\0{text}\0{until_s}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(stated, key=secret, digest_size=SIGNATURE_BYTES, person=b"wayside-code")
    return base64.b32encode(digest.digest()).decode().lower()

"""Coupons: single-use codes that a till checks without a network, with the public key of the gateway that issued them.

A code is a short record (gateway, decision, shop, offer, end of validity) and its Ed25519 signature (RFC 8032). It names a decision and
no person; only the issuing gateway knows the person of a decision, until the person's data is deleted. The signature
is deterministic, so a gateway keeps no codes: it makes the same one again from the decision.

The form follows public signed tokens (PASETO v4.public, W3C vouchers in CWT): a fixed algorithm, a version first, a key id, and a prefix
that separates the signed bytes from all others. Unlike those it is binary in Crockford's base 32 (no I, L, O, U; any case), which a QR code
holds in its dense alphanumeric mode, and which can be typed. Signing and verifying is the work of `gateway.adapters.coupon_keys`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

from gateway.core import limits
from gateway.core.ids import checked_id

VERSION = 1
SIGNED_PREFIX = b"wayside coupon 1\0"
KEY_ID_BYTES = 4
SIGNATURE_BYTES = 64  # Ed25519
GROUP_CHARS = 5
_HEAD_BYTES = 1 + KEY_ID_BYTES + 4 + 8  # version, key id, seconds, decision
_RFC4648, _CROCKFORD = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ENCODE = str.maketrans(_RFC4648, _CROCKFORD)
_DECODE = str.maketrans(_CROCKFORD + "OIL", _RFC4648 + _RFC4648[0] + _RFC4648[1] * 2)

Reason = Literal["malformed", "unknown_key", "altered", "other_shop", "clock_unset", "expired", "redeemed"]
"""Reasons to refuse a code: a closed set, in the order of the checks."""

ADVICE: Mapping[Reason, str] = {
    "malformed": "scan it again, or compare each group of the code with the screen",
    "unknown_key": "it is of another site, or the till lacks the public key of this gateway: add the key's file with --key",
    "altered": "give no discount; ask the customer to show the offer itself, not a picture or a copy",
    "other_shop": "send the customer to that shop",
    "clock_unset": "set the till's clock, then scan the code again",
    "expired": "give no discount; an offer that is still open shows a newer code",
    "redeemed": "give no discount; a code counts once",
}
"""Reason -> the next step at the till."""


class CouponError(ValueError):
    """The code is refused: `reason` is one of ADVICE; the text names the cause and the next step."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}; {ADVICE[reason]}")
        self.reason: Reason = reason


class Coupon(NamedTuple):
    """The content of a code: one decision of a gateway, the offer, the shop that redeems it, and the end in seconds since 1970 (UTC)."""

    decision: str
    offer: str
    shop: str
    expires_s: int


class Code(NamedTuple):
    """A code that was read, not verified yet: `signature` is to be the signature of `signed` by the key of `key_id`."""

    coupon: Coupon
    key_id: bytes
    signed: bytes
    signature: bytes


class Signer(Protocol):
    """The private key of one gateway."""

    @property
    def key_id(self) -> bytes:
        """KEY_ID_BYTES that name the key in a code."""

    def sign(self, content: bytes) -> bytes:
        """The Ed25519 signature of `content`, SIGNATURE_BYTES long."""


class Verifier(Protocol):
    """Public keys of gateways."""

    def verify(self, key_id: bytes, content: bytes, signature: bytes) -> bool | None:
        """Whether the signature is that of the key; None if there is no such key."""


def issue(coupon: Coupon, signer: Signer) -> str:
    """The code of a coupon. Raises ValueError for a decision id of another form, or for texts that are no ids."""
    gateway, _, number = coupon.decision.partition(".")
    texts = [checked_id(text).encode() for text in (gateway, coupon.shop, coupon.offer)]
    head = bytes([VERSION]) + signer.key_id + coupon.expires_s.to_bytes(4, "big") + bytes.fromhex(number)
    if len(head) != _HEAD_BYTES:
        raise ValueError(f"{coupon.decision!r} is not the id of a decision: a gateway, a dot and 16 hex digits")
    body = head + b"".join(bytes([len(text)]) + text for text in texts)
    return _text(body + signer.sign(SIGNED_PREFIX + body))


def read(text: str) -> Code:
    """The content of a code, with any grouping and case. Raises CouponError("malformed")."""
    try:
        return _parsed(_bytes(text))
    except (ValueError, IndexError):
        raise CouponError("malformed", "this is no complete code of a coupon") from None


def check(code: Code, verifier: Verifier, shop: str, now_ms: int) -> Coupon:
    """The coupon, if the shop may redeem it now. Raises CouponError with the first reason against it."""
    coupon = code.coupon
    is_genuine = verifier.verify(code.key_id, code.signed, code.signature)
    if is_genuine is None:
        raise CouponError("unknown_key", "no key of this till belongs to the code")
    if not is_genuine:
        raise CouponError("altered", "the signature does not fit the code")
    if coupon.shop != shop:
        raise CouponError("other_shop", f"the coupon is for the shop {coupon.shop!r}, not for {shop!r}")
    if now_ms < limits.CLOCK_FLOOR_MS:
        raise CouponError("clock_unset", "the clock of this till is not set, so the end of the coupon cannot be checked")
    if now_ms >= coupon.expires_s * 1000:
        raise CouponError("expired", f"the coupon has ended {(now_ms - coupon.expires_s * 1000) // 60_000} minutes ago")
    return coupon


def grouped(code: str) -> str:
    """A code in groups of GROUP_CHARS, for reading and typing."""
    return "-".join(re.findall(f".{{1,{GROUP_CHARS}}}", code))


def _text(content: bytes) -> str:
    return base64.b32encode(content).decode().rstrip("=").translate(_ENCODE)


def _bytes(text: str) -> bytes:
    """Raises ValueError (binascii.Error is one) for other characters, other lengths, and bits after the last byte."""
    if len(text) > limits.COUPON_CHARS_MAX:
        raise ValueError
    plain = re.sub(r"[\s-]", "", text).upper()
    if set(plain) - set(_CROCKFORD + "OIL"):
        raise binascii.Error
    standard = plain.translate(_DECODE)
    content = base64.b32decode(standard + "=" * (-len(standard) % 8))
    if base64.b32encode(content).decode().rstrip("=") != standard:
        raise ValueError  # one code has one text
    return content


def _parsed(content: bytes) -> Code:
    body, signature = content[:-SIGNATURE_BYTES], content[-SIGNATURE_BYTES:]
    if len(body) < _HEAD_BYTES or body[0] != VERSION:
        raise ValueError
    texts, at = [], _HEAD_BYTES
    for _ in range(3):
        end = at + 1 + body[at]
        texts.append(checked_id(body[at + 1 : end].decode("ascii")))
        at = end
    if at != len(body):
        raise ValueError
    gateway, shop, offer = texts
    key_id, seconds, number = body[1:5], body[5:9], body[9:17]
    return Code(Coupon(f"{gateway}.{number.hex()}", offer, shop, int.from_bytes(seconds, "big")), key_id, SIGNED_PREFIX + body, signature)

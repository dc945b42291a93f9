"""Keys of coupons for tests: two gateways with fixed keys, and one that no till knows."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.adapters.bundle import public_key_line
from gateway.adapters.coupon_keys import CouponKeys, CouponSigner


def private_key(number: int) -> Ed25519PrivateKey:
    """A fixed private key for each number."""
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def signer(number: int = 1) -> CouponSigner:
    """The signer with a fixed key."""
    return CouponSigner(private_key(number))


def keys(*numbers: int) -> CouponKeys:
    """The public keys of some fixed keys."""
    return CouponKeys([private_key(number).public_key() for number in numbers])


def key_line(number: int = 1) -> str:
    """The content of a public key file."""
    return public_key_line(private_key(number).public_key()) + "\n"

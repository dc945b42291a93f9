"""Ephemeral ids: a phone advertises an id that changes every 8.5 minutes and that only the holder of its key recognises.

The construction is Eddystone-EID's (github.com/google/eddystone, eddystone-eid/eid-computation.md): a temporary key is the AES-128 of the
upper half of the time under the identity key, and the id is the first 8 bytes of the AES-128 of the time, in steps of 2^K seconds, under
the temporary key. K is 9 here, and the time is Unix seconds, which phone and gateway both know. The ids of the window before and after
are recognised as well, so a clock may be 8 minutes wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.addresses import BLOCK_BYTES, Cipher

EXPONENT = 9  # a new id every 512 s
ID_BYTES = 8
PREFIX = "eddystone:"
KEY_PREFIX = "eid:"
"""Before the hex digits of a key, where keys of both kinds are kept together."""

_SALT, _HALF_BITS = 0xFF, 16
_TIME_MASK = 0xFFFFFFFF


def window(now_ms: int) -> int:
    """The number of the present window: ids change with it."""
    return now_ms // 1000 >> EXPONENT


def ids(keys: Sequence[str], at: int, cipher: Cipher) -> dict[str, str]:
    """Heard id -> its key, of `keys` (32 hex digits each), for the window `at` and its neighbours."""
    found: dict[str, str] = {}
    for number in (at - 1, at, at + 1):
        time_s = (number << EXPONENT) & _TIME_MASK
        temporary = _blocks(cipher.encrypted(keys, _block(_SALT, time_s >> _HALF_BITS)))
        by_temporary = dict(zip(temporary, keys, strict=True))
        encrypted = _blocks(cipher.encrypted(tuple(by_temporary), _block(EXPONENT, time_s)))
        found |= {PREFIX + one[: 2 * ID_BYTES]: key for one, key in zip(encrypted, by_temporary.values(), strict=True)}
    return found


def _block(kind: int, number: int) -> bytes:
    """The 16 bytes to encrypt: eleven zeros, the salt or the exponent, and a number of four bytes."""
    return bytes(BLOCK_BYTES - 5) + bytes((kind,)) + number.to_bytes(4)


def _blocks(data: bytes) -> list[str]:
    return [data[at : at + BLOCK_BYTES].hex() for at in range(0, len(data), BLOCK_BYTES)]

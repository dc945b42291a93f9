"""Whose address is this? Resolving the private addresses of people who gave the key to theirs.

A phone hides behind an address that changes about every quarter of an hour. Whoever holds its identity resolving key (IRK) can
still tell: the address is 24 random bits and a 24-bit hash of them under that key (Bluetooth Core, Vol 3 Part H 2.2.2, `ah`; Vol 6
Part B 1.3.2.2). Only addresses that say of themselves that they are resolvable (two top bits 01) are tried. A public, a static or a
non-resolvable address answers to no key, so it never becomes anybody.

A stranger's address answers to some key by chance once in 2^24 / keys: that is why there are few keys (`limits.KEYS_MAX`), and why
an address that answers to two of them is nobody's. Trying is by the batch: the cost of a key is starting its cipher, not the blocks
behind it (`python -m tests.core.resolving` measures it). What was found is kept for as long as an address lives, so a
crowd is tried once and not at every advertisement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from gateway.core import limits

ADDRESS_CHARS = 12
HASH_BYTES = 3
BLOCK_BYTES = 16
HASH_MASK = 0xFFFFFF
PADDING = bytes(BLOCK_BYTES - HASH_BYTES)
NO_KEY = "0" * 32  # what a device states that has none: everybody could answer to it
SLICE_ADDRESSES = 64  # a thousand keys times so many blocks are a megabyte


class Cipher(Protocol):
    """AES-128 in ECB mode, as the Bluetooth specification's `e`."""

    def encrypted(self, keys: Sequence[str], blocks: bytes) -> bytes:
        """`blocks` (a multiple of 16 bytes) under each key (32 hex digits) in turn, joined."""


class Resolved(NamedTuple):
    """What became of an address: the key that it answers to (None: nobody's), and until when that is worth knowing."""

    key: str | None
    until_ms: int


def is_resolvable(mover: str) -> bool:
    """Whether a radio id is an address that a key may answer for."""
    return len(mover) == ADDRESS_CHARS and mover[0] in "4567" and _is_hex(mover)


def resolve(addresses: Sequence[str], keys: Sequence[str], cipher: Cipher, now_ms: int) -> dict[str, Resolved]:
    """Which key each resolvable address answers to; addresses that answer to two are as good as nobody's."""
    until_ms = now_ms + limits.ADDRESS_LIFE_MS_MAX
    found: dict[str, Resolved] = {}
    for start in range(0, len(addresses), SLICE_ADDRESSES):
        part = addresses[start : start + SLICE_ADDRESSES]
        for address, key in zip(part, _answering(part, keys, cipher), strict=True):
            found[address] = Resolved(key, until_ms)
    return found


def _answering(addresses: Sequence[str], keys: Sequence[str], cipher: Cipher) -> Iterable[str | None]:
    raw = [bytes.fromhex(address) for address in addresses]
    blocks = b"".join([PADDING + address[:HASH_BYTES] for address in raw])
    hashes = np.array([int.from_bytes(address[HASH_BYTES:]) for address in raw], np.uint32)
    words = np.frombuffer(cipher.encrypted(keys, blocks), ">u4").reshape(len(keys), len(raw), BLOCK_BYTES // 4)
    answers = (words[:, :, -1] & HASH_MASK) == hashes
    hits, first = answers.sum(axis=0), answers.argmax(axis=0)
    return [keys[key] if count == 1 else None for key, count in zip(first.tolist(), hits.tolist(), strict=True)]


def _is_hex(text: str) -> bool:
    return all(char in "0123456789abcdef" for char in text)

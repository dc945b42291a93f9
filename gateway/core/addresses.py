"""Resolves private Bluetooth addresses with the identity resolving keys (IRK) of consenting people.

A phone changes its address about every 15 minutes. With its IRK the address can be recognised: it consists of 24 random bits and a
24-bit hash of them under that key (Bluetooth Core, Vol 3 Part H 2.2.2, `ah`; Vol 6 Part B 1.3.2.2). Only resolvable addresses (two top
bits 01) are looked up; public, static and non-resolvable addresses match no key.

A foreign address matches one of n keys by chance once in 2^24 / n addresses. Therefore the number of keys is limited
(`limits.KEYS_MAX`), and an address that matches two keys belongs to no key. Addresses are looked up a batch at a time, because the cost
of a key is the start of its cipher, not its blocks (`python -m tests.core.resolving` measures it). Results are kept for the lifetime of
an address, so each address of a crowd is looked up once and not at every advertisement.
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
NO_KEY = "0" * 32  # stated by devices without a key, so it would be shared by several people
SLICE_ADDRESSES = 64  # 1,000 keys times 64 blocks are a megabyte


class Cipher(Protocol):
    """AES-128 in ECB mode: the function `e` of the Bluetooth specification."""

    def encrypted(self, keys: Sequence[str], blocks: bytes) -> bytes:
        """`blocks` (a multiple of 16 bytes) encrypted under each key (32 hex digits) in turn, joined."""


class Resolved(NamedTuple):
    """Result of a lookup: the key that resolves the address (None: no key), valid until `until_ms`."""

    key: str | None
    until_ms: int


def is_resolvable(identifier: str) -> bool:
    """Whether a radio id is a resolvable private address (12 lower-case hex digits, top bits 01)."""
    return len(identifier) == ADDRESS_CHARS and identifier[0] in "4567" and _is_hex(identifier)


def is_fixed(identifier: str) -> bool:
    """Whether a radio id stays the same for a day: every id but an address that may be private (12 hex digits, first bit 0)."""
    return not (len(identifier) == ADDRESS_CHARS and identifier[0] in "01234567" and _is_hex(identifier))


def resolve(addresses: Sequence[str], keys: Sequence[str], cipher: Cipher, now_ms: int) -> dict[str, Resolved]:
    """Address -> the key that resolves it, or None if no key or more than one does; valid for ADDRESS_LIFE_MS_MAX."""
    until_ms = now_ms + limits.ADDRESS_LIFE_MS_MAX
    found: dict[str, Resolved] = {}
    for start in range(0, len(addresses), SLICE_ADDRESSES):
        part = addresses[start : start + SLICE_ADDRESSES]
        for address, key in zip(part, _matching_keys(part, keys, cipher), strict=True):
            found[address] = Resolved(key, until_ms)
    return found


def _matching_keys(addresses: Sequence[str], keys: Sequence[str], cipher: Cipher) -> Iterable[str | None]:
    """The one key that matches each address, or None."""
    raw = [bytes.fromhex(address) for address in addresses]
    blocks = b"".join([PADDING + address[:HASH_BYTES] for address in raw])
    hashes = np.array([int.from_bytes(address[HASH_BYTES:]) for address in raw], np.uint32)
    encrypted = np.frombuffer(cipher.encrypted(keys, blocks), ">u4").reshape(len(keys), len(raw), BLOCK_BYTES // 4)
    matches = (encrypted[:, :, -1] & HASH_MASK) == hashes
    counts, first = matches.sum(axis=0), matches.argmax(axis=0)
    return [keys[key] if count == 1 else None for key, count in zip(first.tolist(), counts.tolist(), strict=True)]


def _is_hex(text: str) -> bool:
    return all(char in "0123456789abcdef" for char in text)

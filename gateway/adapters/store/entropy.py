"""Random bits of the operating system for the noise of counts, read in blocks, because a system call for each bit is slow."""

from __future__ import annotations

import os

BLOCK_BYTES = 512


class SystemEntropy:
    """Implements `gateway.core.privacy.laplace.Entropy`; each bit is used once."""

    def __init__(self) -> None:
        self._pool = self._held = 0

    def __call__(self, bits: int) -> int:
        """`bits` independent random bits as a non-negative integer."""
        if bits > self._held:
            size = max(BLOCK_BYTES, (bits + 7) // 8)
            self._pool, self._held = int.from_bytes(os.urandom(size), "big"), 8 * size
        drawn = self._pool & ((1 << bits) - 1)
        self._pool >>= bits
        self._held -= bits
        return drawn

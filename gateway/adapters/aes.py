"""AES-128 for resolving private addresses (`gateway.core.addresses.Cipher`), by the `cryptography` library.

A cipher is started once per key and kept, because starting it costs about thirty times as much as a block. ECB has no state between
blocks, so a started cipher can be used again. The Bluetooth specification prescribes the mode; it does not protect data here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.ciphers import CipherContext


class Aes:
    """Keeps the started ciphers of the keys of the last call."""

    def __init__(self) -> None:
        """Start without keys."""
        self._started: dict[str, CipherContext] = {}

    def encrypted(self, keys: Sequence[str], blocks: bytes) -> bytes:
        """See `gateway.core.addresses.Cipher`."""
        started = self._started
        if started.keys() != set(keys):
            started = self._started = {key: started.get(key) or _start(key) for key in keys}
        return b"".join([started[key].update(blocks) for key in keys])


def _start(key: str) -> CipherContext:
    return Cipher(algorithms.AES128(bytes.fromhex(key)), modes.ECB()).encryptor()  # noqa: S305 - see the file's head

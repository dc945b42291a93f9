"""AES-128 for resolving private addresses (`gateway.core.addresses.Cipher`), by the `cryptography` library.

A cipher is started once a key and kept: starting it costs some thirty times what a block costs. ECB keeps no state
between blocks, so a started one serves for ever. The mode is the one that the Bluetooth specification names; it hides nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.ciphers import CipherContext


class Aes:
    """Keeps as many started ciphers as it is asked for keys: one that is not asked for any more is let go."""

    def __init__(self) -> None:
        """No key is known yet."""
        self._started: dict[str, CipherContext] = {}

    def encrypted(self, keys: Sequence[str], blocks: bytes) -> bytes:
        """See `gateway.core.addresses.Cipher`."""
        started = self._started
        if started.keys() != set(keys):
            started = self._started = {key: started.get(key) or _start(key) for key in keys}
        return b"".join([started[key].update(blocks) for key in keys])


def _start(key: str) -> CipherContext:
    return Cipher(algorithms.AES128(bytes.fromhex(key)), modes.ECB()).encryptor()  # noqa: S305 - see the file's head

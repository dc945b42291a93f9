"""The file of a backup: a header, then encrypted chunks that show every change, and a file that ends early.

A chunk is 64 KiB of content under ChaCha20-Poly1305. Its nonce is a random prefix, the number of the chunk, and whether it is the last one
(STREAM, Hoang et al. 2015), so chunks cannot be dropped, repeated or reordered. The key follows from the passphrase by scrypt (RFC 7914);
the first chunk is empty and shows whether the passphrase is right.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from gateway.core.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"WAYSIDE BACKUP 1\n"
SALT_BYTES = 16
PREFIX_BYTES = 7
HEADER_BYTES = len(MAGIC) + SALT_BYTES + PREFIX_BYTES
CHUNK_BYTES = 65_536
TAG_BYTES = 16
SCRYPT_COST = 2**15  # 32 MiB and a third of a second: a device with 512 MB can afford it


class BackupError(Refusal):
    """The backup cannot be made or restored; the text names the cause and the way out."""


class Sealer:
    """Writes content into the encrypted form."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        """Write the header. Raises OSError."""
        salt, self._prefix = os.urandom(SALT_BYTES), os.urandom(PREFIX_BYTES)
        self._file, self._number, self._waiting = file, 0, bytearray()
        self._header = MAGIC + salt + self._prefix
        self._cipher = ChaCha20Poly1305(_key(passphrase, salt))
        file.write(self._header)
        self._seal(b"", is_last=False)

    def write(self, content: bytes) -> None:
        """Add content. Raises OSError."""
        self._waiting += content
        while len(self._waiting) > CHUNK_BYTES:  # the last chunk is written by `finish`
            self._seal(bytes(self._waiting[:CHUNK_BYTES]), is_last=False)
            del self._waiting[:CHUNK_BYTES]

    def finish(self) -> None:
        """Write the last chunk. Raises OSError."""
        self._seal(bytes(self._waiting), is_last=True)

    def _seal(self, content: bytes, *, is_last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._prefix, self._number, is_last=is_last), content, self._header))
        self._number += 1


class Opener:
    """Reads the content of an encrypted file."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        """Read the header. Raises BackupError for a file that is no backup, and for a wrong passphrase; raises OSError."""
        self._file, self._number, self._ready = file, 1, bytearray()
        self._header, first = file.read(HEADER_BYTES), file.read(TAG_BYTES)
        if not self._header.startswith(MAGIC) or len(first) != TAG_BYTES:
            raise BackupError(f"{file.name} is no backup of Wayside, or one of another format: name a file that `wayside backup` wrote")
        self._cipher = ChaCha20Poly1305(_key(passphrase, self._header[len(MAGIC) : -PREFIX_BYTES]))
        if self._decrypted(0, first, is_last=False) is None:
            raise BackupError(f"{file.name} does not open: the passphrase is wrong, or the first bytes are damaged")
        self._chunks = self._opened()

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes. Raises BackupError for a changed file, and one that ends early; raises OSError."""
        while len(self._ready) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise BackupError(f"{self._file.name} is damaged: it holds less than it states")
            self._ready += chunk
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken

    def finish(self) -> None:
        """Read to the end. Raises BackupError as `read`, and if anything is left."""
        if self._ready or any(self._chunks):
            raise BackupError(f"{self._file.name} is damaged: it holds more than it states")

    def _opened(self) -> Iterator[bytes]:
        sealed = self._file.read(CHUNK_BYTES + TAG_BYTES)
        while sealed:
            following = self._file.read(CHUNK_BYTES + TAG_BYTES)
            content = self._decrypted(self._number, sealed, is_last=not following)
            if content is None:
                raise BackupError(f"{self._file.name} {self._cause(sealed, is_last=not following)}")
            yield content
            self._number, sealed = self._number + 1, following

    def _cause(self, sealed: bytes, *, is_last: bool) -> str:
        if is_last and (len(sealed) < CHUNK_BYTES + TAG_BYTES or self._decrypted(self._number, sealed, is_last=False) is not None):
            return "ends early, or its last bytes are damaged: copy the whole file again"
        return f"is damaged at byte {HEADER_BYTES + TAG_BYTES + (self._number - 1) * (CHUNK_BYTES + TAG_BYTES)}: use another copy"

    def _decrypted(self, number: int, sealed: bytes, *, is_last: bool) -> bytes | None:
        """The content of a chunk; None if it is not the one that was written there."""
        try:
            return self._cipher.decrypt(_nonce(self._header[-PREFIX_BYTES:], number, is_last=is_last), sealed, self._header)
        except InvalidTag:
            return None


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=SCRYPT_COST, r=8, p=1).derive(passphrase.encode())


def _nonce(prefix: bytes, number: int, *, is_last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([is_last])

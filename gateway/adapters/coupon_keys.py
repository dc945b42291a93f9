"""Ed25519 keys of coupons, by the `cryptography` library: the private key of a gateway, and the public keys that a till trusts."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from gateway.adapters.bundle import public_key_line, read_public_keys
from gateway.core.coupons import KEY_ID_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PUBLIC_SUFFIX = ".pub"


def key_id(key: Ed25519PublicKey) -> bytes:
    """KEY_ID_BYTES of the BLAKE2b hash of a public key. They only find the key; the signature decides."""
    return hashlib.blake2b(key.public_bytes_raw(), digest_size=KEY_ID_BYTES).digest()


class CouponSigner:
    """See `gateway.core.coupons.Signer`."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Sign with `key`."""
        self._key = key
        self.key_id = key_id(key.public_key())

    def sign(self, content: bytes) -> bytes:
        """The signature of `content`: always the same 64 bytes."""
        return self._key.sign(content)


class CouponKeys:
    """See `gateway.core.coupons.Verifier`."""

    def __init__(self, keys: Iterable[Ed25519PublicKey]) -> None:
        """Trust these keys."""
        self._keys = {key_id(key): key for key in keys}

    def verify(self, key_id: bytes, content: bytes, signature: bytes) -> bool | None:
        """Whether the signature is that of the key; None if there is no such key."""
        key = self._keys.get(key_id)
        if key is None:
            return None
        try:
            key.verify(signature, content)
        except InvalidSignature:
            return False
        return True


def open_signer(path: Path) -> CouponSigner:
    """The private key of a PEM file, made with its public key beside it (`.pub`) if the file is missing.

    Raises ValueError for another content, or if others than the owner may read the file, and OSError.
    """
    if not path.exists():
        _make_key(path)
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"{path} signs coupons and can be read by others than its owner: chmod 600 it")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} is no Ed25519 private key in PEM without password; move it away, and a new one is made at the next start")
    return CouponSigner(key)


def read_keys(paths: Iterable[Path]) -> CouponKeys:
    """The public keys of some files, in the form that `open_signer` writes. Raises ValueError that names file and line, and OSError."""
    return CouponKeys([key for path in paths for key in read_public_keys(path)])


def _make_key(path: Path) -> None:
    """Write a new key pair, complete on the disk before it signs anything."""
    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(path.name + PUBLIC_SUFFIX).write_text(public_key_line(key.public_key()) + "\n", encoding="utf-8")
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)

"""Keys of the store, in files beside the database: the key that encrypts it, and the key of the hashes in it.

The database key is replaced after each erasure (`rekey.py`). Copies of the database and parts of its log that were made before can then
not be read any more, not even with the new key. A key from WAYSIDE_STORE_KEY is not ours to replace.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

KEY_BYTES = 32
VARIABLE = "WAYSIDE_STORE_KEY"


def read_key(key_file: Path, *, may_create: bool) -> bytes:
    """The 32-byte database key: 64 hex digits from WAYSIDE_STORE_KEY, else from `key_file`, which is made if `may_create`.

    Raises ValueError without a key, or for a key of another form, and OSError.
    """
    text = os.environ.get(VARIABLE)
    if text is not None:
        return _parsed(text, VARIABLE)
    if not key_file.exists() and may_create:
        key_file.parent.mkdir(parents=True, exist_ok=True)
        make_key(key_file)
    if not key_file.exists():
        raise ValueError(f"no database key: {key_file} does not exist; set store.key_file or {VARIABLE}")
    if key_file.stat().st_mode & 0o077:
        raise ValueError(f"{key_file} can be read by other users of this machine: chmod 600 {key_file}")
    return _parsed(key_file.read_text(), str(key_file))


def replaceable(key_file: Path) -> Path | None:
    """The key file, if the key comes from it."""
    return None if VARIABLE in os.environ else key_file


def make_key(key_file: Path) -> bytes:
    """Draw a key, write it and return it. It is complete on the disk before a database uses it, also across a power cut. Raises OSError."""
    key = draw_key()
    write_key(key_file, key)
    return key


def draw_key() -> bytes:
    """A new key."""
    return secrets.token_bytes(KEY_BYTES)


def write_key(key_file: Path, key: bytes) -> None:
    """Write a key, readable by its owner only. Raises OSError."""
    draft = key_file.with_name(f"{key_file.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(key_file)
    sync_folder(key_file.parent)


def hash_key_file(database: Path, key_file: Path | None) -> Path:
    """The file with the key of the hashes, beside the key of the database; beside the database if the environment holds its key."""
    beside = database if key_file is None else key_file
    return beside.with_name(f"{beside.name}.hashes")


def hash_key(path: Path) -> bytes | None:
    """The key of the hashes, or None. Raises ValueError for another form, and OSError."""
    return _parsed(path.read_text(), str(path)) if path.exists() else None


def destroy(key_file: Path) -> None:
    """Overwrite a key in place. Raises OSError."""
    with key_file.open("r+b") as file:
        file.write(b"0" * 2 * KEY_BYTES + b"\n")
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the names of a folder on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _parsed(text: str, source: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"the database key in {source} must be {2 * KEY_BYTES} hex digits (make one with `openssl rand -hex 32`)")
    return key

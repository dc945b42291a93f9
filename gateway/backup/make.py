"""Makes a backup: a copy of the database while the gateway runs, and the files that its config names, in one encrypted file.

A plain backup is for the same device, whose keys and marks of withdrawals it needs. One with keys is for a replacement device: withdrawals
since are unknown there, so it holds no people, and its database has a key of its own.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from gateway.adapters.bundle import APP_VERSION
from gateway.adapters.store import database, keys, snapshot
from gateway.backup.container import BackupError, Sealer
from gateway.backup.members import DATABASE, HASHES, KEY, RELEASED, WITHDRAWN, Member, members
from gateway.build_store import SetupError, store_key
from gateway.core.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.config import Config

FORMAT = 1
LENGTH_BYTES = 8
ATTEMPTS = 3  # an erasure may replace the key of the database while it is copied
READ_BYTES = 1_048_576
PASSPHRASE_CHARS_MIN = 12


class Packed(msgspec.Struct, frozen=True):
    """A file in a backup: its name (see `gateway.backup.members`), bytes, and permissions."""

    name: str
    size: int
    mode: int


class Manifest(msgspec.Struct, frozen=True):
    """The first part of a backup, with the text of the config.

    `generation` counts the withdrawals that its database has carried out; `salt` names the copied file.
    """

    format: int
    program: str
    schema: int
    site: str
    gateway: str
    made_at_ms: int
    with_keys: bool
    generation: int
    salt: str
    config: str
    members: tuple[Packed, ...]


def make(
    config: Config, file: Path, out: Path, passphrase: str, now_ms: int, progress: Callable[[float], None], *, with_keys: bool
) -> Manifest:
    """Write the backup of the gateway whose config is read from `file` to `out`, which must not exist. An end in between leaves no `out`.

    Raises BackupError with cause and way out.
    """
    if len(passphrase) < PASSPHRASE_CHARS_MIN:
        raise BackupError(f"the passphrase needs at least {PASSPHRASE_CHARS_MIN} characters")
    if out.exists():
        raise BackupError(f"{out} exists: name a new file")
    scratch = out.with_name(f"{out.name}.part")
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        manifest = _written(config, file, scratch, passphrase, now_ms, progress, with_keys=with_keys)
        (scratch / "sealed").rename(out)
        keys.sync_folder(out.parent)
    except (StoreError, SetupError) as error:
        raise BackupError(str(error)) from None
    except OSError as error:
        raise BackupError(f"{out} cannot be written ({error.strerror}); nothing was left there") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def _written(
    config: Config, file: Path, scratch: Path, passphrase: str, now_ms: int, progress: Callable[[float], None], *, with_keys: bool
) -> Manifest:
    """Write the backup to `sealed` in the folder `scratch`. Raises BackupError, SetupError, StoreError, OSError."""
    copy = scratch / "database"
    own_key = keys.draw_key() if with_keys else None
    salt = _copied(config, copy, own_key, progress)
    extra: dict[str, bytes] = {}
    if own_key is not None:
        _leave_out_people(config, copy, own_key)
        extra[KEY] = own_key.hex().encode() + b"\n"
    generation = snapshot.checked(copy, own_key or store_key(config, may_create=False))
    chosen = [one for one in members(config) if _is_chosen(one, with_keys=with_keys)]
    contents = {one.name: one.path.read_bytes() for one in chosen if one.path.is_file()} | extra
    modes = {one.name: one.path.stat().st_mode & 0o777 for one in chosen if one.path.is_file()}
    packed = [Packed(name, len(content), modes.get(name, 0o600)) for name, content in contents.items()]
    packed.append(Packed(DATABASE, copy.stat().st_size, 0o600))
    manifest = Manifest(
        FORMAT,
        APP_VERSION,
        database.newest(),
        config.site,
        config.gateway,
        now_ms,
        with_keys,
        generation,
        salt,
        file.read_text("utf-8-sig"),
        tuple(packed),
    )
    with (scratch / "sealed").open("wb") as sealed, copy.open("rb") as copied:
        os.fchmod(sealed.fileno(), 0o600)
        _seal(Sealer(sealed, passphrase), manifest, contents, copied)
        sealed.flush()
        os.fsync(sealed.fileno())
    return manifest


def _is_chosen(member: Member, *, with_keys: bool) -> bool:
    if member.name in {DATABASE, KEY}:
        return False  # the copy, and its own key
    return with_keys or not (member.is_secret or member.name in {WITHDRAWN, RELEASED})


def _copied(config: Config, copy: Path, own_key: bytes | None, progress: Callable[[float], None]) -> str:
    """Copy the database, under the key of the gateway or `own_key`; returns the salt of the file. Raises BackupError, SetupError."""
    for _ in range(ATTEMPTS):
        key = store_key(config, may_create=False)
        copy.unlink(missing_ok=True)
        salt = snapshot.copy(config.store.path, key, copy, own_key or key, progress)
        if store_key(config, may_create=False) == key:
            return salt
    raise BackupError("people were erased while the database was copied, and its key was replaced: repeat the command")


def _leave_out_people(config: Config, copy: Path, own_key: bytes) -> None:
    """Erase everyone in the copy, which needs the key of the hashes and the marks beside it. Raises StoreError, OSError."""
    for name, path in (
        ("hashes", _place(config, HASHES)),
        ("withdrawn", _place(config, WITHDRAWN)),
        ("released", _place(config, RELEASED)),
    ):
        if path.exists():
            shutil.copy(path, copy.with_name(f"{copy.name}.{name}"))
    snapshot.leave_out_people(copy, own_key)


def _place(config: Config, name: str) -> Path:
    if name == HASHES:
        return keys.hash_key_file(config.store.path, keys.replaceable(config.store.key_file))
    return next(one.path for one in members(config) if one.name == name)


def _seal(sealer: Sealer, manifest: Manifest, contents: dict[str, bytes], copied: BinaryIO) -> None:
    header = msgspec.json.encode(manifest)
    sealer.write(len(header).to_bytes(LENGTH_BYTES, "big") + header)
    for content in contents.values():
        sealer.write(content)
    while content := copied.read(READ_BYTES):
        sealer.write(content)
    sealer.finish()

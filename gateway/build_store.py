"""Opens the database of a config, with its keys, and reads the files of other secrets."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from gateway.adapters.aes import Aes
from gateway.adapters.store import Store, database
from gateway.adapters.store.database import quarantine
from gateway.adapters.store.keys import hash_key, hash_key_file, read_key, replaceable
from gateway.adapters.store.reader import Reader
from gateway.backup import staged
from gateway.core.ports import StoreDamagedError, StoreError
from gateway.core.refusal import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Config


log = logging.getLogger("wayside")


class SetupError(Refusal):
    """The gateway cannot be built; the text names the cause and the way out."""


def open_store(config: Config) -> Store:
    """The database of a config, locked for this gateway; made at the first start. Raises SetupError, StoreError.

    A damaged one is set apart and kept, and a new one is begun: without consents no offer is sent, until people consent again.
    """
    finish_restoration(config.store.path)
    path, key_file = config.store.path, replaceable(config.store.key_file)
    key = store_key(config, may_create=not path.exists())
    try:
        return Store(path, key, key_file=key_file, exclusive=True, cipher=Aes())
    except StoreDamagedError as error:
        kept = quarantine(path)
        log.error("%s: it is kept as %s, and a new database is begun; people have to consent again", error, kept)  # noqa: TRY400
        return Store(path, key, key_file=key_file, exclusive=True, cipher=Aes())


def finish_restoration(path: Path) -> None:
    """Finish a restoration of the database that was interrupted. Raises StoreError while another process has the database."""
    if staged.folder_of(path).exists():
        lock = database.lock(path, StoreError)
        try:
            if staged.settle(path):
                log.warning("%s: the restoration that was interrupted is finished", path)
        finally:
            os.close(lock)


def open_reader(config: Config) -> Reader:
    """The database of a config, read-only; its gateway may be running. Raises SetupError, StoreError."""
    if not config.store.path.exists():
        raise SetupError(f"{config.store.path} does not exist yet: start the gateway first, or correct store.path")
    return Reader(config.store.path, store_key(config, may_create=False))


def store_key(config: Config, *, may_create: bool) -> bytes:
    """The key of the database; with `may_create` it is made if there is none. Raises SetupError.

    None is made for a database that exists: it could not be read with another one, and the new key would take the lost one's place.
    """
    is_lost = not may_create and replaceable(config.store.key_file) is not None and not config.store.key_file.exists()
    if is_lost and config.store.path.exists():
        raise SetupError(
            f"{config.store.key_file} does not exist, and {config.store.path} cannot be read without it",
            "restore it from a backup with keys (wayside restore), or move the database away: then people have to consent again",
        )
    try:
        return read_key(config.store.key_file, may_create=may_create)
    except (ValueError, OSError) as error:
        raise SetupError(str(error)) from None


def lasting_key(config: Config) -> bytes:
    """A key that lasts when an erasure replaces the key of the database. Raises SetupError before the first start."""
    file = hash_key_file(config.store.path, replaceable(config.store.key_file))
    try:
        key = hash_key(file)
    except (ValueError, OSError) as error:
        raise SetupError(f"{file} cannot be used: {error}") from None
    if key is None:
        raise SetupError(f"{file} does not exist yet: start the gateway first, or correct store.key_file")
    return key


def secret_text(path: Path | None, name: str) -> str | None:
    """The text of a secret's file, without white space around it; None without a file. Raises SetupError with the setting `name`."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise SetupError(f"{name}: {path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise SetupError(f"{name}: {path} is not UTF-8 (byte {error.object[error.start]:#04x}); save it as UTF-8") from None

"""Restores a gateway from a backup. It brings nobody back: withdrawals since the backup are carried out, or the backup is refused.

A plain backup replaces the database of its own device. The marks of withdrawals and of releases must be there; they are kept, and the store
carries them out. A backup with keys makes a replacement device: config, keys and database without people. The counts of the day
of the replacement do not leave, because contacts of the same day may have been counted on the former device.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from gateway.adapters.store import Store, database, keys, snapshot
from gateway.adapters.store.marks import Marks
from gateway.adapters.store.released import Released, line
from gateway.backup import staged
from gateway.backup.container import BackupError, Opener
from gateway.backup.make import FORMAT, LENGTH_BYTES, READ_BYTES, Manifest
from gateway.backup.members import DATABASE, HASHES, KEY, RELEASED, WITHDRAWN, members
from gateway.build_store import SetupError, store_key
from gateway.config import Config, ConfigError, load_config
from gateway.core.ports import StoreError
from gateway.core.privacy.tables import open_period
from gateway.core.site import local, local_spans_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST_BYTES_MAX = 4_194_304
CONFIG, CONFIG_MODE = "config", 0o640


class _Format(msgspec.Struct):
    format: int


class Restored(NamedTuple):
    """The result: people with consent in the database, and those whose withdrawal came after the backup."""

    people: int
    withdrawn: int


def described(file: Path, passphrase: str) -> Manifest:
    """The manifest of a backup that was read to its end. Raises BackupError and OSError."""
    with file.open("rb") as content:
        opener = Opener(content, passphrase)
        manifest = _manifest(opener, file)
        for one in manifest.members:
            for _ in _parts(opener, one.size):
                pass
        opener.finish()
    return manifest


def restore(file: Path, passphrase: str, config_file: Path, now_ms: int, *, replaces: bool) -> Restored:
    """Restore the gateway whose config is, or will be, in `config_file`. The gateway must not be running.

    With `replaces` a database that can be read is replaced too, and set apart. Raises BackupError with cause and way out; then nothing
    has changed, or the next call or start of the gateway carries on.
    """
    try:
        with file.open("rb") as content:
            config = _carried_out(Opener(content, passphrase), file, config_file, now_ms, replaces=replaces)
        return _opened(config)
    except (ConfigError, SetupError, StoreError) as error:
        raise BackupError(str(error)) from None
    except OSError as error:
        text = f"{error.filename or file}: {error.strerror}; repeat the command when that is mended: it goes on, or begins anew"
        raise BackupError(text) from None


def _carried_out(opener: Opener, file: Path, config_file: Path, now_ms: int, *, replaces: bool) -> Config:
    manifest = _manifest(opener, file)
    config = _config(manifest, file, config_file)
    lock = database.lock(config.store.path, StoreError)
    try:
        is_resumed = staged.settle(config.store.path)
        _check_device(manifest, config, file, replaces=replaces or is_resumed)
        folder = staged.begin(config.store.path)
        plan = _plan(opener, manifest, config, config_file, now_ms)
        opener.finish()
        key = (folder / KEY).read_bytes().decode().strip() if manifest.with_keys else ""
        snapshot.checked(folder / DATABASE, bytes.fromhex(key) if key else store_key(config, may_create=False))
        staged.decide(config.store.path, plan)
        staged.settle(config.store.path)
    finally:
        os.close(lock)
    return config


def _manifest(opener: Opener, file: Path) -> Manifest:
    length = int.from_bytes(opener.read(LENGTH_BYTES), "big")
    if length > MANIFEST_BYTES_MAX:
        raise BackupError(f"{file} is damaged: its first part is too long")
    content = opener.read(length)
    if msgspec.json.decode(content, type=_Format).format != FORMAT:
        raise BackupError(f"{file} has another format than {FORMAT}: use the version of Wayside that made it, or a newer one")
    return msgspec.json.decode(content, type=Manifest)


def _config(manifest: Manifest, file: Path, config_file: Path) -> Config:
    """The config of the device; with keys that of the backup. Raises BackupError, ConfigError, OSError."""
    if not manifest.with_keys:
        if not config_file.exists():
            raise BackupError(f"{config_file} does not exist, and {file} has no keys: it is for the device that made it")
        return load_config(config_file)
    config_file.parent.mkdir(parents=True, exist_ok=True)
    draft = config_file.with_name(f"{config_file.name}.restored")
    draft.write_text(manifest.config, "utf-8")
    try:
        return load_config(draft)
    finally:
        draft.unlink()


def _check_device(manifest: Manifest, config: Config, file: Path, *, replaces: bool) -> None:
    """Raises BackupError for a backup that does not belong here, or that would lose or revive something."""
    if (manifest.site, manifest.gateway) != (config.site, config.gateway):
        raise BackupError(
            f"{file} is of the gateway {manifest.gateway!r} of {manifest.site!r}, and this is {config.gateway!r} of {config.site!r}: "
            "choose the backup of this gateway, or correct site and gateway in the config"
        )
    if manifest.schema > database.newest():
        raise BackupError(
            f"{file} has schema {manifest.schema}, made by Wayside {manifest.program}, and this program knows {database.newest()}: "
            "install that version first"
        )
    if manifest.with_keys and keys.replaceable(config.store.key_file) is None:
        raise BackupError(f"{file} brings its own key: unset {keys.VARIABLE}, and write the key to store.key_file")
    if not manifest.with_keys:
        _check_marks(manifest, config, file)
    if not replaces and _is_readable(config):
        raise BackupError(
            f"{config.store.path} can be read, and its facts since the backup would be lost: start the gateway with it, or repeat "
            "the command with --replace, which sets it apart"
        )


def _check_marks(manifest: Manifest, config: Config, file: Path) -> None:
    """Raises BackupError unless the device still has its key and the marks of all withdrawals and releases."""
    path = config.store.path
    marks, key = Marks(path.with_name(f"{path.name}.withdrawn"), store_key(config, may_create=False)), config.store.key_file
    if manifest.salt in marks.replaced:
        raise BackupError(
            f"{file} is from before an erasure, and its key was destroyed with the erased person's data: restore a backup made since"
        )
    missing = [one for one in members(config) if one.name in {WITHDRAWN, RELEASED, HASHES} and not one.path.exists()]
    if missing or marks.generation < manifest.generation:
        raise BackupError(
            f"{missing[0].path if missing else f'{path}.withdrawn'} is missing or older than the backup: without it withdrawn consents "
            f"could be revived. Put it back from this device's disk (beside {key.name}), or restore a backup that was made with --with-keys"
        )


def _is_readable(config: Config) -> bool:
    """Whether the present database can be read. Raises SetupError without a key."""
    if not config.store.path.exists():
        return False
    try:
        snapshot.checked(config.store.path, store_key(config, may_create=False))
    except (StoreError, SetupError):
        return False
    return True


def _plan(opener: Opener, manifest: Manifest, config: Config, config_file: Path, now_ms: int) -> staged.Plan:
    """Write the members to the folder of the restoration, but those that this device has, and those whose setting it lacks."""
    folder = staged.folder_of(config.store.path)
    places = {one.name: one.path for one in members(config)}
    files = []
    if manifest.with_keys:
        (folder / CONFIG).write_text(manifest.config, "utf-8")
        files.append(staged.Step(CONFIG, str(config_file), CONFIG_MODE))
    for one in manifest.members:
        place = places.get(one.name)
        is_wanted = place is not None and (manifest.with_keys or one.name == DATABASE or not place.exists())
        with (folder / one.name if is_wanted else Path(os.devnull)).open("wb") as written:
            for part in _parts(opener, one.size):
                written.write(part)
        if is_wanted and one.name != DATABASE:
            files.append(staged.Step(one.name, str(place), one.mode))
    if manifest.with_keys:
        with (folder / RELEASED).open("a") as written:
            written.writelines(_muted(config, now_ms))
        if RELEASED not in {one.name for one in manifest.members}:
            files.append(staged.Step(RELEASED, str(places[RELEASED]), 0o600))
    return staged.Plan(tuple(files), staged.Step(DATABASE, str(config.store.path), 0o600))


def _muted(config: Config, now_ms: int) -> list[str]:
    """Marks of the open periods, so that no count of them leaves the replacement."""
    terms = config.privacy.terms()
    period = open_period(now_ms, terms, local_spans_ms(local(now_ms, ZoneInfo(config.timezone))))
    spans = {table: period.span(table) for table in terms.tables} | {"hours": (period.window_start_ms, period.window_end_ms)}
    epsilon = terms.epsilon_millionths
    marks = (Released(table, *spans[table], period.day_start_ms, epsilon, terms.share_millionths(table)) for table in terms.tables)
    return ["\n", *map(line, marks)]


def _parts(opener: Opener, size: int) -> Iterator[bytes]:
    """The next `size` bytes, some at a time. Raises BackupError."""
    while size:
        part = opener.read(min(size, READ_BYTES))
        size -= len(part)
        yield part


def _opened(config: Config) -> Restored:
    """Open the restored database as the gateway will, which carries out the withdrawals since. Raises SetupError, StoreError."""
    before = _people(config)
    Store(config.store.path, store_key(config, may_create=False), key_file=keys.replaceable(config.store.key_file), exclusive=True).close()
    after = _people(config)
    for beside in (config.store.path, config.store.key_file):
        for file in beside.parent.glob(f"{beside.name}*"):
            staged.own(file, config.store.path.parent)
    return Restored(after, before - after)


def _people(config: Config) -> int:
    found = database.open_any(config.store.path, store_key(config, may_create=False), StoreError)[0]
    try:
        return len(found.execute("SELECT subject FROM contexts").fetchall())
    finally:
        found.close()

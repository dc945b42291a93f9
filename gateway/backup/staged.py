"""Puts the files of a restoration in their places: all of them, also after a kill or a power cut in between, or none.

The files are first written to a folder beside the database. Once its plan is on the disk, the restoration is decided, and is carried out
by `restore` or, if that was interrupted, by the next start of the gateway or of `restore`. Without a plan the folder is removed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from gateway.adapters.store import database, keys

PLAN = "plan.json"


class Step(msgspec.Struct, frozen=True):
    """A file of the folder, its place, and its permissions."""

    staged: str
    target: str
    mode: int


class Plan(msgspec.Struct, frozen=True):
    """The files beside the database, then the database itself."""

    files: tuple[Step, ...]
    database: Step


def folder_of(path: Path) -> Path:
    """The folder of the restoration of a database."""
    return path.with_name(f"{path.name}.restoring")


def begin(path: Path) -> Path:
    """An empty folder for the restoration of a database. Raises OSError."""
    folder = folder_of(path)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    return folder


def decide(path: Path, plan: Plan) -> None:
    """Have the files and then the plan on the disk: from here on the restoration is carried out. Raises OSError."""
    folder = folder_of(path)
    for step in (*plan.files, plan.database):
        _synced(folder / step.staged)
    draft = folder / f"{PLAN}.part"
    draft.write_bytes(msgspec.json.encode(plan))
    _synced(draft)
    draft.rename(folder / PLAN)
    keys.sync_folder(folder)
    keys.sync_folder(folder.parent)


def settle(path: Path) -> bool:
    """Carry out a restoration that was decided and is not finished; remove one that was not. Returns whether it was carried out.

    Raises OSError.
    """
    folder = folder_of(path)
    if not folder.exists():
        return False
    plan_file = folder / PLAN
    if not plan_file.exists():
        shutil.rmtree(folder)
        return False
    plan = msgspec.json.decode(plan_file.read_bytes(), type=Plan)
    for step in plan.files:
        _put(folder / step.staged, Path(step.target), step.mode)
        own(Path(step.target), path.parent)
    staged = folder / plan.database.staged
    if staged.exists():
        if path.exists():
            database.quarantine(path)
        staged.chmod(plan.database.mode)
        own(staged, path.parent)
        staged.rename(path)
        keys.sync_folder(path.parent)
    plan_file.unlink()
    shutil.rmtree(folder)
    return True


def _put(staged: Path, target: Path, mode: int) -> None:
    """Replace `target` by a copy of `staged`, which may lie on another disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.restored")
    shutil.copyfile(staged, draft)
    draft.chmod(mode)
    _synced(draft)
    draft.rename(target)
    keys.sync_folder(target.parent)


def own(file: Path, folder: Path) -> None:
    """Give a file to the owner of the database's folder, the user of the gateway, if the process may do so (as root)."""
    if os.geteuid() == 0:
        found = folder.stat()
        os.chown(file, found.st_uid, found.st_gid)


def _synced(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

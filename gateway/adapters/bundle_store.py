"""Where the active bundle lies: itself, the one before it, and a note of how new a bundle has ever been here.

The config names one file, the active bundle. Beside it stand `<file>.previous` and `<file>.notes`. Every change is one
rename, in an order in which a power cut at any point leaves a bundle that starts: a new bundle becomes active before the
note asks for its version, and the note permits an old one before that becomes active again.

Versions only count up: what is older than the note's `version_max` does not run, except the one bundle that somebody went back
to on purpose. Whoever can write here can also delete the note; the signature, not the note, keeps strangers out.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec


class BundleStoreError(RuntimeError):
    """The bundles' folder is not as it should be; the text says what to do."""


class InstallState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must not be forgotten: the series, its newest version ever, and the bundle that was installed or gone back to last.

    That one has passed its trial, and it may run though newer ones have been here.
    """

    name: str
    version_max: int
    sha256: str


class BundleStore:
    """The files around one active bundle."""

    def __init__(self, active: Path) -> None:
        self.active = active
        self.previous = active.with_name(active.name + ".previous")
        self._notes = active.with_name(active.name + ".notes")

    def notes(self) -> InstallState | None:
        """The note, or None where nothing was ever installed. Raises BundleStoreError when it cannot be read."""
        try:
            return msgspec.json.decode(self._notes.read_bytes(), type=InstallState)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BundleStoreError(f"{self._notes} cannot be read ({error}); mend it, or remove it and install the bundle anew") from error

    def version_min(self) -> int:
        """The oldest version that the active file may have. Raises BundleStoreError."""
        notes = self.notes()
        return 1 if notes is None or self._is_noted(notes) else notes.version_max

    def is_tried(self) -> bool:
        """Whether the active bundle came here by `install` or `go_back`, which follow a trial. Raises BundleStoreError."""
        notes = self.notes()
        return notes is not None and self._is_noted(notes)

    def changed_at_ns(self) -> int:
        """When the note was written last; 0 before the first time. Asked every second, so it opens nothing."""
        try:
            return self._notes.stat().st_mtime_ns
        except OSError:
            return 0

    def install(self, content: bytes, name: str, version: int) -> None:
        """Make `content` the active bundle, and what was active the previous one. Raises OSError; then the old one is still active."""
        sha256 = hashlib.sha256(content).hexdigest()
        if digest(self.active) != sha256:
            if self.active.exists():
                self._keep_active()
            _write(self.active, content)
        self._note(InstallState(name, version, sha256))

    def roll_back(self) -> None:
        """Make the previous bundle active, and keep the active one as the previous. Raises BundleStoreError, OSError."""
        notes = self.notes()
        if notes is None or not self.previous.exists():
            raise BundleStoreError(f"there is no bundle to go back to beside {self.active}: only what was installed over another has one")
        self._note(msgspec.structs.replace(notes, sha256=digest(self.previous)))
        aside = self.active.with_name(self.active.name + ".aside")
        aside.unlink(missing_ok=True)
        os.link(self.active, aside)
        self.previous.replace(self.active)
        aside.replace(self.previous)
        _sync(self.active.parent)

    def _keep_active(self) -> None:
        """A second name for the active file; until the new one takes its first name, both stand."""
        aside = self.previous.with_name(self.previous.name + ".part")
        aside.unlink(missing_ok=True)
        os.link(self.active, aside)
        aside.replace(self.previous)

    def _is_noted(self, notes: InstallState) -> bool:
        return digest(self.active) == notes.sha256

    def _note(self, notes: InstallState) -> None:
        _write(self._notes, msgspec.json.encode(notes) + b"\n")


def digest(path: Path) -> str:
    """SHA-256 of a file in hex digits; empty where there is no file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def _write(path: Path, content: bytes) -> None:
    """All or nothing, also across a power cut."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

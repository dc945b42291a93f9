"""The files of the installed bundles: the active one, the previous one, and the install state.

The config names the active bundle's file. Beside it are `<file>.previous`, `<file>.notes` (the install state) and, for a bundle that was
copied there, `<file>.checked` (the hash that has passed the model check, which takes seconds of each start). Every change is one
rename, in an order that leaves a bundle that starts after a power cut at any point: a new bundle becomes active before the state
requires its version, and the state permits an old one before it becomes active again.

A bundle older than the state's `version_max` does not run, except after a rollback to it. Anyone with write access here can also delete
the state; protection against foreign bundles is the signature.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from gateway.adapters.whole_file import sync_folder, write_whole
from gateway.core.refusal import Refusal


class BundleStoreError(Refusal):
    """The bundle's folder cannot be used; the text names the cause and the way out."""


class InstallState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The series, its newest version so far, and the hash of the bundle that was installed or rolled back to last.

    That bundle has passed the model check, and may run although a newer version was installed before.
    """

    name: str
    version_max: int
    sha256: str


class BundleStore:
    """The files around one active bundle."""

    def __init__(self, active: Path) -> None:
        self.active = active
        self.previous = active.with_name(active.name + ".previous")
        self._state_file = active.with_name(active.name + ".notes")
        self._checked_file = active.with_name(active.name + ".checked")

    def state(self) -> InstallState | None:
        """The install state, or None before the first installation. Raises BundleStoreError if it cannot be read."""
        try:
            return msgspec.json.decode(self._state_file.read_bytes(), type=InstallState)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BundleStoreError(f"{self._state_file} cannot be read ({error}); remove it and install the bundle anew") from error

    def version_min(self) -> int:
        """The oldest version that the active bundle may have. Raises BundleStoreError."""
        state = self.state()
        return 1 if state is None or self._is_active(state) else state.version_max

    def is_checked(self) -> bool:
        """Whether `install` or `roll_back`, which need a model check before, made the active bundle active. Raises BundleStoreError."""
        state = self.state()
        return state is not None and self._is_active(state)

    def has_passed(self) -> bool:
        """Whether the active bundle has passed the model check, also one that was copied by hand. Raises BundleStoreError."""
        return self.is_checked() or self._noted() == digest(self.active)

    def note_passed(self) -> None:
        """Keep that the active bundle has passed the model check, so that the next start needs none. Raises OSError."""
        if not self.has_passed():
            write_whole(self._checked_file, digest(self.active).encode() + b"\n")

    def _noted(self) -> str:
        try:
            return self._checked_file.read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            return ""

    def changed_at_ns(self) -> int:
        """Time of the last change of the install state; 0 before the first one. Opens no file, because it is called every second."""
        try:
            return self._state_file.stat().st_mtime_ns
        except OSError:
            return 0

    def install(self, content: bytes, name: str, version: int) -> None:
        """Make `content` the active bundle, and the active bundle the previous one. Raises OSError; then nothing has changed."""
        sha256 = hashlib.sha256(content).hexdigest()
        if digest(self.active) != sha256:
            if self.active.exists():
                self._link_as_previous()
            write_whole(self.active, content)
        self._write_state(InstallState(name, version, sha256))

    def roll_back(self) -> None:
        """Exchange the active and the previous bundle. Raises BundleStoreError without a previous bundle, and OSError."""
        state = self.state()
        if state is None or not self.previous.exists():
            raise BundleStoreError(f"{self.previous} does not exist: a rollback needs two bundles installed one after the other")
        self._write_state(msgspec.structs.replace(state, sha256=digest(self.previous)))
        temporary = self.active.with_name(self.active.name + ".aside")
        temporary.unlink(missing_ok=True)
        os.link(self.active, temporary)
        self.previous.replace(self.active)
        temporary.replace(self.previous)
        sync_folder(self.active.parent)

    def _link_as_previous(self) -> None:
        """Link the active file as the previous one; it keeps its first name until the new file replaces it."""
        temporary = self.previous.with_name(self.previous.name + ".part")
        temporary.unlink(missing_ok=True)
        os.link(self.active, temporary)
        temporary.replace(self.previous)

    def _is_active(self, state: InstallState) -> bool:
        return digest(self.active) == state.sha256

    def _write_state(self, state: InstallState) -> None:
        write_whole(self._state_file, msgspec.json.encode(state) + b"\n")


def digest(path: Path) -> str:
    """SHA-256 of a file in hex digits; empty if the file does not exist."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""

"""The folder of the program's versions: two slots, a link to the one in use, and the state of a trial.

    a/  b/                  a version each, as a virtual environment; only root changes these
    state/current -> a      the version in use; without the link it is the installed package
    state/state.json        the trial of a new version, and the versions that were taken back

`state/` belongs to the user of the gateway, because the launcher takes versions back. The rest belongs to root, so that a gateway that was
broken into cannot change its program: the link has the name of a slot, and no other value counts. Root writes into `state/` without
following links.

Every change is one rename of a file that is on the disk, so a power cut leaves the state before or after it. A trial is written before the
link is switched: a trial of a slot that the link does not name has not begun, or is over. Only the standard library is used,
because the launcher of all versions imports this.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from gateway.core.refusal import Refusal

SLOTS = ("a", "b")
REFUSED_KEPT = 20
PACKAGE = ""
"""In place of a slot: the installed package."""


class SlotsError(Refusal):
    """The folder cannot be used; the text names the cause and the way out."""


class Trial(NamedTuple):
    """A new version on trial: its slot, the slot before it, and how often it was started."""

    slot: str
    version: str
    previous: str
    starts: int = 0


class State(NamedTuple):
    """`refused` has the reasons of the versions that were taken back, `version` the one that passed its trial last."""

    trial: Trial | None
    refused: dict[str, str]
    version: str


class Slots:
    """The folder at `root`."""

    def __init__(self, root: Path) -> None:
        self.root, self.changing = root, root / "state"
        self._link, self._state = self.changing / "current", self.changing / "state.json"

    def make(self) -> None:
        """Make the folders. Raises OSError."""
        self.changing.mkdir(parents=True, exist_ok=True)

    def current(self) -> str:
        """The slot in use; PACKAGE without one."""
        try:
            name = str(self._link.readlink())
        except OSError:
            return PACKAGE
        return name if name in SLOTS else PACKAGE

    def free(self) -> str:
        """The slot that is not in use."""
        return "b" if self.current() == "a" else "a"

    def folder(self, slot: str) -> Path:
        """The folder of a slot."""
        return self.root / slot

    def state(self) -> State:
        """The state; an empty one before the first update. Raises SlotsError for a file that cannot be read."""
        try:
            found: dict[str, Any] = json.loads(self._state.read_bytes())
            trial = found["trial"]
            return State(None if trial is None else Trial(**trial), dict(found["refused"]), str(found["version"]))
        except FileNotFoundError:
            return State(None, {}, "")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SlotsError(f"{self._state} cannot be read ({error}): remove it, and the version in use stays") from None

    def write(self, state: State) -> None:
        """Write the state. Raises OSError; then the old one is there."""
        refused = dict(list(state.refused.items())[-REFUSED_KEPT:])
        trial = None if state.trial is None else state.trial._asdict()
        draft = self._state.with_name(f"{self._state.name}.part")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, 0o644)  # the launcher and root read it, with any umask
            json.dump({"trial": trial, "refused": refused, "version": state.version}, file)
            file.flush()
            os.fsync(descriptor)
        draft.rename(self._state)
        _sync(self.changing)

    def switch(self, slot: str) -> None:
        """Have the link name a slot, or the package. Raises OSError; then the old one is there."""
        if slot == PACKAGE:
            self._link.unlink(missing_ok=True)
        else:
            draft = self._link.with_name("current.part")
            draft.unlink(missing_ok=True)
            draft.symlink_to(slot)
            draft.rename(self._link)
        _sync(self.changing)

    def begin(self, version: str) -> None:
        """Begin the trial of the version in the free slot. Raises OSError, SlotsError."""
        state, slot = self.state(), self.free()
        self.write(state._replace(trial=Trial(slot, version, self.current())))
        self.switch(slot)

    def started(self) -> Trial | None:
        """Count a start of the version on trial, and return its trial; None without one. Raises OSError, SlotsError."""
        state = self.state()
        if state.trial is None:
            return None
        if state.trial.slot != self.current():  # it has not begun, or was taken back just before a power cut
            self.write(state._replace(trial=None, refused=_refused(state, "interrupted") if state.trial.starts else state.refused))
            return None
        trial = state.trial._replace(starts=state.trial.starts + 1)
        self.write(state._replace(trial=trial))
        return trial

    def confirm(self) -> None:
        """End the trial: its version stays. Raises OSError, SlotsError."""
        state = self.state()
        if state.trial is not None:
            kept = {version: reason for version, reason in state.refused.items() if version != state.trial.version}
            self.write(State(None, kept, state.trial.version))

    def take_back(self, reason: str) -> None:
        """End the trial: return to the version before. Raises OSError, SlotsError."""
        state = self.state()
        if state.trial is not None:
            self.switch(state.trial.previous)
            self.write(state._replace(trial=None, refused=_refused(state, reason)))

    def fill(self, version_folder: Path) -> None:
        """Make a finished folder the free slot, which a trial may then use. Raises OSError."""
        target = self.folder(self.free())
        with suppress(FileNotFoundError):
            shutil.rmtree(target)
        os.sync()  # the files of the version are on the disk before it has its name
        version_folder.rename(target)
        _sync(self.root)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _refused(state: State, reason: str) -> dict[str, str]:
    assert state.trial is not None
    return {**state.refused, state.trial.version: reason}

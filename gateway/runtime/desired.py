"""Applies the desired state of the desk: a thread that reports, fetches, installs, and returns to the last good state by itself.

A bundle is verified in full before it is installed. Then it is on trial: the gateway must load it and reach the desk with it, each within a
time, or the previous bundle becomes active again and the fault is reported. Settings are checked as a whole; then the gateway starts again
with them, and has to be connected and reach the desk within the same time (see `gateway.settings_trial`). A refused desired state is kept
by its serial and not tried again; without an answer of the desk the gateway goes on as it is.
"""

from __future__ import annotations

import hashlib
import logging
import random
import threading
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from gateway.adapters.bundle_store import BundleStore, BundleStoreError, digest
from gateway.core.desired import (
    FAULT_CHARS_MAX,
    SETTINGS_FAULTS,
    Applied,
    Desired,
    DesiredBundle,
    Reported,
    SettingsTrial,
    taken_back,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.condition import Condition

log = logging.getLogger("wayside")

LOAD_S_MAX = 30.0  # from the installation until the running gateway has loaded the bundle
HOME_S_MAX = 300.0  # and until the desk has answered again
RETRY_S_MIN, RETRY_S_MAX = 1.0, 60.0
POLL_S = 0.1


class Desk(Protocol):
    """See `gateway.adapters.desired.DeskTarget`."""

    def exchange(self, report: Reported) -> Desired | None:
        """Report; the newer desired state, or None. Raises ValueError or OSError."""

    def bundle(self, sha256: str) -> bytes:
        """The bytes of a bundle. Raises ValueError or OSError."""


class Memory(Protocol):
    """See `gateway.adapters.desired.AppliedFile`."""

    def read(self) -> Applied:
        """The applied state. Raises ValueError."""

    def write(self, applied: Applied) -> None:
        """Keep the applied state. Raises OSError."""


class Running(NamedTuple):
    """The gateway that runs: its name and zones, name and version of the bundle in use, and its condition.

    `check` and `check_settings` are full checks of another bundle and of other settings. `is_connected` is whether the broker is reached;
    `restart` starts the gateway again with the kept settings.
    """

    gateway: str
    zones: tuple[str, ...]
    version: Callable[[], str]
    check: Callable[[bytes], None]
    condition: Callable[[], Condition]
    check_settings: Callable[[str], None]
    is_connected: Callable[[], bool]
    restart: Callable[[], None]


class DesiredThread:
    """A service of the gateway (`gateway.runtime.app.Service`)."""

    def __init__(self, running: Running, desk: Desk, bundles: BundleStore, memory: Memory, faults: tuple[type[Exception], ...]) -> None:
        """`faults` are the errors of `running.check`. Raises ValueError if the applied state cannot be read."""
        self._running, self._desk, self._bundles, self._memory, self._faults = running, desk, bundles, memory, faults
        self._applied = memory.read()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="desired", daemon=True)
        self.trouble = ""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End. A request that is held open by the desk ends with the process."""
        self._stopping.set()
        self._thread.join(POLL_S)

    def _run(self) -> None:
        pause_s = RETRY_S_MIN
        if self._applied.trial:  # the gateway ended meanwhile
            self._try_out()
        if self._applied.settings_trial is not None:
            self._try_out_settings()
        while not self._stopping.is_set():
            if self.step():
                pause_s = RETRY_S_MIN
            else:
                self._stopping.wait(pause_s * (0.5 + random.random() / 2))  # noqa: S311 - spreading load
                pause_s = min(2 * pause_s, RETRY_S_MAX)

    def step(self) -> bool:
        """One exchange with the desk, and the change that it asks for; False if the desk has not answered well."""
        try:
            desired = self._desk.exchange(self.report())
            if desired is not None and desired.serial > self._applied.serial:
                self._apply(desired)
        except (OSError, ValueError) as error:
            self._note(str(error))
            return False
        self.trouble = ""
        return True

    def report(self) -> Reported:
        """The present state."""
        applied, running = self._applied, self._running
        sha256 = digest(self._bundles.active)
        settings = hashlib.sha256(applied.settings.encode()).hexdigest() if applied.settings else ""
        state = (applied.serial, applied.fault, running.version(), sha256, applied.stopped)
        return Reported(running.gateway, *state, running.zones, running.condition(), settings)

    def _apply(self, desired: Desired) -> None:
        """Stop offers at once; then verify and install the bundle, and try it out. Raises OSError or ValueError while the desk is away."""
        wanted = desired.bundle
        is_new = wanted is not None and wanted.sha256 != digest(self._bundles.active)
        if set(desired.stopped) != set(self._applied.stopped):  # first, because a download may take long
            self._keep(msgspec.structs.replace(self._applied, stopped=desired.stopped))
            self._reload()
        if wanted is None or not is_new:
            self._apply_settings(desired)
            return
        content = self._desk.bundle(wanted.sha256)
        try:
            self._running.check(content)
        except self._faults as error:
            self._refuse(desired.serial, f"bundle {wanted.name}-{wanted.version} is refused: {error}")
            return
        trial = f"{wanted.name}-{wanted.version}"
        self._keep(Applied(desired.serial, desired.stopped, trial=trial, settings=self._applied.settings))
        self._install(content, wanted)
        self._try_out()
        if not self._applied.fault:
            self._apply_settings(desired)

    def _apply_settings(self, desired: Desired) -> None:
        """Check other settings as a whole, and start again with these on trial. Raises OSError."""
        present, wanted = self._applied.settings, desired.settings
        if wanted is None or wanted == present:
            self._keep(Applied(desired.serial, desired.stopped, settings=present))
            return
        try:
            self._running.check_settings(wanted)
        except self._faults as error:
            self._refuse(desired.serial, f"{SETTINGS_FAULTS[0]}: {error}")
            return
        self._keep(Applied(desired.serial, desired.stopped, settings=wanted, settings_trial=SettingsTrial(present)))
        log.warning("the desk's settings are on trial: the gateway starts again")
        self._running.restart()

    def _try_out_settings(self) -> None:
        """Wait until the gateway is connected and the desk has answered; otherwise start again with the settings before."""
        if self._within(HOME_S_MAX, lambda: self._running.is_connected() and self._reaches_home()):
            self._keep(msgspec.structs.replace(self._applied, settings_trial=None))
        elif not self._stopping.is_set():
            self._keep(taken_back(self._applied, "broker or desk were out of reach with them"))
            self._running.restart()

    def _install(self, content: bytes, wanted: DesiredBundle) -> None:
        state = self._bundles.state()
        newest = state.version_max if state is not None and state.name == wanted.name else 0
        self._bundles.install(content, wanted.name, max(wanted.version, newest))

    def _try_out(self) -> None:
        """Wait until the gateway has loaded its active bundle and the desk has answered; otherwise return to the previous bundle."""
        if not self._within(LOAD_S_MAX, lambda: self._running.version() == self._applied.trial):
            self._return("the gateway has not loaded it")
        elif not self._within(HOME_S_MAX, self._reaches_home):
            self._return("the desk was out of reach with it")
        else:
            self._keep(msgspec.structs.replace(self._applied, trial=""))

    def _reaches_home(self) -> bool:
        try:
            self._desk.exchange(self.report())
        except (OSError, ValueError) as error:
            self._note(str(error))
            return False
        return True

    def _within(self, most_s: float, is_true: Callable[[], bool]) -> bool:
        left_s = most_s
        while not is_true():
            if left_s <= 0 or self._stopping.wait(POLL_S):
                return False
            left_s -= POLL_S
        return True

    def _return(self, reason: str) -> None:
        if self._stopping.is_set():
            return  # the trial goes on after the next start
        try:
            self._bundles.roll_back()
        except (BundleStoreError, OSError) as error:
            reason = f"{reason}, and there is no way back: {error}"
        self._refuse(self._applied.serial, f"the new bundle was taken back: {reason}")

    def _refuse(self, serial: int, fault: str) -> None:
        self._note(fault)
        self._keep(Applied(serial, self._applied.stopped, fault[:FAULT_CHARS_MAX], settings=self._applied.settings))

    def _reload(self) -> None:
        """Have the running gateway open its bundle again, with the stopped offers of the kept state."""
        state = self._bundles.state()
        assert state is not None  # `gateway.build_desired` installs the first bundle
        self._bundles.install(self._bundles.active.read_bytes(), state.name, state.version_max)

    def _keep(self, applied: Applied) -> None:
        self._memory.write(applied)
        self._applied = applied

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.error("%s", trouble)
        self.trouble = trouble

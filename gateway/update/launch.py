"""Starts the gateway's version in use, and takes a new version back that does not prove itself on trial.

    python -I -m gateway.update.launch --root /var/lib/wayside-program -- run --config /etc/wayside/wayside.toml

This is the service's main process. It belongs to the installed package, which updates do not change, and imports the standard library
only. Notices of the gateway (sd_notify(3)) pass through it to the service manager, and are the proof of health: on trial a version has to
be ready and `online` HEALTHY_NOTICES times within HEALTH_S. Otherwise, or if it ends before, or was started more than STARTS_MAX times, the
version before is started again. SIGUSR1 stops the gateway and starts the version in use. A gateway that ends by itself, not on trial, ends
the launcher with its exit code: the service manager starts it again, and counts.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from types import FrameType

from gateway.update.slots import PACKAGE, Slots, SlotsError, Trial

HEALTH_S = 60.0
HEALTHY_NOTICES = 3
STARTS_MAX = 3
STOP_S = 30.0
STOP_TRIAL_S = 5.0  # of a version that has not proven itself
POLL_S = 0.2
ALIVE = b"WATCHDOG=1"
NOTICE_BYTES = 4_096
PID_FILE = "launch.pid"


class Launcher:
    """One gateway process at a time."""

    def __init__(self, slots: Slots, arguments: list[str], health_s: float = HEALTH_S) -> None:
        self._slots, self._arguments, self._health_s = slots, arguments, health_s
        self._outside = os.environ.get("NOTIFY_SOCKET", "")
        self._folder = tempfile.TemporaryDirectory(prefix="wayside-launch-")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.inside = f"{self._folder.name}/notify"  # the socket of the gateway's notices
        self._socket.bind(self.inside)
        self._socket.settimeout(POLL_S)
        self._stop, self._restart = threading.Event(), threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Serve until SIGTERM; the exit code of the gateway's last end."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, self._note)
        code, goes_on = 0, True
        while goes_on:
            self._restart.clear()
            code = self._life()
            goes_on = self._restart.is_set() and not self._stop.is_set()
        return code

    def close(self) -> None:
        """Remove the socket of notices."""
        self._socket.close()
        self._folder.cleanup()

    def _note(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGHUP:
            if self._child is not None:
                self._child.send_signal(number)
        elif number == signal.SIGUSR1:
            self._restart.set()
        else:
            self._stop.set()

    def _is_asked(self) -> bool:
        return self._stop.is_set() or self._restart.is_set()

    def _life(self) -> int:
        """Start the version in use and serve it to its end; on trial it is confirmed or taken back."""
        trial = self._trial()
        if trial is not None and trial.starts > STARTS_MAX:
            self._take_back(f"it was started {STARTS_MAX} times without proving itself")
            trial = None
        self.drain()
        self._child = self._start()
        began, healthy = time.monotonic(), 0
        while self._child.poll() is None and not self._is_asked():
            notice = self.notice()
            healthy += b"READY=1" in notice and any(line.startswith(b"STATUS=online") for line in notice)
            if trial is not None and healthy >= HEALTHY_NOTICES:
                _log(f"version {trial.version} has proven itself")
                self._slots.confirm()
                trial = None
            if trial is not None and time.monotonic() - began > self._health_s:
                break
        code = self._end(STOP_S if trial is None or self._is_asked() else STOP_TRIAL_S)
        if trial is not None and not self._is_asked():
            self._take_back(f"it ended with exit code {code}" if code is not None else f"it was not healthy within {self._health_s:g} s")
            self._restart.set()  # at once
        return code or 0

    def _trial(self) -> Trial | None:
        try:
            return self._slots.started()
        except (OSError, SlotsError) as error:
            _log(f"no trial can be followed: {error}")
            return None

    def _take_back(self, reason: str) -> None:
        _log(f"the new version is taken back: {reason}")
        try:
            self._slots.take_back(reason)
        except (OSError, SlotsError) as error:
            _log(f"it could not be taken back: {error}; that is tried again at the next start")

    def _start(self) -> subprocess.Popen[bytes]:
        slot = self._slots.current()
        python = sys.executable if slot == PACKAGE else str(self._slots.folder(slot) / "bin" / "python")
        variables = os.environ | {"NOTIFY_SOCKET": self.inside}
        try:
            return subprocess.Popen([python, "-I", "-m", "gateway.cli", *self._arguments], env=variables)  # noqa: S603 - the slot is ours, the arguments those of the service
        except OSError as error:
            _log(f"{python} does not start ({error})")
            return subprocess.Popen([sys.executable, "-c", "raise SystemExit(126)"])

    def notice(self) -> list[bytes]:
        """The lines of the next notice of the gateway, passed on; none if it sends none for a while."""
        try:
            notice = self._socket.recv(NOTICE_BYTES)
        except (TimeoutError, InterruptedError):
            return []
        self._pass_on(notice)
        return notice.splitlines()

    def _pass_on(self, notice: bytes) -> None:
        if self._outside:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.connect("\0" + self._outside[1:] if self._outside.startswith("@") else self._outside)
                sender.send(notice)

    def drain(self) -> None:
        """Forget notices of the version before, which prove nothing of the next one; a change of versions is a sign of life."""
        self._socket.settimeout(0.0)
        with suppress(BlockingIOError):
            while self._socket.recv(NOTICE_BYTES):
                pass
        self._socket.settimeout(POLL_S)
        self._pass_on(ALIVE)

    def _end(self, stop_s: float) -> int | None:
        """Have the gateway end within a time; its exit code, or None if it had to be stopped."""
        assert self._child is not None
        code = self._child.poll()
        if code is None:
            self._child.terminate()
            try:
                self._child.wait(stop_s)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        return code


def _log(text: str) -> None:
    sys.stderr.write(f"wayside launch: {text}\n")
    sys.stderr.flush()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="gateway.update.launch", description="Start the gateway's version in use, and try out a new one.")
    parser.add_argument("--root", type=Path, required=True, help="folder of the versions")
    parser.add_argument("--health-s", type=float, default=HEALTH_S, help="time in which a new version has to prove itself")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="-- and the command line of wayside")
    found = parser.parse_args()
    slots = Slots(found.root)
    slots.make()
    (slots.changing / PID_FILE).write_text(f"{os.getpid()}\n")
    with closing(Launcher(slots, found.arguments[1:], found.health_s)) as launcher:
        code = launcher.run()
    sys.exit(code)


if __name__ == "__main__":
    main()

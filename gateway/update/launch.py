"""Starts the gateway's version in use, and takes a new version back that does not prove itself on trial.

    python -m gateway.update.launch --root /var/lib/wayside/program -- run --config /etc/wayside/wayside.toml

This is the service's main process. It belongs to the installed package, which updates do not change, and imports the standard library
only. Notices of the gateway (sd_notify(3)) pass through it to the service manager, and are the proof of health: on trial a version has to
be ready and `online` HEALTHY_NOTICES times within HEALTH_S. Otherwise, or if it ends before, or was started more than STARTS_MAX times, the
version before is started again. SIGUSR1 stops the gateway and starts the version in use.
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
from contextlib import suppress
from pathlib import Path
from types import FrameType

from gateway.update.slots import PACKAGE, Slots, SlotsError, Trial

HEALTH_S = 60.0
HEALTHY_NOTICES = 3
STARTS_MAX = 3
STOP_S = 30.0
POLL_S = 0.2
PAUSE_S = 1.0  # before a version that ended is started again
NOTICE_BYTES = 4_096


class Launcher:
    """One gateway process at a time."""

    def __init__(self, slots: Slots, arguments: list[str], health_s: float = HEALTH_S) -> None:
        self._slots, self._arguments, self._health_s = slots, arguments, health_s
        self._outside = os.environ.get("NOTIFY_SOCKET", "")
        self._folder = tempfile.TemporaryDirectory(prefix="wayside-launch-")
        self._inside = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._inside.bind(f"{self._folder.name}/notify")
        self._inside.settimeout(POLL_S)
        self._stop, self._restart = threading.Event(), threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Serve until SIGTERM; the exit code of the gateway's last end."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, self._note)
        code = 0
        while not self._stop.is_set():
            self._restart.clear()
            code = self._life()
            if not self._is_asked():
                self._stop.wait(PAUSE_S)
        self._folder.cleanup()
        return code

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
        self._child = self._start()
        began, healthy = time.monotonic(), 0
        while self._child.poll() is None and not self._is_asked():
            notice = self._notice()
            healthy += b"READY=1" in notice and b"STATUS=online" in notice
            if trial is not None and healthy >= HEALTHY_NOTICES:
                _log(f"version {trial.version} has proven itself")
                self._slots.confirm()
                trial = None
            if trial is not None and time.monotonic() - began > self._health_s:
                break
        code = self._end()
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
        variables = os.environ | {"NOTIFY_SOCKET": f"{self._folder.name}/notify"}
        try:
            return subprocess.Popen([python, "-I", "-m", "gateway.cli", *self._arguments], env=variables)  # noqa: S603 - the slot is ours, the arguments those of the service
        except OSError as error:
            _log(f"{python} does not start ({error})")
            return subprocess.Popen([sys.executable, "-c", "raise SystemExit(126)"])

    def _notice(self) -> bytes:
        """The next notice of the gateway, passed on; empty if none comes for a while."""
        try:
            notice = self._inside.recv(NOTICE_BYTES)
        except (TimeoutError, InterruptedError):
            return b""
        if self._outside:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.connect("\0" + self._outside[1:] if self._outside.startswith("@") else self._outside)
                sender.send(notice)
        return notice

    def _end(self) -> int | None:
        """Have the gateway end; its exit code, or None if it had to be stopped."""
        assert self._child is not None
        code = self._child.poll()
        if code is None:
            self._child.terminate()
            try:
                self._child.wait(STOP_S)
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
    found.root.mkdir(parents=True, exist_ok=True)
    (found.root / "launch.pid").write_text(f"{os.getpid()}\n")
    sys.exit(Launcher(slots, found.arguments[1:], found.health_s).run())


if __name__ == "__main__":
    main()

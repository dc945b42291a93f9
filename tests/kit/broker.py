"""A real Mosquitto for tests, with its own port and configuration; it can be stopped, killed and started again.

The port stays the same over restarts, so that clients can reconnect. A start is complete when a connection succeeds. Without Mosquitto a
test is skipped with the reason; under CI=true it fails.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.kit.waiting import WAIT_S

HOST = "127.0.0.1"
FIRST_PORT, PORTS = 10_000, 22_000  # Linux takes ports for outgoing connections from 32768 upwards


class Broker(NamedTuple):
    """Address of a broker."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as mqtt://host:port."""
        return f"mqtt://{self.host}:{self.port}"


def mosquitto_path() -> str:
    """Path of Mosquitto, which Debian installs outside the PATH of ordinary users; skips or fails the test without it."""
    found = shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]))
    if found is not None:
        return found
    reason = "mosquitto is not installed (Debian: apt-get install mosquitto)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """A loopback port without a listener, below the range of outgoing connections: none of them takes it before its user does."""
    while True:
        port = FIRST_PORT + secrets.randbelow(PORTS)
        with suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            return port


class MosquittoBroker:
    """One Mosquitto. With `persistence` it keeps sessions and retained messages in that folder across restarts.

    `lines` are further lines of its configuration, such as `max_queued_messages 0` or `acl_file ...`.
    """

    def __init__(self, folder: Path, *, persistence: Path | None = None, lines: tuple[str, ...] = ()) -> None:
        self._program = mosquitto_path()
        self._folder = folder
        self._persistence = persistence
        self._lines = lines
        self._process: subprocess.Popen[bytes] | None = None
        self.address = Broker(HOST, free_port())

    @property
    def host(self) -> str:
        """Always the loopback interface."""
        return self.address.host

    @property
    def port(self) -> int:
        """The same after every restart."""
        return self.address.port

    @property
    def url(self) -> str:
        """mqtt://host:port."""
        return self.address.url

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """The log of all runs so far."""
        path = self._folder / "mosquitto.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def start(self) -> Broker:
        """Start, and wait until it accepts connections. Raises RuntimeError if it runs already or does not start."""
        if self.running:
            raise RuntimeError("this broker is already running")
        config = self._write_config()
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = process = subprocess.Popen([self._program, "-c", str(config)], stdout=log, stderr=log)
        give_up = time.monotonic() + WAIT_S
        while not self._accepts():
            if process.poll() is not None or time.monotonic() > give_up:
                self.kill()
                raise RuntimeError(f"mosquitto did not start on port {self.port}:\n{self.log[-2000:]}")
        return self.address

    def stop(self) -> None:
        """Stop it with SIGTERM, so that it saves its sessions."""
        if self._process is not None:
            self._process.terminate()
            self._wait()

    def kill(self) -> None:
        """Stop it with SIGKILL, like a power cut."""
        if self._process is not None:
            self._process.kill()
            self._wait()

    def restart(self) -> Broker:
        """Stop and start again on the same port."""
        self.stop()
        return self.start()

    def _wait(self) -> None:
        if self._process is not None:
            try:
                self._process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _accepts(self) -> bool:
        """Whether a connection succeeds."""
        with suppress(OSError), socket.create_connection((self.host, self.port), timeout=0.2):
            return True
        # A refused connection returns at once: leave the processor to the broker for a moment.
        with suppress(subprocess.TimeoutExpired):
            if self._process is not None:
                self._process.wait(0.01)
        return False

    def _write_config(self) -> Path:
        lines = [
            f"listener {self.port} {self.host}",
            "allow_anonymous true",
            "set_tcp_nodelay true",
            "log_type error",
            "log_type warning",
            "log_type notice",
        ]
        if self._persistence is not None:
            self._persistence.mkdir(parents=True, exist_ok=True)
            lines += ["persistence true", f"persistence_location {self._persistence}/", "autosave_interval 1"]
        if os.geteuid() == 0:
            lines.append("user root")  # otherwise it drops its privileges and cannot write here
        path = self._folder / "mosquitto.conf"
        path.write_text("\n".join([*lines, *self._lines]) + "\n", "utf-8")
        return path


@contextmanager
def mosquitto(folder: Path, *, persistence: Path | None = None, lines: tuple[str, ...] = ()) -> Iterator[MosquittoBroker]:
    """A running broker, stopped after the block."""
    broker = MosquittoBroker(folder, persistence=persistence, lines=lines)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[MosquittoBroker]:
    """A running Mosquitto for one test; import this name in the test module or a conftest."""
    with mosquitto(tmp_path) as running:
        yield running

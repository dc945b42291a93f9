"""The processes of the demonstration: each is started in a process session of its own, watched, and ended in order.

A thread reads the JSON lines on stdout, so that the pipe cannot fill up. stderr goes to a file in the demonstration's folder; at the end
the tracebacks in it are counted as unhandled errors.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.core.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

END_S_MAX = 25.0
BROKER_S_MAX = 15.0
MOSQUITTO_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
WHEELS = {"amqtt": "wayside-sim"}
"""Command -> the wheel that brings it, where it is not the wheel's own name."""

AMQTT_CONFIG = """listeners:
  default:
    type: tcp
    bind: 127.0.0.1:{port}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin:
    allow_anonymous: true
"""


class DemoError(Refusal):
    """The demonstration cannot start; the text names the cause and the way out."""


class Part:
    """One process of the demonstration."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, *, ours: bool = True) -> None:
        """Start the process; `latest` is the last JSON object on its stdout. Tracebacks are counted only for processes that are `ours`."""
        self.name = name
        self._ours = ours
        self.latest: dict[str, Any] = {}
        self.reported = threading.Event()
        self._stderr = folder / f"{name}.stderr"
        with self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(  # noqa: S603 - our own programs
                list(command),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, name=f"read-{name}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.startswith(b"{"):
                    self.latest = json.loads(line)
                    self.reported.set()

    @property
    def is_running(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code: negative for a signal, None while the process runs."""
        return self._process.poll()

    def cpu_s(self) -> float:
        """Processor time of the process in seconds, of all its threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self) -> float:
        """Peak resident memory of the process in MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def last_error_line(self) -> str:
        """The last line on stderr."""
        lines = self._stderr.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "(no output on stderr)"

    def end(self) -> int:
        """Terminate the process, and kill it after END_S_MAX; returns the number of its unhandled errors."""
        if self.is_running:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(END_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join(END_S_MAX)
        if not self._ours:
            return 0
        tracebacks = self._stderr.read_text(errors="replace").count("Traceback (most recent call last)")
        return tracebacks or int(code not in {0, -signal.SIGTERM})


def require(*commands: str, folder: Path | None = None) -> None:
    """Return if all commands are in `folder` (by default that of the running Python). Raises DemoError naming the wheels to install."""
    folder = folder or Path(sys.executable).parent
    absent = [command for command in commands if not (folder / command).exists()]
    if absent:
        wheels = " and ".join(dict.fromkeys(WHEELS.get(command, command) for command in absent))
        raise DemoError(f"{' and '.join(absent)} not found in {folder}: install {wheels} (`make setup` in a clone of the project does)")


def program(command: str) -> str:
    """The path of a command that is installed beside the running Python. Raises DemoError if it is not."""
    require(command)
    return str(Path(sys.executable).parent / command)


def free_port(wanted: int = 0) -> int:
    """A free loopback port, or `wanted`. Raises DemoError if that is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            raise DemoError(f"port {wanted} is in use: choose another one with --port, or 0 for any free one") from None
        return int(probe.getsockname()[1])


def start_broker(folder: Path, search: str | None = None) -> tuple[Part, int, str]:
    """Start Mosquitto if it is installed, else amqtt; returns the part, its port, and a line that names the broker.

    `search` are folders in the form of PATH; by default PATH and the usual folders of Mosquitto. Raises DemoError.
    """
    port = free_port()
    folders = os.pathsep.join([os.environ.get("PATH", ""), *MOSQUITTO_FOLDERS]) if search is None else search
    mosquitto = shutil.which("mosquitto", path=folders)
    if mosquitto:
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\nmax_queued_messages 100000\n"
        )
        part, name = Part("broker", [mosquitto, "-c", str(config)], folder), "broker: Mosquitto"
    else:
        config = folder / "amqtt.yaml"
        config.write_text(AMQTT_CONFIG.format(port=port))
        name = "broker: amqtt (Mosquitto is not installed; amqtt supports only MQTT 3.1.1, so offers do not expire at the broker)"
        part = Part("broker", [program("amqtt"), "-c", str(config)], folder, ours=False)
    _await_port(part, port)
    return part, port, name


def _await_port(part: Part, port: int) -> None:
    pause = threading.Event()
    for _ in range(int(BROKER_S_MAX / 0.05)):
        if not part.is_running:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        pause.wait(0.05)
    part.end()
    raise DemoError(f"the broker did not start: {part.last_error_line()}")

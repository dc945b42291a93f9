"""Whole gateways for tests: a config of a small site with every till of the demonstration, and `wayside run` as a process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from firmware_sim.devices.wayside_v1 import TAG_SECRET
from gateway.adapters.bundle_store import BundleStore
from gateway.adapters.store import Store
from gateway.config import Config, load_config
from gateway.core.types import Message
from gateway.runtime.app import App
from tests.kit.bundles import BundleFiles, make_bundle
from tests.kit.waiting import WAIT_S, until

WAYSIDE = [sys.executable, "-m", "gateway.cli"]
SIM = [sys.executable, "-c", "from firmware_sim.cli import main; main()"]
TAG = "iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1000-1"

CONFIG = """\
site = "street"
gateway = "gw-t"
timezone = "Europe/Berlin"
status_interval_s = 0.2

[mqtt]
port = {port}
first_connect_s = 60

[store]
path = "gw-t.db"
key_file = "gw-t.key"

[bundle]
path = "{bundle}"
trusted_keys = ["{keys}"]

[presence]
dwell_s = 600

[[zones]]
id = "plaza"
anchors = ["plaza"]

[[zones]]
id = "cafe"
kind = "coffee_house"
x_m = 120.0

[[sources]]
topic = "wayside/v1/street/up/+/+"
decoder = "wayside_v1"

[[sources]]
topic = "espresense/#"
decoder = "espresense"

[claims]
secret_file = "tags.secret"

[devices]
"till-cafe" = {{ zone = "cafe", kind = "till" }}
"till-bistro" = {{ zone = "plaza", kind = "till" }}
"till-noodle-bar" = {{ zone = "plaza", kind = "till" }}
"till-pub" = {{ zone = "plaza", kind = "till" }}
"till-market" = {{ zone = "plaza", kind = "till" }}
"""


def store_of(gateway: App) -> Store:
    """The SQLite store of a gateway."""
    assert isinstance(gateway.store, Store)
    return gateway.store


def write_config(folder: Path, port: int = 1883, files: BundleFiles | None = None, more: str = "") -> Path:
    """A config for `wayside run` in `folder`, with a bundle installed beside it; `more` is further TOML."""
    folder.mkdir(parents=True, exist_ok=True)
    files = files or make_bundle(folder)
    BundleStore(files.bundle).install(files.bundle.read_bytes(), "tiny", 1)  # otherwise every start would check the model again
    path = folder / "wayside.toml"
    (folder / "tags.secret").write_text(TAG_SECRET, "utf-8")
    path.write_text(CONFIG.format(port=port, bundle=files.bundle, keys=files.keys) + more, "utf-8")
    return path


def settings_of(path: Path, *overrides: str) -> Config:
    """The config of a file."""
    return load_config(path, overrides)


class GatewayProcess:
    """`wayside run` as a process. `latest` is its last report, `reports` the last report of every run.

    `command` starts `wayside`; by default it is the code under test.
    """

    def __init__(self, config: Path, command: Sequence[str] = WAYSIDE) -> None:
        self._config = config
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self.latest: dict[str, Any] = {}
        self.reports: list[dict[str, Any]] = []
        self.stderr = config.with_suffix(".stderr")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start, and wait until it is connected."""
        self.latest = {}
        with self.stderr.open("ab") as stderr:
            self._process = subprocess.Popen(
                [*self._command, "run", "--config", str(self._config), "--json"],
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=self._config.parent,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        until(lambda: self.latest.get("connects"), describe=lambda: self.stderr.read_text("utf-8", "replace"))

    def kill(self) -> None:
        """End it with SIGKILL, like a power cut."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it with SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(how)
        code = self._process.wait(WAIT_S)
        assert self._reader is not None
        self._reader.join(WAIT_S)
        self.reports.append(self.latest)
        self._process = None
        return code

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.endswith(b"\n"):  # a killed process may leave half a line
                    self.latest = json.loads(line)


def message(device: str, kind: str, seq: int, /, **fields: Any) -> Message:
    """A Wayside v1 message of a device."""
    payload = json.dumps({"v": 1, "boot": "b", "seq": seq, "at_ms": None, **fields}).encode()
    return Message(f"wayside/v1/street/up/{device}/{kind}", payload, 0, qos=int(kind in {"purchase", "answer", "consent"}))


def walk_in(device: str = "phone-0001", boot: int = 0) -> list[Message]:
    """Messages of a person who consents to all purposes and enters the plaza, where the scanner receives the tag twice."""
    consent = message(device, "consent", boot + 1, purposes=["presence", "offers", "learning", "measurement"], version=1)
    return [consent, *(message(device, "sighting", boot + seq, heard=[{"id": "plaza", "rssi": -60}]) for seq in (2, 3))]

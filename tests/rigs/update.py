"""Updates that are interrupted at random moments: the gateway lives, keeps each fact once, and returns from a version that does not work.

The real launcher, `wayside update` and a signed repository; SIGKILL at a random moment ends the update, the launcher with its gateway, or
both. Releases are the code under test in other versions: one that works, one with a newer schema of the database, and two that end, after a
change of the schema and at once.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

import gateway
from gateway.adapters.store import Store
from gateway.adapters.store.database import newest
from gateway.adapters.store.keys import read_key
from gateway.commands.running import AbsentError, fetch
from gateway.core.types import Envelope
from gateway.update.archive import Release, here, pack
from gateway.update.repository import Repository
from gateway.update.slots import PACKAGE, Slots
from tests.kit.broker import mosquitto
from tests.kit.gateways import WAYSIDE, message, settings_of, write_config
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import WAIT_S, until
from tests.rigs.report import Progress, Report, quiet

HEALTH_S = 60.0
UPDATE_S = 8.0  # the span of moments at which an update is interrupted
ENDS = 'raise SystemExit("this version does not work")\n'


class Kind(NamedTuple):
    """A release: whether it works, and whether it changes the schema."""

    version: str
    works: bool
    migrates: bool


KINDS = (
    Kind("0.2.0", works=True, migrates=False),
    Kind("0.3.0", works=True, migrates=True),
    Kind("0.4.0", works=False, migrates=True),
    Kind("0.5.0", works=False, migrates=False),
)


def site_of(kind: Kind, folder: Path) -> Path:
    """Site-packages of a version: the gateway's code with its changes, and the way to the other distributions."""
    site = folder / f"site-{kind.version}"
    package = Path(gateway.__file__).parent
    shutil.copytree(package, site / "gateway", ignore=shutil.ignore_patterns("__pycache__", "*.md"))
    (site / "distributions.pth").write_text(sysconfig.get_path("platlib") + "\n")
    number = newest() + 1
    schema = site / "gateway" / "adapters" / "store" / "schema"
    if kind.migrates:
        (schema / f"{number:04}_later.sql").write_text("CREATE TABLE later (name TEXT PRIMARY KEY) STRICT;\n")
        (schema / f"{number:04}_later.down.sql").write_text("DROP TABLE later;\n")
    if not kind.works and kind.migrates:
        module, place = site / "gateway" / "runtime" / "app.py", "    def run(self) -> None:\n"
        module.write_text(module.read_text().replace(place, f"{place}        {ENDS}", 1))
    elif not kind.works:
        (site / "gateway" / "cli.py").write_text(ENDS)
    return site


def repository_of(kind: Kind, folder: Path) -> Path:
    """A signed repository with one release."""
    place = folder / f"releases-{kind.version}"
    repository = Repository(place, folder / f"keys-{kind.version}")
    now = datetime.now(UTC)
    repository.begin(now)
    repository.add(pack(site_of(kind, folder), Release(kind.version, *here()), folder, 0), now)
    return place


class Device:
    """A gateway under its launcher, and a till that goes on selling."""

    def __init__(self, folder: Path, port: int) -> None:
        self.config = write_config(folder / "gateway", port)
        self.slots = Slots(folder / "program")
        self.slots.make()
        self.launcher: subprocess.Popen[bytes] | None = None
        self.log = folder / "launch.log"

    def start(self) -> None:
        """Start the launcher, in a session of its own."""
        words = ["-m", "gateway.update.launch", "--root", str(self.slots.root), "--health-s", str(HEALTH_S)]
        with self.log.open("ab") as log:
            self.launcher = subprocess.Popen(
                [sys.executable, *words, "--", "run", "--config", str(self.config)],
                stdout=log,
                stderr=log,
                cwd=self.config.parent,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End the launcher and the gateway, like a power cut."""
        if self.launcher is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.launcher.pid, signal.SIGKILL)
            self.launcher.wait()
            self.launcher = None

    def is_online(self) -> bool:
        """Whether the gateway is connected and stores."""
        try:
            report = fetch(settings_of(self.config))
        except AbsentError:
            return False
        return report.connected and report.status.state == "online"

    def update(self, source: Path) -> subprocess.Popen[bytes]:
        """Begin an update."""
        words = ["update", "--from", str(source), "--root", str(self.slots.root), "--again"]
        with self.log.open("ab") as log:
            return subprocess.Popen([*WAYSIDE, *words], stdout=log, stderr=log, cwd=self.config.parent, start_new_session=True)

    def forget_versions(self, source: Path) -> None:
        """Trust another repository, and take its version for a newer one than that in use."""
        shutil.rmtree(self.slots.root / "metadata", ignore_errors=True)
        shutil.copy(source / "metadata" / "1.root.json", self.slots.root / "trusted.json")
        self.slots.write(self.slots.state()._replace(trial=None, refused={}, version="0.0.1"))


def run(count: int, seed: int, progress: Progress = quiet) -> Report:
    """Interrupt `count` updates."""
    draws, broken, rollbacks = random.Random(seed), list[str](), list[float]()  # noqa: S311 - moments to be the same each time
    tally = {"interrupted": 0, "installed": 0, "taken back": 0}
    with tempfile.TemporaryDirectory(prefix="wayside-update-") as name, mosquitto(Path(name), persistence=Path(name) / "kept") as broker:
        folder = Path(name)
        sources = [repository_of(kind, folder) for kind in KINDS]
        device, sold = Device(folder, broker.port), itertools.count(1)
        with Subscriber(broker.host, broker.port, "none") as till:
            device.start()
            until(device.is_online, WAIT_S, describe=device.log.read_text)
            for number in range(count):
                at = number % len(KINDS)
                before = device.slots.current()
                device.forget_versions(sources[at])
                for _ in range(5):
                    sell(till, next(sold))
                tally["interrupted"] += interrupted(device, sources[at], draws)
                rollbacks += settled(device, sources[at], KINDS[at], broken)
                sell(till, next(sold))
                is_new = device.slots.current() != before
                tally["installed" if is_new else "taken back"] += 1
                if is_new != KINDS[at].works:
                    broken.append(f"update {number} to {KINDS[at].version}: the slot in use is {device.slots.current()!r}")
                progress("interrupted updates")
            total = next(sold) - 1
            until(lambda: stored(device, total) == (total, total), WAIT_S, describe=lambda: (total, stored(device, total)))
        device.kill()
        facts, known = stored(device, total)
    if facts != total or known != total:
        broken.append(f"{total} facts were sold, {facts} are stored, {known} of them known")
    slowest, median = max(rollbacks, default=0.0), sorted(rollbacks)[len(rollbacks) // 2] if rollbacks else 0.0
    figures: dict[str, float] = {
        "updates": count,
        **tally,
        "dead": sum("dead" in one for one in broken),
        "facts": total,
        "lost": total - known,
    }
    figures |= {"rollbacks": len(rollbacks), "rollback_s_median": round(median, 1), "rollback_s_max": round(slowest, 1)}
    return Report(figures, tuple(broken))


def sell(till: Subscriber, seq: int) -> None:
    """One sale; it returns when the broker has acknowledged it."""
    one = message("till-cafe", "purchase", seq, amount_minor=450, kind="coffee_house")
    till.publish(one.topic, one.payload, qos=1)


def interrupted(device: Device, source: Path, draws: random.Random) -> bool:
    """Begin an update and end the update, the gateway, or both at a random moment; False if the update had ended before."""
    update = device.update(source)
    with suppress(subprocess.TimeoutExpired):
        update.wait(draws.random() * UPDATE_S)
    is_running, victims = update.poll() is None, draws.choice(("update", "gateway", "both"))
    if victims != "gateway":
        with suppress(ProcessLookupError):
            os.killpg(update.pid, signal.SIGKILL)
    if victims != "update":
        device.kill()
        device.start()
    update.wait()
    return is_running


def settled(device: Device, source: Path, kind: Kind, broken: list[str]) -> list[float]:
    """Repeat the update until it has an end, and wait until the gateway is online; seconds of a rollback."""
    update, taken_back_s = device.update(source), list[float]()

    def is_settled() -> bool:
        if not taken_back_s and kind.version in device.slots.state().refused:
            taken_back_s.append(time.monotonic())
        return update.poll() is not None and device.slots.state().trial is None and device.is_online()

    try:
        until(is_settled, 3 * HEALTH_S, describe=device.log.read_text)
    except pytest.fail.Exception:
        broken.append(f"the gateway is dead after an update to {kind.version}, slot {device.slots.current() or PACKAGE!r}")
        device.kill()
        device.start()
        return []
    return [time.monotonic() - at_s for at_s in taken_back_s]


def stored(device: Device, total: int) -> tuple[int, int]:
    """Number of facts in the store, and of those of the till."""
    folder = device.config.parent
    store = Store(folder / "gw-t.db", read_key(folder / "gw-t.key", may_create=False), key_file=folder / "gw-t.key")
    try:
        return store.totals()["facts"], sum(store.is_known(Envelope("till-cafe", "b", seq)) for seq in range(1, total + 1))
    finally:
        store.close()

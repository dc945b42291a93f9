"""The launcher with small programs in the place of gateways: a version proves itself or is taken back, also over power cuts."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from gateway.update.archive import Release, here, unpack
from gateway.update.launch import Launcher
from gateway.update.slots import Slots, SlotsError, State, Trial
from tests.kit.cuts import is_cut
from tests.kit.waiting import WAIT_S, until
from tests.update.releases import ENDS, HOLDS, Shop, release

FIRST = "0.2.0"


class Device:
    """A device whose slot `a` has FIRST, which works; the launcher runs in a session of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.slots = folder, Slots(folder / "program")
        self.slots.make()
        self.fill(release(folder, FIRST), FIRST)
        self.slots.switch("a")
        self.slots.write(State(None, {}, FIRST))
        self.launcher: subprocess.Popen[bytes] | None = None

    def fill(self, file: Path, version: str) -> None:
        made = self.folder / "made"
        unpack(file, made, Release(version, *here()))
        self.slots.fill(made)

    def start(self, **more: str) -> None:
        words = ["-m", "gateway.update.launch", "--root", str(self.slots.root), "--health-s", "5", "--", "run"]
        with (self.folder / "log").open("ab") as log:
            self.launcher = subprocess.Popen(
                [sys.executable, *words], cwd=self.folder, env=os.environ | more, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        if self.launcher is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.launcher.pid, signal.SIGKILL)
            self.launcher.wait()

    def update(self, shop: Shop) -> subprocess.Popen[bytes]:
        shop.trusted_by(self.slots.root)
        words = [sys.executable, "-m", "gateway.cli", "update", "--from", str(shop.place), "--root", str(self.slots.root), "--again"]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)

    def running(self) -> str:
        """The version that was started last."""
        with suppress(OSError):
            return (self.folder / "version").read_text()
        return ""

    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    made = Device(tmp_path)
    yield made
    made.kill()


def begun(device: Device, version: str, body: str) -> None:
    """Put a version into the free slot, and have the launcher try it."""
    device.start()
    until(lambda: device.running() == FIRST, describe=device.log)
    device.fill(release(device.folder, version, body), version)
    device.slots.begin(version)
    assert device.launcher is not None
    device.launcher.send_signal(signal.SIGUSR1)
    until(lambda: device.slots.state().trial is None, describe=device.log)


def test_a_version_that_works_stays(device: Device, tmp_path: Path) -> None:
    shop = Shop(tmp_path, "0.3.0")
    device.start()
    until(lambda: device.running() == FIRST, describe=device.log)
    assert device.update(shop).wait(WAIT_S) == 0, device.log()
    assert (device.running(), device.slots.current(), device.slots.state()) == ("0.3.0", "b", State(None, {}, "0.3.0"))
    assert device.update(shop).wait(WAIT_S) == 0
    assert "0.3.0 is the newest version" in device.log()


@pytest.mark.parametrize(("body", "reason"), [(ENDS, "it ended with exit code 3"), ("syntax error", "it ended with exit code 1")])
def test_a_version_that_ends_is_taken_back(device: Device, body: str, reason: str) -> None:
    begun(device, "0.3.0", body)
    assert device.slots.state().refused == {"0.3.0": reason}
    until(lambda: device.running() == FIRST, describe=device.log)
    assert device.slots.current() == "a"


def test_a_version_that_stores_nothing_is_taken_back(device: Device) -> None:
    begun(device, "0.3.0", HOLDS)
    assert device.slots.state().refused == {"0.3.0": "it was not healthy within 5 s"}
    until(lambda: device.running() == FIRST, describe=device.log)


def test_a_version_without_an_interpreter_is_taken_back(device: Device) -> None:
    device.fill(release(device.folder, "0.3.0"), "0.3.0")
    (device.slots.folder("b") / "bin" / "python").unlink()
    device.slots.begin("0.3.0")
    device.start()
    until(lambda: device.running() == FIRST, describe=device.log)
    assert device.slots.state().refused == {"0.3.0": "it ended with exit code 126"}


def test_a_version_that_never_proves_itself_over_power_cuts_is_taken_back(device: Device) -> None:
    device.fill(release(device.folder, "0.3.0", HOLDS), "0.3.0")
    device.slots.begin("0.3.0")
    for starts in (1, 2, 3):
        device.start()
        until(lambda starts=starts: device.slots.state().trial == Trial("b", "0.3.0", "a", starts), describe=device.log)  # type: ignore[misc]
        device.kill()
    device.start()
    until(lambda: device.running() == FIRST, describe=device.log)
    assert device.slots.state().refused == {"0.3.0": "it was started 3 times without proving itself"}


def test_notices_reach_the_service_manager(device: Device, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "manager"))
        manager.settimeout(WAIT_S)
        device.start(NOTIFY_SOCKET=str(tmp_path / "manager"))
        assert manager.recv(4_096) == b"WATCHDOG=1"  # of the launcher, at each start of a version
        assert manager.recv(4_096) == b"READY=1\nWATCHDOG=1\nSTATUS=online, MQTT 5"


def test_notices_of_the_version_before_prove_nothing(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    slots.make()
    with closing(Launcher(slots, ["--help"])) as launcher, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as gateway:
        for _ in range(5):
            gateway.sendto(b"READY=1\nSTATUS=online, MQTT 5", launcher.inside)
        launcher.drain()
        assert launcher.notice() == []


def test_a_gateway_that_ends_by_itself_ends_the_launcher(device: Device) -> None:
    device.fill(release(device.folder, "0.3.0", ENDS), "0.3.0")
    device.slots.switch("b")
    device.start()
    assert device.launcher is not None
    assert device.launcher.wait(WAIT_S) == 3


def test_root_writes_the_state_without_following_a_link(tmp_path: Path) -> None:
    slots, other = Slots(tmp_path), tmp_path / "other"
    slots.make()
    other.write_text("kept")
    (tmp_path / "state" / "state.json.part").symlink_to(other)
    slots.write(State(None, {}, FIRST))
    assert (other.read_text(), slots.state()) == ("kept", State(None, {}, FIRST))


def test_a_stop_ends_the_gateway_in_order(device: Device) -> None:
    device.start()
    until(lambda: device.running() == FIRST, describe=device.log)
    assert device.launcher is not None
    device.launcher.terminate()
    assert device.launcher.wait(WAIT_S) in {0, -signal.SIGTERM}


# --- power cuts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["begin", "started", "confirm", "take_back"])
def test_a_power_cut_at_any_change_leaves_the_state_before_or_after(tmp_path: Path, step: str) -> None:
    """After it the next start finds a version that works, or one whose trial goes on."""

    def prepared(number: int) -> Slots:
        slots = Slots(tmp_path / f"{step}-{number}")
        for slot in ("a", "b"):
            slots.folder(slot).mkdir(parents=True)
        slots.make()
        slots.switch("a")
        slots.write(State(None, {}, FIRST))
        if step != "begin":
            slots.begin("0.3.0")
            assert slots.started() == Trial("b", "0.3.0", "a", 1)
        return slots

    actions = {"begin": ("0.3.0",), "started": (), "confirm": (), "take_back": ("why",)}
    number, seen = 1, set[tuple[str, bool, str]]()
    while True:
        prepared_slots = prepared(number)
        if not is_cut(number, partial(getattr(prepared_slots, step), *actions[step])):
            break
        slots = Slots(tmp_path / f"{step}-{number}")
        trial = slots.started()
        assert slots.current() in {"a", "b"}
        assert (slots.current() == "b") == (trial is not None or slots.state().version == "0.3.0")
        seen.add((slots.current(), trial is not None, slots.state().version))
        number += 1
    assert number > 3
    assert seen <= {("a", False, FIRST), ("b", True, FIRST), ("b", False, "0.3.0")}


def test_a_state_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    slots = Slots(tmp_path)
    slots.make()
    (tmp_path / "state" / "state.json").write_text("{")
    with pytest.raises(SlotsError, match=r"state.json cannot be read .*: remove it, and the version in use stays"):
        slots.state()
    (tmp_path / "state" / "current").symlink_to("../elsewhere")
    assert slots.current() == ""


@pytest.mark.parametrize("count", [3, pytest.param(200, marks=pytest.mark.soak)])
def test_updates_interrupted_at_random_moments_leave_no_dead_device(device: Device, tmp_path: Path, count: int) -> None:
    draws = random.Random(11)  # noqa: S311 - reproducible moments
    shops = [Shop(tmp_path / name) for name in ("works", "ends")]
    for shop in shops:
        shop.folder.mkdir(exist_ok=True)
    shops[0].add("0.3.0")
    shops[1].add("0.4.0", ENDS)
    device.start()
    until(lambda: device.running() == FIRST, describe=device.log)
    for number in range(count):
        shop, version = shops[number % 2], ("0.3.0", "0.4.0")[number % 2]
        for file in (device.slots.root / "metadata").glob("*"):
            if file.is_file() or file.is_symlink():
                file.unlink()
        device.slots.write(State(None, {}, "0.0.1"))
        update = device.update(shop)
        with suppress(subprocess.TimeoutExpired):
            update.wait(draws.random() * 1.5)
        victims = draws.choice(("update", "device", "both"))
        if victims != "device":
            with suppress(ProcessLookupError):
                os.killpg(update.pid, signal.SIGKILL)
        if victims != "update":
            device.kill()
            device.start()
        update.wait(WAIT_S)
        last = device.update(shop)
        code = last.wait(WAIT_S)
        assert code == number % 2, (number, victims, device.log())
        assert (version in device.slots.state().refused) == bool(code)
        if not code:
            until(lambda: device.running() == "0.3.0", describe=device.log)
        else:
            until(lambda: device.running() in {FIRST, "0.3.0"}, describe=device.log)

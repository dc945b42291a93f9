"""`wayside demo`, as somebody runs it who has just cloned the project: it ends well, adds up, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from gateway.commands.demo.processes import DemoError, require
from gateway.commands.demo.show import Demo
from gateway.commands.demo.summary import summarise
from tests.kit.broker import mosquitto_path
from tests.kit.gateways import WAYSIDE
from tests.kit.waiting import WAIT_S, until

FIELDS = set(
    "broker setup_s run_s first_trigger_s messages messages_by_decoder refused discarded visits facts decisions triggers triggers_sent "
    "answers records_made records_taken records_at_dashboard trigger_ms_p50 trigger_ms_p99 memory_mib unhandled_errors learning "
    "course calibration_error_s margin_interval_s".split()
)


def descendants(pid: int) -> set[int]:
    """Every process below `pid`, whatever session it is in."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            except OSError:
                continue  # it has ended meanwhile
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        waiting += (fresh := set(children.get(waiting.pop(), ())) - found)
        found |= fresh
    return found


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}").exists()}


class RunningDemo:
    """The command in a folder for temporary files of its own; `parts` are the processes that it has ever had."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.parts: set[int] = set()
        environment = {**os.environ, "TMPDIR": str(folder)}
        self.process = subprocess.Popen(
            [*WAYSIDE, "demo", *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._ended = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.2):
            self.parts |= descendants(self.process.pid)

    def address(self, lines: IO[str] | None) -> str:
        """Wait for the link of the desk among the lines of stdout (with --json: stderr)."""
        assert lines is not None
        for line in lines:
            if found := re.search(r"desk: (http://\S+)", line):
                return found[1]
        pytest.fail(str(self.end()))

    def end(self) -> tuple[str, str]:
        """Wait for its end; the rest of stdout and stderr."""
        out, err = self.process.communicate(timeout=2 * WAIT_S)
        self._ended.set()
        self._watching.join()
        return out, err

    def check_nothing_is_left(self) -> None:
        """No process and no file."""
        until(lambda: not alive(self.parts), describe=lambda: alive(self.parts))
        assert list(self.folder.iterdir()) == []


def check(summary: dict[str, Any]) -> None:
    """What every demonstration must come to."""
    assert set(summary) == FIELDS
    assert summary["unhandled_errors"] == 0
    assert summary["triggers"] > 20
    assert summary["records_made"] == summary["records_taken"] == summary["records_at_dashboard"] > 0
    assert 0 < summary["triggers_sent"] <= summary["triggers"] == summary["decisions"]["chosen"]
    assert summary["messages"] == sum(summary["messages_by_decoder"].values()) > 100
    assert summary["visits"]["entered"] >= summary["visits"].get("left", 0)
    assert sum(summary["refused"].values()) < summary["messages"] / 20
    assert summary["facts"] > 0
    assert summary["answers"]["shown"] > 0
    assert 0 <= summary["trigger_ms_p50"] <= summary["trigger_ms_p99"]
    assert summary["first_trigger_s"] < summary["run_s"]


@pytest.mark.broker
@pytest.mark.parametrize("world", ["street", pytest.param("mall", marks=pytest.mark.soak), pytest.param("station", marks=pytest.mark.soak)])
def test_it_runs_adds_up_and_leaves_nothing_behind(tmp_path: Path, world: str) -> None:
    mosquitto_path()
    demo = RunningDemo(tmp_path, "--world", world, "--port", "0", "--json")
    address = demo.address(demo.process.stderr)
    with httpx.Client(timeout=WAIT_S) as desk:
        assert desk.get(address).status_code == 303  # signed in
        until(lambda: is_full(desk.get(httpx.URL(address).join("/v1/summary")).json()))
    demo.process.send_signal(signal.SIGINT)
    out, err = demo.end()
    assert demo.process.returncode == 0, err
    (line,) = out.splitlines()
    check(json.loads(line))
    assert json.loads(line)["broker"] == "Mosquitto"
    assert len(demo.parts) >= 5
    demo.check_nothing_is_left()


def is_full(summary: dict[str, Any]) -> bool:
    """Whether the demonstration has run long enough for `check`: two records a window of 5 s of each gateway."""
    return bool(summary["records"] >= 20)


@pytest.mark.broker
def test_it_ends_by_itself_after_so_many_seconds(tmp_path: Path) -> None:
    mosquitto_path()
    demo = RunningDemo(tmp_path, "--seconds", "1", "--port", "0", "--headless")
    out, err = demo.end()
    assert demo.process.returncode == 0, err
    assert "Unhandled errors: 0." in out
    demo.check_nothing_is_left()


@pytest.mark.broker
def test_a_closed_terminal_ends_it_cleanly(tmp_path: Path) -> None:
    mosquitto_path()
    demo = RunningDemo(tmp_path, "--port", "0", "--headless")
    demo.address(demo.process.stdout)
    until(lambda: len(demo.parts) >= 5)
    demo.process.send_signal(signal.SIGHUP)
    out, err = demo.end()
    assert demo.process.returncode == 0, err
    assert "Unhandled errors: 0." in out
    demo.check_nothing_is_left()


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        demo = RunningDemo(tmp_path, "--seconds", "5", "--headless", "--port", str(taken.getsockname()[1]))
        _, err = demo.end()
    assert demo.process.returncode == 1
    (line,) = err.splitlines()
    assert "is in use: choose another one with --port" in line
    demo.check_nothing_is_left()


def test_absent_commands_are_named_with_the_wheels_to_install(tmp_path: Path) -> None:
    (tmp_path / "wayside-sim").touch()
    require("wayside-sim", folder=tmp_path)
    with pytest.raises(DemoError, match=r"wayside-dashboard and amqtt not found in .*: install wayside-dashboard and wayside-sim "):
        require("wayside-sim", "wayside-dashboard", "amqtt", folder=tmp_path)


@pytest.fixture
def without_mosquitto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Demo]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    demo = Demo(0, 1, search="")
    yield demo
    demo.end()


def test_it_runs_without_mosquitto(without_mosquitto: Demo, tmp_path: Path) -> None:
    demo = without_mosquitto
    assert "amqtt" in demo.broker
    until(lambda: demo.totals().triggers > 20, describe=demo.totals)
    # the first triggers may follow a dwell, which no message starts, so they have no time from a message
    until(lambda: demo.totals().largest("trigger_ms_p50") is not None, describe=demo.totals)
    until(lambda: demo.totals().table("answers").get("shown") and demo.totals().table("visits").get("left"))
    assert demo.check() is None
    assert {report["protocol"] for report in demo.totals().reports} == {"MQTT 3.1.1"}
    totals = demo.finish()
    demo.end()
    made = summarise(totals, setup_s=0.0, run_s=60.0, first_trigger_s=1.0, faults=demo.faults, broker=demo.broker)
    check(made | {"course": [], "calibration_error_s": None, "margin_interval_s": None})
    assert list(tmp_path.iterdir()) == []

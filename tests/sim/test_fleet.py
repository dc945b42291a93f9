"""Fleets: number, rate and reproducible bytes; recordings are replayed unchanged."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from firmware_sim.cli import app
from firmware_sim.faults.rules import FaultError, parse_options
from firmware_sim.fleet.fleet import Fleet
from firmware_sim.fleet.playback import Playback
from firmware_sim.fleet.procstat import Meter
from firmware_sim.fleet.run import Lags
from firmware_sim.message import Message
from firmware_sim.products.catalogue import CATALOGUE, DEFAULT_MIX
from firmware_sim.wire.broker import UsageError
from firmware_sim.wire.publisher import PUBLISH, packet
from firmware_sim.wire.recording import RecordingError, read
from tests.kit.broker import free_port

START_MS = 1_793_617_200_000


def sim(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


class Recording:
    """A fleet without a broker, and all its messages."""

    def __init__(
        self, devices: int = 400, *, rate: float | None = 200.0, seed: int = 1, faults: tuple[str, ...] = (), ramp_s: float = 2.0
    ) -> None:
        self.sent: list[tuple[int, str, Message]] = []
        self.fleet = Fleet(
            DEFAULT_MIX, devices, seed=seed, start_ms=START_MS, send=self._send, rate=rate, ramp_s=ramp_s, faults=parse_options(faults)
        )

    def _send(self, device: str, message: Message) -> None:
        self.sent.append((self.fleet.loop.now_ms, device, message))

    def digest(self) -> str:
        return hashlib.sha256(repr(self.sent).encode()).hexdigest()


def run(seconds: int, devices: int = 400, **options: Any) -> Recording:
    recording = Recording(devices, **options)
    recording.fleet.run_until(seconds * 1000)
    return recording


@pytest.fixture(scope="module")
def recording() -> Recording:
    return run(40)


def test_everybody_is_switched_on_and_speaks(recording: Recording) -> None:
    assert len(recording.fleet.devices) == 400
    spoken = {device for _, device, _ in recording.sent}
    silent = recording.fleet.devices.keys() - spoken
    # Only devices that join a network may be silent: some Zigbee and LoRaWAN devices are refused at first.
    assert {device[:8] for device in silent} <= {"climate-", "70b3d57e"}
    assert {message.format for _, _, message in recording.sent} == set(CATALOGUE)
    assert recording.fleet.summary()["messages"] == len(recording.sent)


def test_the_rate_is_met_exactly_once_all_are_on(recording: Recording) -> None:
    reports = Counter(at_ms // 10_000 for at_ms, _, message in recording.sent if 20_000 <= at_ms < 40_000)
    for count in reports.values():
        assert abs(count - 2_000) <= 0.02 * 2_000  # a sleeping device is awake slightly longer than its period


def test_what_one_device_says_is_in_order(recording: Recording) -> None:
    numbers: dict[tuple[str, str], list[int]] = {}
    for _, device, message in recording.sent:
        if message.format == "wayside_v1":
            fields = json.loads(message.payload)
            numbers.setdefault((device, fields["boot"]), []).append(fields["seq"])
    assert len(numbers) == 120
    assert all(seqs == list(range(len(seqs))) for seqs in numbers.values())


def test_same_seed_same_bytes_in_any_steps(recording: Recording) -> None:
    again = Recording()
    for end_ms in range(0, 40_001, 333):
        again.fleet.run_until(end_ms)
    again.fleet.run_until(40_000)
    assert again.digest() == recording.digest()
    assert run(2, seed=2).digest() != run(2).digest()


def test_without_a_rate_each_product_keeps_its_own_period() -> None:
    said = run(130, 100, rate=None).sent
    times: dict[str, list[int]] = {}
    for at_ms, device, message in said:
        if message.format in {"owntracks", "minew_gateway_json"} and message.kind != "status":
            times.setdefault(device, []).append(at_ms)
    periods = {device[:2]: {later - earlier for earlier, later in pairwise(stamps)} for device, stamps in times.items()}
    assert periods == {"ph": {10_000}, "AC": {1_000}}


def test_faults_befall_a_fleet() -> None:
    sick = run(20, faults=("loss:share=0.5,devices=phone-o*", "reboot:from_s=10,devices=edge-*"))
    well = run(20)
    lost = sum(m.format == "owntracks" for _, _, m in well.sent) - sum(m.format == "owntracks" for _, _, m in sick.sent)
    assert sick.fleet.counters.faults["loss"] == lost > 100
    assert sick.fleet.counters.faults["reboot"] == 8
    assert sick.fleet.summary()["starts"] == {"crash": 8, "power": 400}
    others = {"owntracks", "sparkplug_b"}
    assert [row for row in sick.sent if row[2].format not in others] == [row for row in well.sent if row[2].format not in others]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("clone:beacon=iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1-1", "use it on a street"),
        ("loss:share=1,devices=edge-0001", "no device 'edge-0001'; did you mean 'edge-00001'"),
    ],
)
def test_a_rule_that_means_nothing_to_a_fleet_is_expected(rule: str, expected: str) -> None:
    with pytest.raises(FaultError, match=expected):
        run(1, faults=(rule,))


def test_lags_are_counted_exactly() -> None:
    lags = Lags()
    for late_ms in range(100):
        lags.note(late_ms + 0.4)
    assert lags.percentiles() == {"p50": 49, "p95": 94, "p99": 98, "max": 99}
    assert Lags().percentiles() == {}


@pytest.mark.parametrize(("length", "stated"), [(0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001")])
def test_a_packet_states_its_length_as_the_standard_has_it(length: int, stated: str) -> None:
    assert packet(PUBLISH, bytes(length))[: 1 + len(stated) // 2].hex() == f"30{stated}"


def test_processes_are_measured_and_absent_ones_run_() -> None:
    meter = Meter()
    assert sum(range(100_000)) > 0
    cost = meter.cost()
    assert 0 <= cost.cpu_pct < 1_000
    assert 5 < cost.rss_mb < 10_000
    with pytest.raises(UsageError, match="no process"):
        Meter(2**22 + 1)


# --- on the command line ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ["fleet", "--devices", "150", "--rate", "100", "--seconds", "10", "--fault", "duplicate:share=0.1", "--record"],
        ["record", "street", "--seconds", "8", "--fault", "loss:share=0.1", "--fault", "skew:ms=900,devices=till-*"],
    ],
    ids=["fleet", "street"],
)
def test_the_digest_is_the_same_three_times_and_that_of_the_file(command: list[str], tmp_path: Path) -> None:
    digests = set()
    for number in range(3):
        file = tmp_path / f"{number}.jsonl"
        done = sim(*command, str(file), "--seed", "7", "--json")
        assert done.exit_code == 0, done.stderr
        summary = json.loads(done.stdout)
        assert summary["digest"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert sum(summary["faults"].values()) > 10
        digests.add(summary["digest"])
    assert len(digests) == 1
    other = json.loads(sim(*command, str(tmp_path / "other"), "--seed", "8", "--json").stdout)
    assert other["digest"] not in digests


def test_a_recording_is_said_again_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "fleet.jsonl"
    summary = json.loads(sim("fleet", "--devices", "60", "--rate", "60", "--seconds", "20", "--record", str(file), "--json").stdout)
    recorded, said = list(read(file)), list[tuple[int, Message]]()
    playback = Playback(file, lambda _, message: said.append((playback.loop.now_ms, message)))
    playback.run_until(10**9)
    first_ms = recorded[0].at_ms
    assert len(said) == len(recorded) == summary["messages"]
    assert [(at_ms + first_ms, m.topic, m.payload, m.qos, m.retain) for at_ms, m in said] == [tuple(one) for one in recorded]
    assert any(one.topic.startswith("spBv1.0/") for one in recorded), "Sparkplug is not UTF-8: it goes through hex"


@pytest.mark.parametrize(
    ("line", "recording"),
    [
        ('{"topic": "a/+"}', "topic without"),
        ('{"topic": "a", "qos": 2}', "QoS 0 or 1"),
        ('{"at_ms": 1}', "topic"),
        ('{"topic": "a", "payload_hex": "xx"}', "hexadecimal"),
        ("nonsense", "JSON is malformed"),
    ],
)
def test_a_file_that_is_no_recording_is_told_with_its_line(line: str, recording: str, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(f'{{"topic": "fine", "payload": {{"a": 1}}}}\n\n{line}\n', "utf-8")
    lines = read(file)
    assert next(lines) == (0, "fine", b'{"a": 1}', 0, False)
    with pytest.raises(RecordingError, match=f"x.jsonl:3: .*{recording}"):
        next(lines)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["fleet", "--mix", "owntrack"], "mix: no product 'owntrack'; did you mean 'owntracks'?"),
        (["fleet", "--fault", "lost:share=1"], "kind 'lost' is not allowed; did you mean 'loss'?"),
        (["record", "street", "x", "--fault", "corrupt:share=1,how=cat"], "how: 'cat' is not allowed; did you mean 'cut'?"),
        (["run", "street", "--fault", "loss"], "share: required, but missing"),
        (["fleet", "--devices", "2000", "--own", "*"], "at most 500 are allowed"),
    ],
)
def test_wrong_use_is_one_line(command: list[str], expected: str) -> None:
    done = sim(*command)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1), done.output
    assert expected in done.stderr


@pytest.mark.parametrize("command", ["fleet", "replay", "count"])
def test_an_absent_broker_is_one_line_and_every_command_has_an_example(command: str, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"topic": "a"}\n', "utf-8")
    done = sim(command, *([str(file)] if command == "replay" else []), "--broker", f"mqtt://127.0.0.1:{free_port()}")
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1), done.output
    assert "start one" in done.stderr
    assert f"Example: wayside-sim {command}" in " ".join(sim(command, "--help").stdout.split())

"""`wayside status`, `watch` and `doctor` of a gateway that flows, of none, and over a socket with a long path."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from gateway.adapters import unix_sockets
from gateway.build_services import report_socket
from gateway.runtime.tallies import NAMES_MAX, Unnamed
from tests.commands.terminal import wayside
from tests.doctor.bench import bench, diagnosed
from tests.kit.gateways import settings_of, write_config
from tests.kit.waiting import until


@pytest.mark.broker
def test_a_gateway_that_flows(tmp_path: Path) -> None:
    folder = tmp_path / ("a-folder-with-a-name-that-makes-the-address-of-a-unix-socket-longer-than-107-bytes" * 2)
    folder.mkdir()
    with bench(folder) as made:
        made.broker()
        config = made.config()
        app = made.flow(config)
        until(lambda: app.triggers.sent)
        assert stat.S_IMODE(report_socket(settings_of(config)).stat().st_mode) == 0o600
        found, shown = diagnosed(config), wayside("status", "--config", config)
        twice = wayside("watch", "--config", config, "--times", 2, "--interval", 0.1, "--json")
        text = wayside("doctor", "--config", config)
    assert found["verdict"] == "flowing"
    assert found["findings"] == []
    assert found["funnel"]["sent"] == 1
    assert found["report"]["sources"][0]["newest_ms"] <= found["at_ms"]
    assert (shown.code, text.code) == (0, 0)
    assert "  sent                 1  offers that the broker acknowledged" in shown.out.splitlines()
    assert [json.loads(line)["status"]["gateway"] for line in twice.out.splitlines()] == ["gw-t", "gw-t"]
    assert text.out.startswith("No fault: offers flow")


def test_no_gateway_is_one_line_and_a_code(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    assert wayside("status", "--config", config).refusal(1) == "the gateway is not running: start it with `wayside run`, or its service"
    lines = wayside("watch", "--config", config, "--times", 1, "--json").out.splitlines()
    assert [list(json.loads(line)) for line in lines] == [["absent"]]


def test_a_gateway_that_hangs_is_not_called_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.commands.running.WAIT_S", 0.05)
    config = write_config(tmp_path)
    with unix_sockets.listen(report_socket(settings_of(config))):
        assert "did not answer within" in wayside("status", "--config", config).refusal(1)


def test_a_socket_file_of_an_ended_process_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.status"
    unix_sockets.listen(path).close()
    with pytest.raises(ConnectionRefusedError):
        unix_sockets.connect(path, 1.0)
    with unix_sockets.listen(path) as listening, unix_sockets.connect(path, 1.0):
        listening.accept()[0].close()


def test_a_flood_of_ids_takes_no_memory() -> None:
    unnamed = Unnamed()
    for number in range(3 * NAMES_MAX):
        unnamed.note(f"scanner-{number}", 2)
    assert (len(unnamed.times), unnamed.others) == (NAMES_MAX, 4 * NAMES_MAX)

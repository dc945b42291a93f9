"""The unit, the maintainer scripts, and the notices to the service manager."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gateway.adapters import service_manager
from gateway.build import build
from gateway.commands.run import POLL_S, _watch, serve
from gateway.update.device import FOLDER
from gateway.update.slots import Slots
from tests.house.tree import ROOT
from tests.kit.broker import mosquitto
from tests.kit.gateways import settings_of, write_config

UNIT = ROOT / "packaging" / "wayside.service"
EXPOSURE_MAX = {"wayside": 1.5, "wayside-authority": 1.8, "wayside-renew": 4.5, "wayside-update": 2.7}


@contextmanager
def notices(folder: Path) -> Iterator[socket.socket]:
    """The socket of a service manager; a broker that was started before does not know of it, and sends no notices of its own."""
    path = folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as received, pytest.MonkeyPatch.context() as patch:
        received.bind(str(path))
        received.settimeout(30.0)
        patch.setenv(service_manager.VARIABLE, str(path))
        yield received


def test_a_notice_without_a_service_manager_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(service_manager.VARIABLE, raising=False)
    assert not service_manager.notify(service_manager.READY)
    monkeypatch.setenv(service_manager.VARIABLE, "/no/such/socket")
    assert not service_manager.notify(service_manager.READY)


@pytest.mark.broker
def test_ready_once_connected_and_alive_while_the_writer_works(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, notices(tmp_path) as received:
        settings = settings_of(write_config(tmp_path, broker.port))
        app = build(settings)
        thread = threading.Thread(target=serve, args=(app, settings), kwargs={"as_json": False})
        thread.start()
        found = _until(received, "READY=1")
        assert {"READY=1", "WATCHDOG=1"} < set(found)
        assert _until(received, "STATUS=online, MQTT 5")
        app.stop()
        thread.join()
        received.settimeout(0.0)
        with suppress(BlockingIOError):  # a service that has sent it is ended after its time to stop, also in a reload
            while notice := received.recv(4096):
                assert b"STOPPING" not in notice


def _until(received: socket.socket, line: str) -> list[str]:
    """The lines of the first notice with this line."""
    while line not in (found := received.recv(4096).decode().splitlines()):
        continue
    return found


def test_a_writer_that_hangs_gives_no_sign_of_life(tmp_path: Path) -> None:
    settings = settings_of(write_config(tmp_path), "mqtt.first_connect_s=0")
    with notices(tmp_path) as received:
        app, ended = build(settings), threading.Event()
        watcher = threading.Thread(target=_watch, args=(app, settings, ended, [], False))
        watcher.start()  # the writer never turns
        assert "READY=1" not in _until(received, "WATCHDOG=1")
        received.settimeout(3 * POLL_S)
        with pytest.raises(TimeoutError):
            received.recv(4096)
        app.beats += 1
        received.settimeout(30.0)
        assert _until(received, "WATCHDOG=1")
        ended.set()
        watcher.join()
    app.stop()
    app.run()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", EXPOSURE_MAX)
def test_the_exposure_of_each_unit(name: str) -> None:
    words = ["/usr/bin/systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT.with_name(f"{name}.service"))]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    found = re.search(r"exposure level for [a-z-]+\.service: (\d+\.\d)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= EXPOSURE_MAX[name]


def test_the_unit_and_the_package_name_the_same_folders() -> None:
    unit, build_script = UNIT.read_text("utf-8"), (ROOT / "packaging/build-deb.sh").read_text("utf-8")
    assert "prefix=/opt/wayside" in build_script
    folders, wrapper = f"--root {FOLDER}", (ROOT / "packaging/wayside").read_text("utf-8")
    start = f"/opt/wayside/bin/python -I -m gateway.update.launch {folders} -- run --config /etc/wayside/wayside.toml"
    assert f"ExecStart={start}" in unit
    assert f"ReadWritePaths={Slots(FOLDER).changing}" in unit
    assert f"readlink {Slots(FOLDER).changing}/current" in wrapper
    assert f"python={FOLDER}/$slot/bin/python" in wrapper
    for script in ("postinst", "prerm", "postrm"):
        path = ROOT / "packaging/debian" / script
        subprocess.run(["/bin/sh", "-n", path], check=True)
        assert script in build_script

"""The installation for a device, as scripts/install-device.sh makes it: small, without pip, and the gateway in it does its work."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.house import tree
from tests.kit.broker import mosquitto
from tests.kit.gateways import GatewayProcess, walk_in, write_config
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import until

INSTALLED_MB_MAX = 160
DISTRIBUTIONS_MAX = 25


def call(*words: str | Path, cwd: Path = tree.ROOT) -> str:
    """What a command prints to stdout; it must succeed, with no traceback on stderr."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.soak
@pytest.mark.broker
def test_a_pruned_installation_decides_and_stays_small(tmp_path: Path) -> None:
    call("make", "wheels", f"DIST={tmp_path / 'dist'}")
    (wheel,) = (tmp_path / "dist").glob("wayside-*.whl")
    device = tmp_path / "device"
    told = call("sh", "scripts/install-device.sh", device, wheel)

    wayside = str(device / "bin" / "wayside")
    assert "fine" in call(wayside, "check", "--config", "deploy/worlds/street/gw-a.toml")
    assert "this gateway can run it" in call(
        wayside, "bundle", "verify", "deploy/worlds/street/street.bundle", "--config", "deploy/worlds/street/gw-a.toml"
    )
    with (
        mosquitto(tmp_path) as broker,
        Subscriber(broker.host, broker.port, name="subscriber") as subscriber,
        GatewayProcess(write_config(tmp_path / "gateway", broker.port), [wayside]) as gateway,
    ):
        gateway.start()
        subscriber.say(*walk_in())
        until(lambda: gateway.latest.get("decisions", {}).get("chosen"), describe=lambda: gateway.latest)
        assert gateway.stop() == 0
        assert "Traceback" not in gateway.stderr.read_text("utf-8")

    names = {path.name for path in device.glob("lib/python*/site-packages/*")}
    assert names >= {"gateway", "onnxruntime", "numpy"}
    assert not names & {"pip", "setuptools", "models", "firmware_sim", "dashboard"}
    megabytes = sum(path.lstat().st_blocks * 512 for path in device.rglob("*")) / 1e6
    distributions = [name for name in names if name.endswith(".dist-info")]
    assert megabytes <= INSTALLED_MB_MAX, told
    assert len(distributions) <= DISTRIBUTIONS_MAX, told

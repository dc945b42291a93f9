"""The recipe for a dead gateway, as a person types it: back up, lose the device, restore on another one, start, first offer."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.backup.device import PASSPHRASE
from tests.kit.broker import mosquitto
from tests.kit.gateways import WAYSIDE, GatewayProcess, walk_in, write_config
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import until

MINUTES = 10
OFFER = "wayside/v1/street/down/{}/offer"


def wayside(*arguments: str) -> str:
    return subprocess.run([*WAYSIDE, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.mark.broker
def test_a_dead_gateway_is_replaced_within_ten_minutes(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    words = ["--config", str(tmp_path / "gw" / "wayside.toml"), "--passphrase-file", str(tmp_path / "passphrase")]
    with mosquitto(tmp_path) as broker, Subscriber(broker.host, broker.port, name="subscriber") as subscriber:
        config = write_config(tmp_path / "gw", broker.port)
        with GatewayProcess(config) as first:
            first.start()
            subscriber.say(*walk_in("phone-0001"))
            subscriber.wait_for(OFFER.format("phone-0001"))
            text = wayside("backup", str(tmp_path / "gw.backup"), "--with-keys", *words)
            assert "of gw-t, with keys, without people" in text
            first.kill()
        shutil.rmtree(tmp_path / "gw")
        began = time.monotonic()
        assert "whole. gw-t of street" in wayside("restore", str(tmp_path / "gw.backup"), "--check", *words)
        assert "restored, with 0 people. Start the gateway." in wayside("restore", str(tmp_path / "gw.backup"), *words)
        with GatewayProcess(config) as second:
            second.start()
            subscriber.say(*walk_in("phone-0009"))
            subscriber.wait_for(OFFER.format("phone-0009"))
            assert time.monotonic() - began < MINUTES * 60
            until(lambda: second.latest.get("triggers") == 1)
            second.stop()

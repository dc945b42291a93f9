"""`wayside incident` on a real broker: the zone is silent when the command returns, and an unlisted desk is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.terminal import wayside
from tests.kit.broker import mosquitto
from tests.kit.gateways import GatewayProcess, walk_in, write_config
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import until


@pytest.mark.broker
def test_a_desk_silences_a_zone_and_ends_it(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, Subscriber(broker.host, broker.port) as phone:
        address = ("--broker", f"mqtt://{broker.host}:{broker.port}", "--site", "street", "--desk")
        refused = wayside("incident", "declare", *address, "desk-1", "--zone", "plaza")
        assert "no gateway has taken it within 2 s: each lists 'desk-1' in devices" in refused.refusal(1)
        with GatewayProcess(write_config(tmp_path / "gw", broker.port, more='"desk-1" = { zone = "*", kind = "desk" }\n')) as gateway:
            gateway.start()
            declared = wayside("incident", "declare", *address, "desk-1", "--zone", "plaza", "--minutes", "5")
            assert (declared.code, declared.err) == (0, "")
            assert declared.out.startswith("gw-t: plaza is silent until ")
            phone.say(*walk_in())
            until(lambda: gateway.latest["decisions"].get("incident") == 1)
            ended = wayside("incident", "end", *address, "desk-1", "--zone", "plaza", "--json")
            assert json.loads(ended.out) == [{"gateway": "gw-t", "zone": "plaza", "until_ms": None}]
            phone.say(*walk_in("phone-0002"))
            phone.wait_for("wayside/v1/street/down/phone-0002/offer")

"""The HTTP interface beside a real broker: the same request by HTTP and by MQTT has the same answer, and one contact history."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kit.broker import MosquittoBroker, broker, free_port
from tests.kit.bundles import make_bundle
from tests.kit.gateways import GatewayProcess, message, walk_in, write_config
from tests.kit.http import HttpClient
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import until
from tests.runtime.test_api import KIOSK, MORE, campaign

__all__ = ["broker"]

REPLY = "wayside/v1/street/reply/kiosk-plaza/offer"


def ask(client: HttpClient, key: str) -> dict[str, object]:
    """The answer to the kiosk's request for the person."""
    sent = {"Content_Type": "application/json", "Authorization": f"Bearer {KIOSK}", "Idempotency_Key": key}
    reply = client.send("POST", "/v1/decide", b'{"person": "phone-0001"}', **sent)
    assert reply.status == 200
    found: dict[str, object] = reply.json
    return found


@pytest.mark.broker
def test_http_and_mqtt_give_one_answer_and_share_the_caps(broker: MosquittoBroker, tmp_path: Path) -> None:
    port = free_port()
    files = make_bundle(tmp_path, campaign=campaign(per_person_day_max=2))
    config = write_config(tmp_path, broker.port, files, MORE.replace("port = 0", f"port = {port}"))
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'"kiosk-plaza" = "{KIOSK}"\n', "utf-8")
    tokens.chmod(0o600)
    with GatewayProcess(config) as gateway, Subscriber(broker.host, broker.port) as subscriber:
        gateway.start()
        subscriber.say(*walk_in())
        until(lambda: gateway.latest["visits"]["entered"])
        with HttpClient(port) as client:
            by_http = ask(client, "1")
            request = message("kiosk-plaza", "request", 7, person="phone-0001")
            subscriber.publish(request.topic, request.payload)
            by_mqtt = json.loads(subscriber.wait_for(REPLY)[0])
            assert by_mqtt.keys() - by_http.keys() == {"v", "boot", "seq"}
            own = {"decision", "expires_at_ms", "coupon"}
            assert by_http["outcome"] == "offer"
            assert all(by_mqtt[name] == value for name, value in by_http.items() if name not in own)
            assert ask(client, "2")["outcome"] == "none", "two offers a day, one by each way"
            assert len(subscriber.payloads(REPLY)) == 1, "an answer by HTTP is not published"
        gateway.kill()
        gateway.start()
        with HttpClient(port) as client:
            assert ask(client, "1") == by_http, "it was committed before the answer"
        assert gateway.stop() == 0

"""Canaries through every exit of a running gateway: a real broker and cloud, client ids, user properties, names of files, reports, pages.

`tests/runtime/test_exits.py` puts them into each field of each format; here they go the ways that only a whole process has.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.commands.terminal import wayside
from tests.kit.broker import free_port, mosquitto
from tests.kit.cloud import FakeCloud
from tests.kit.gateways import GatewayProcess, walk_in, write_config
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import until
from tests.runtime.test_exits import CANARIES, leaks, poisoned

pytestmark = pytest.mark.broker

MORE = """
[page]
port = {page}
operator = "Market Street"

[metrics]
port = {metrics}

[[sources]]
topic = "owntracks/+/+"
decoder = "owntracks"
"""


class Ran(NamedTuple):
    """Bytes by exit, the number of messages that the gateway took, and of offers that it sent."""

    exits: dict[str, bytes]
    messages: int
    offers: int


class Stranger:
    """A client whose id and user properties are a canary."""

    def __init__(self, host: str, port: int, value: str) -> None:
        self._link = paho.Client(CallbackAPIVersion.VERSION2, client_id=value, protocol=MQTTProtocolVersion.MQTTv5)
        self._link.connect(host, port)
        self._link.loop_start()
        self._properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        self._properties.UserProperty = (value, value)
        self._properties.ContentType = value

    def send(self, topic: str, payload: bytes) -> None:
        """Publish with acknowledgement."""
        self._link.publish(topic, payload, qos=1, properties=self._properties).wait_for_publish(20)

    def close(self) -> None:
        """Disconnect."""
        self._link.disconnect()
        self._link.loop_stop()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder, page, metrics = tmp_path_factory.mktemp("canaries"), free_port(), free_port()
    config = partial(_config, folder, page=page, metrics=metrics)
    with FakeCloud() as cloud, mosquitto(folder) as broker, GatewayProcess(config(broker.port, cloud=cloud.url)) as gateway:
        with Subscriber(broker.host, broker.port) as ear:
            gateway.start()
            sent = 0
            for value in CANARIES.values():
                level = value.replace("+", "").replace("#", "").replace("/", "")
                stranger = Stranger(broker.host, broker.port, value)
                for payload in poisoned(value):
                    for topic in (
                        f"wayside/v1/street/up/{level}/consent",
                        f"owntracks/{level}/{level}",
                        "wayside/v1/street/up/phone-x/answer",
                    ):
                        stranger.send(topic, payload)
                        sent += 1
                stranger.close()
            for one in walk_in(CANARIES["name"]):
                ear.publish(one.topic, one.payload, qos=1)
            until(lambda: any("/down/" in one.topic for one in ear.received), describe=lambda: gateway.latest)
            until(lambda: {"/v1/batches", "/v1/desired"} <= {request.path for request in cloud.requests})
            exits = dict(_live(folder, page, ear)) | {"metrics": httpx.get(f"http://127.0.0.1:{metrics}/metrics").content}
            assert gateway.stop() == 0
        for request in cloud.requests:
            headers = json.dumps({name: value for name, value in request.headers.items() if name != "Authorization"})
            body = gzip.decompress(request.body) if request.headers.get("Content-Encoding") == "gzip" else request.body
            exits["cloud"] = exits.get("cloud", b"") + body + headers.encode() + request.path.encode()
        exits["log"] = gateway.stderr.read_bytes()
        exits["last report"] = json.dumps(gateway.latest).encode()
        files = [path for path in folder.rglob("*") if path.is_file() and path.name.startswith("gw-t")]
        exits |= {f"file {path.name}": path.read_bytes() for path in files}
        exits["names of files"] = "\n".join(map(str, folder.rglob("*"))).encode()
        offers = sum("/down/" in one.topic for one in ear.received)
    return Ran(exits, sent, offers)


def _config(folder: Path, port: int, page: int, metrics: int, cloud: str) -> Path:
    config = write_config(folder, port, more=MORE.format(page=page, metrics=metrics))
    (folder / "cloud.token").write_text("a-token-of-this-gateway")
    (folder / "cloud.token").chmod(0o600)
    text = config.read_text() + f'\n[cloud]\nurl = "{cloud}"\ntoken_file = "{folder / "cloud.token"}"\ndesk = true\n'
    text += "\n[privacy]\nwindow_s = 1\ndemonstration = true\n"
    config.write_text(text)
    return config


def _live(folder: Path, page: int, ear: Subscriber) -> Iterator[tuple[str, bytes]]:
    """Exits of the running gateway: topics of others, page of another person, and the reports of the local socket."""
    config = folder / "wayside.toml"
    others = [one for one in ear.received if "/gateway/" in one.topic or one.topic.startswith("$SYS")]
    yield "status topic", b"\n".join(one.topic.encode() + one.payload for one in others)
    offers = [one for one in ear.received if "/down/" in one.topic]
    yield "offer", b"\n".join(one.payload for one in offers)
    with httpx.Client(
        base_url=f"http://127.0.0.1:{page}", headers={"Origin": f"http://127.0.0.1:{page}"}, follow_redirects=True
    ) as browser:
        browser.post("/en/consent", data={"purpose": ["presence", "offers"], "days": "30"})
        yield (
            "page of another person",
            b"".join(browser.get(f"/en/{path}").content for path in ("", "offers", "choices", "kept", "export.json")),
        )
    for command in (("status", "--json"), ("results", "--json"), ("why", "--json"), ("doctor", "--json"), ("privacy", "sheet", "--json")):
        done = wayside(*command, "--config", config)
        yield " ".join(command), done.out.encode() + done.err.encode()


def test_the_canaries_came_in_and_an_offer_went_out(ran: Ran) -> None:
    assert ran.messages > 300
    assert ran.offers == 1
    assert {"names of files", "file gw-t.db"} <= set(ran.exits)
    assert all(ran.exits[name] for name in ("cloud", "log", "status topic", "offer", "page of another person", "status --json", "metrics"))
    assert b'"condition"' in ran.exits["cloud"]


def test_no_canary_comes_out_of_a_running_gateway(ran: Ran) -> None:
    found = {name: names for name, data in ran.exits.items() if (names := leaks(data))}
    assert found == {}


@pytest.mark.parametrize("name", ["e-mail", "phone", "IBAN", "card", "MAC"])
def test_an_id_of_a_gateway_that_looks_like_personal_data_is_refused_before_it_becomes_a_client_id(name: str, tmp_path: Path) -> None:
    """The client id and the topics of a gateway are made of its site and its own id."""
    value = CANARIES[name].lower().replace("+", "00")
    config = write_config(tmp_path, 1883)
    done = wayside("check", "--config", config, "--set", f"gateway={value}")
    assert done.code != 0
    assert leaks(done.err.encode()) == []
    assert "choose another name" in done.err or "[removed" in done.err

"""The shipped broker: `deploy/broker/mosquitto.conf` with the access list and the certificates that the commands make.

Every device tries to publish on every topic, and to receive everything; what arrives is held against the rights written out here.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from typer.testing import CliRunner

from gateway.cli import app
from gateway.pki.certificates import Authority, create
from tests.house.tree import ROOT
from tests.kit.broker import MosquittoBroker
from tests.kit.gateways import GatewayProcess, walk_in, write_config
from tests.kit.waiting import WAIT_S, until

pytestmark = pytest.mark.broker

GATEWAY, DEVICES = "gw-a", ("anna", "ben", "till-cafe")
OWN = "wayside/v1/street"
TOPICS = [
    *(f"{OWN}/up/{name}/{kind}" for name in DEVICES for kind in ("consent", "purchase")),
    *(f"{OWN}/{way}" for name in DEVICES for way in (f"down/{name}/offer", f"reply/{name}/receipt")),
    f"{OWN}/gateway/{GATEWAY}/status",
    f"{OWN}/gateway/{GATEWAY}/echo",
    f"{OWN}/up/{GATEWAY}/redeemed",
    f"{OWN}/up/{GATEWAY}/contact",
    f"{OWN}/up/{GATEWAY}/withdrawn",
    *(f"ruuvi/{name}/c8252d00cafe" for name in DEVICES),
    "zigbee2mqtt/anna",
    "anything/else",
]
MARK = f"{OWN}/up/%s/status"


def _writes(name: str, topic: str) -> bool:
    if name == GATEWAY:
        own = [
            *(f"{OWN}/gateway/{GATEWAY}/{kind}" for kind in ("status", "echo")),
            *(f"{OWN}/up/{GATEWAY}/{kind}" for kind in ("redeemed", "contact", "withdrawn")),
        ]
        return "/down/" in topic or "/reply/" in topic or topic in own
    return topic.startswith((f"{OWN}/up/{name}/", f"ruuvi/{name}/"))


def _reads(name: str, topic: str) -> bool:
    if name == GATEWAY:
        return topic.startswith((f"{OWN}/up/", "ruuvi/", "zigbee2mqtt/", f"{OWN}/gateway/{GATEWAY}/echo"))
    return topic.startswith((f"{OWN}/down/{name}/", f"{OWN}/reply/{name}/"))


class Shipped(MosquittoBroker):
    """The shipped config, with the port of this test and the files of a folder."""

    def _write_config(self) -> Path:
        shipped = (ROOT / "deploy/broker/mosquitto.conf").read_text("utf-8")
        for asked, here in (
            ("listener 8883", f"listener {self.port} {self.host}"),
            ("/etc/mosquitto/wayside", str(self._folder / "pki")),
        ):
            assert asked in shipped
            shipped = shipped.replace(asked, here)
        path = self._folder / "mosquitto.conf"
        assert "persistence_location" not in [line.split(" ")[0] for line in shipped.splitlines()]  # Debian's own file has it
        path.write_text(
            f"{shipped}persistence true\npersistence_location {self._folder}/\n" + ("user root\n" if os.geteuid() == 0 else ""), "utf-8"
        )
        return path

    def reload(self) -> None:
        """Read access list and revocations anew."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)
        until(lambda: "Reloading config" in self.log)


class Client:
    """A client with a device's certificate, subscribed to everything. `received` are the topics so far."""

    def __init__(self, broker: MosquittoBroker, pki: Path, name: str | None, client_id: str = "") -> None:
        self.received: list[str] = []
        self.subscribed, self.ended = threading.Event(), threading.Event()
        self.link = paho.Client(CallbackAPIVersion.VERSION2, client_id, reconnect_on_failure=False)
        self.link.tls_set(str(pki / "ca.crt"), *(_files(pki, name) if name else ()))
        self.link.on_connect = lambda link, *_: link.subscribe("#", 1)
        self.link.on_subscribe = lambda *_: self.subscribed.set()
        self.link.on_disconnect = lambda *_: self.ended.set()
        self.link.on_message = lambda _link, _data, message: self.received.append(message.topic)
        self.link.connect(broker.host, broker.port)
        self.link.loop_start()

    def publish(self, topic: str, payload: bytes = b"{}") -> None:
        """Publish with QoS 1 and wait for the acknowledgement, which the broker gives whether it allows the topic or not."""
        self.link.publish(topic, payload, 1).wait_for_publish(WAIT_S)

    def close(self) -> None:
        """Disconnect."""
        self.link.disconnect()
        self.link.loop_stop()


def _files(pki: Path, name: str) -> tuple[str, str]:
    """Certificate and key of a device: two issued files, or the one of an enrolled device."""
    one = pki / f"{name}.pem"
    return (str(one), str(one)) if one.exists() else (str(pki / f"{name}.crt"), str(pki / f"{name}.key"))


def _run(*words: str | Path) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def shipped(tmp_path: Path) -> Iterator[Shipped]:
    pki = tmp_path / "pki"
    _run("pki", "init", pki, "--site", "street")
    _run("pki", "issue", "broker", "--host", "127.0.0.1", "--in", pki)
    (pki / "broker.pem").write_bytes((pki / "broker.key").read_bytes() + (pki / "broker.crt").read_bytes())
    for name in (GATEWAY, *DEVICES):
        _run("pki", "issue", name, "--in", pki)
    (pki / "access.acl").write_text(_run("acl", ROOT / "deploy/worlds/street/gw-a.toml"))
    broker = Shipped(tmp_path)
    broker.start()
    yield broker
    broker.kill()


def _connected(stack: ExitStack, broker: Shipped, tmp_path: Path, names: Sequence[str], client_id: str = "") -> dict[str, Client]:
    clients = {name: Client(broker, tmp_path / "pki", name, client_id) for name in names}
    for one in clients.values():
        stack.callback(one.close)
        assert one.subscribed.wait(WAIT_S)
    return clients


def _wait_for(client: Client, count: int) -> None:
    until(lambda: len(client.received) >= count)


def test_each_device_publishes_and_receives_its_own_only(shipped: Shipped, tmp_path: Path) -> None:
    with ExitStack() as stack:
        clients = _connected(stack, shipped, tmp_path, (GATEWAY, *DEVICES))
        for name, topic in itertools.product(clients, TOPICS):
            clients[name].publish(topic)
        for name in DEVICES:  # the broker keeps the order, so after these everything before has arrived
            clients[name].publish(MARK % name)
            clients[GATEWAY].publish(f"{OWN}/down/{name}/offer")
        until(lambda: all(MARK % name in clients[GATEWAY].received for name in DEVICES))
        for reader, client in clients.items():
            expected = [topic for name, topic in itertools.product(clients, TOPICS) if _writes(name, topic) and _reads(reader, topic)]
            last = [MARK % name for name in DEVICES] if reader == GATEWAY else [f"{OWN}/down/{reader}/offer"]
            _wait_for(client, len(expected + last))
            assert sorted(client.received) == sorted(expected + last), reader
    assert sum(_writes(name, topic) for name in (GATEWAY, *DEVICES) for topic in TOPICS) >= 15


def test_an_offer_goes_the_whole_way(shipped: Shipped, tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    _run("pki", "issue", "gw-t", "--in", pki)
    config = write_config(tmp_path / "gateway", shipped.port)
    tls = f'ca_file = "{pki}/ca.crt"\ncertificate_file = "{pki}/gw-t.crt"\nkey_file = "{pki}/gw-t.key"\n'
    config.write_text(config.read_text().replace("[mqtt]\n", f"[mqtt]\n{tls}"))
    (pki / "access.acl").write_text(_run("acl", config))
    shipped.reload()
    with ExitStack() as stack, GatewayProcess(config) as gateway:
        anna = _connected(stack, shipped, tmp_path, ["anna"])["anna"]
        gateway.start()
        for one in walk_in("anna"):
            anna.publish(one.topic, one.payload)
            until(lambda: f"{OWN}/reply/anna/receipt" in anna.received)
        until(lambda: f"{OWN}/down/anna/offer" in anna.received)
        assert gateway.stop() == 0, gateway.stderr.read_text("utf-8")


def test_a_client_id_gives_no_rights(shipped: Shipped, tmp_path: Path) -> None:
    """Negative control of the matrix: the rights hang on the certificate, not on the name that a client gives itself."""
    with ExitStack() as stack:
        gateway = _connected(stack, shipped, tmp_path, [GATEWAY])[GATEWAY]
        ben = _connected(stack, shipped, tmp_path, ["ben"], "anna")["ben"]
        ben.publish(f"{OWN}/up/anna/consent")
        ben.publish(f"{OWN}/up/ben/consent")
        until(lambda: gateway.received)
        assert gateway.received == [f"{OWN}/up/ben/consent"]


def test_a_revoked_certificate_and_none_at_all_are_refused(shipped: Shipped, tmp_path: Path) -> None:
    _run("devices", "revoke", "ben", "--in", tmp_path / "pki")
    shipped.stop()
    shipped.start()
    for name in ("ben", None):
        refused = Client(shipped, tmp_path / "pki", name)
        assert refused.ended.wait(WAIT_S)
        assert not refused.subscribed.is_set()
        refused.close()


@pytest.mark.parametrize("issued_days", [-30, 30], ids=["expired", "not valid yet"])
def test_a_certificate_of_another_time_is_refused(shipped: Shipped, tmp_path: Path, issued_days: int) -> None:
    Authority(tmp_path / "pki").issue("ben", datetime.now(UTC) + timedelta(days=issued_days), days=10)
    assert _is_refused(shipped, tmp_path / "pki", "ben")


def test_a_certificate_of_another_authority_is_refused(shipped: Shipped, tmp_path: Path) -> None:
    create(tmp_path / "other", "street", datetime.now(UTC)).issue("ben", datetime.now(UTC))
    for ending in ("crt", "key"):
        (tmp_path / f"pki/ben.{ending}").write_bytes((tmp_path / f"other/ben.{ending}").read_bytes())
    assert _is_refused(shipped, tmp_path / "pki", "ben")


def test_tls_1_2_is_refused(shipped: Shipped, tmp_path: Path) -> None:
    context = ssl.create_default_context(cafile=str(tmp_path / "pki/ca.crt"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection((shipped.host, shipped.port)) as link, pytest.raises(ssl.SSLError, match="alert protocol version"):
        context.wrap_socket(link, server_hostname=shipped.host)


def _is_refused(shipped: Shipped, pki: Path, name: str) -> bool:
    client = Client(shipped, pki, name)
    assert client.ended.wait(WAIT_S)
    client.close()
    return not client.subscribed.is_set()


def test_another_access_list_holds_after_a_reload(shipped: Shipped, tmp_path: Path) -> None:
    with ExitStack() as stack:
        clients = _connected(stack, shipped, tmp_path, (GATEWAY, "anna"))
        (tmp_path / "pki/access.acl").write_text(f"user {GATEWAY}\ntopic read #\n\nuser anna\ntopic write anything/else\n")
        shipped.reload()
        clients["anna"].publish(f"{OWN}/up/anna/consent")
        clients["anna"].publish("anything/else")
        until(lambda: clients[GATEWAY].received)
        assert clients[GATEWAY].received == ["anything/else"]

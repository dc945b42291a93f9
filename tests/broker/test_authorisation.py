"""The shipped broker, all combinations: devices x topics x verbs x client ids; each delivery is held against the rights written out here.

A message names its author, verb and topic, so each delivery is judged by itself. A client id gives no right, and takes none of another
client's messages: not even those that the broker keeps for a session of that id.
"""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.broker.test_shipped_broker import DEVICES, GATEWAY, OWN, TOPICS, Shipped, _files, _reads, _writes
from tests.broker.test_shipped_broker import shipped as _shipped
from tests.kit.waiting import WAIT_S, until

pytestmark = pytest.mark.broker
shipped = _shipped

USERS = (GATEWAY, *DEVICES)
FILTERS = ("#", "$share/all/#", f"{OWN}/down/anna/offer", f"{OWN}/up/+/consent", "$SYS/#")
VERBS = ("publish", "retain", "will")
PROTOCOLS = (MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5)
LAST = "last"


class Client:
    """A connection of a user under any client id; `received` are (topic, payload)."""

    def __init__(self, broker: Shipped, pki: Path, user: str, client_id: str, protocol: MQTTProtocolVersion, will: str = "") -> None:
        self.user, self.received = user, list[tuple[str, str]]()
        self._connected, self._acknowledged = threading.Event(), threading.Event()
        clean: dict[str, Any] = {} if protocol is MQTTProtocolVersion.MQTTv5 else {"clean_session": not client_id}
        self.link = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=protocol, reconnect_on_failure=False, **clean)
        self.link.tls_set_context(_tls(pki, user))
        if will:
            self.link.will_set(will, f"{user} will {will}", 1)
        self.link.on_connect = lambda *_: self._connected.set()
        self.link.on_subscribe = lambda *_: self._acknowledged.set()
        self.link.on_message = lambda _link, _data, message: self.received.append((message.topic, message.payload.decode()))
        self.link.connect(
            broker.host, broker.port, clean_start=False if protocol is MQTTProtocolVersion.MQTTv5 else MQTT_CLEAN_START_FIRST_ONLY
        )
        self.link.loop_start()
        assert self._connected.wait(WAIT_S)

    def subscribe(self, *filters: str) -> None:
        """Subscribe to each filter, and wait for the last acknowledgement."""
        for one in filters:
            self._acknowledged.clear()
            self.link.subscribe(one, 1)
            assert self._acknowledged.wait(WAIT_S)

    def publish(self, messages: Iterable[tuple[str, str]]) -> None:
        """Publish (topic, verb) with QoS 1, and wait for the acknowledgements, which state nothing about rights before MQTT 5."""
        sent = [self.link.publish(topic, f"{self.user} {verb} {topic}", 1, retain=verb == "retain") for topic, verb in messages]
        for one in sent:
            one.wait_for_publish(WAIT_S)

    def vanish(self) -> None:
        """Cut the connection, so that the broker publishes the will."""
        sock = self.link.socket()
        assert isinstance(sock, socket.socket)
        sock.shutdown(socket.SHUT_RDWR)
        self.link.loop_stop()

    def close(self) -> None:
        """Disconnect."""
        self.link.disconnect()
        self.link.loop_stop()


@lru_cache
def _tls(pki: Path, user: str) -> ssl.SSLContext:
    """TLS with the certificate of a user."""
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(*_files(pki, user))
    return context


def _client_ids(user: str) -> Iterator[str]:
    """None of its own, that of each other client, and that of the gateway."""
    yield from ("", *(f"session-{other}" for other in USERS if other != user))


def _wrong(reader: str, received: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Deliveries that the reader may not have, or that their author may not have made."""
    return [
        (reader, topic, payload)
        for topic, payload in received
        if topic.startswith("$SYS/") or not _reads(reader, topic) or not _writes(payload.split(" ")[0], topic)
    ]


def _settled(broker: Shipped, pki: Path, reader: Client) -> None:
    """Everything that was published before has been delivered to this reader."""
    author = GATEWAY if reader.user != GATEWAY else DEVICES[0]
    topic = f"{OWN}/down/{reader.user}/offer" if reader.user != GATEWAY else f"{OWN}/up/{author}/status"
    last = Client(broker, pki, author, "", MQTTProtocolVersion.MQTTv311)
    last.publish([(topic, LAST)])
    last.close()
    until(lambda: any(payload.split(" ")[1] == LAST for _, payload in reader.received))


def test_no_combination_delivers_wrongly(shipped: Shipped, tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    tried = 0
    with ExitStack() as stack:
        readers = [Client(shipped, pki, user, "", PROTOCOLS[number % 2]) for number, user in enumerate(USERS)]
        for one in readers:
            stack.callback(one.close)
            one.subscribe(*FILTERS)
        for number, (user, client_id) in enumerate((name, one) for name in USERS for one in _client_ids(name)):
            author = Client(shipped, pki, user, client_id, PROTOCOLS[number % 2])
            messages = list(itertools.product(TOPICS, VERBS[:2]))
            author.publish(messages)
            tried += len(messages)
            author.close()
        for user, topic in itertools.product(USERS, TOPICS):
            Client(shipped, pki, user, "", PROTOCOLS[0], will=topic).vanish()
            tried += 1
        for one in readers:
            _settled(shipped, pki, one)
        late = [Client(shipped, pki, user, "", PROTOCOLS[0]) for user in USERS]
        for one in late:
            stack.callback(one.close)
            one.subscribe(*FILTERS)
            _settled(shipped, pki, one)
        delivered = [one for reader in (*readers, *late) for one in reader.received]
        assert [one for reader in (*readers, *late) for one in _wrong(reader.user, reader.received)] == []
        verbs = Counter(payload.split(" ")[1] for _, payload in delivered)
    assert tried * len(USERS) >= 2_000
    assert min(verbs[verb] for verb in VERBS) > 0, verbs


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_session_of_another_gives_its_messages_to_nobody_else(shipped: Shipped, tmp_path: Path, protocol: MQTTProtocolVersion) -> None:
    pki, session = tmp_path / "pki", "session-anna"
    anna = Client(shipped, pki, "anna", session, MQTTProtocolVersion.MQTTv311)
    anna.subscribe(f"{OWN}/down/anna/#")
    anna.close()
    gateway = Client(shipped, pki, GATEWAY, "", MQTTProtocolVersion.MQTTv311)
    gateway.publish([(f"{OWN}/down/anna/offer", "publish")])
    ben = Client(shipped, pki, "ben", session, protocol)
    ben.subscribe("#")
    _settled(shipped, pki, ben)
    assert _wrong("ben", ben.received) == []
    ben.close()
    gateway.close()


def test_a_hole_in_the_access_list_is_seen(shipped: Shipped, tmp_path: Path) -> None:
    """Negative control of the judge."""
    pki = tmp_path / "pki"
    (pki / "access.acl").write_text("\n".join(f"user {user}\ntopic readwrite #" for user in USERS), "utf-8")
    shipped.reload()
    anna, ben = (Client(shipped, pki, user, "", MQTTProtocolVersion.MQTTv5) for user in ("anna", "ben"))
    anna.subscribe(f"{OWN}/up/#")
    ben.publish([(f"{OWN}/up/ben/consent", "publish")])
    until(lambda: anna.received)
    assert len(_wrong("anna", anna.received)) == 1
    anna.close()
    ben.close()

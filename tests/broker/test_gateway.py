"""A whole gateway in this process on a real Mosquitto: what bad messages, power cuts of others and a full disk do to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.mqtt import MqttBus
from gateway.build import build
from gateway.core.types import Message
from gateway.runtime.app import App
from tests.kit.broker import MosquittoBroker, mosquitto
from tests.kit.cloud import FakeCloud
from tests.kit.gateways import GatewayProcess, message, settings_of, store_of, walk_in, write_config
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import WAIT_S, until

pytestmark = pytest.mark.broker

STATUS = "wayside/v1/street/gateway/gw-t/status"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[MosquittoBroker]:
    with mosquitto(tmp_path, persistence=tmp_path / "kept", lines=("max_queued_messages 0",)) as running:
        yield running
        running.kill()  # stopping in order takes it a second


@pytest.fixture
def subscriber(broker: MosquittoBroker) -> Iterator[Subscriber]:
    with Subscriber(broker.host, broker.port, name="subscriber") as listening:
        yield listening


class Running:
    """A gateway on a thread of its own, as `wayside run` has it on its main one."""

    def __init__(self, folder: Path, broker: MosquittoBroker, subscriber: Subscriber, *overrides: str) -> None:
        known = len(subscriber.payloads(STATUS))
        self.app: App = build(settings_of(write_config(folder / "gateway", broker.port), *overrides))
        self._thread = threading.Thread(target=self.app.run, daemon=True)
        self._thread.start()
        # The status goes the same way as the subscriptions, behind them: who hears it knows that the gateway hears.
        until(lambda: len(subscriber.payloads(STATUS)) > known, describe=self.app.bus.link)

    def stop(self) -> None:
        self.app.stop()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive(), "it does not end"


@pytest.fixture
def running(tmp_path: Path, broker: MosquittoBroker, subscriber: Subscriber) -> Iterator[Running]:
    made = Running(tmp_path, broker, subscriber)
    yield made
    made.stop()


def status(subscriber: Subscriber) -> dict[str, Any]:
    return dict(json.loads(subscriber.payloads(STATUS)[-1]))


def say(subscriber: Subscriber, *messages: Message) -> None:
    """Publish messages in order, and wait until the broker has acknowledged all."""
    for sent in [subscriber.publish_nowait(one.topic, one.payload, qos=one.qos) for one in messages]:
        sent.wait_for_publish(WAIT_S)


def sold(seq: int) -> Message:
    return message("till-cafe", "purchase", seq, amount_minor=450, kind="coffee_house")


# --- messages ------------------------------------------------------------------------------------------------


def test_bad_neighbours_harm_nobody_and_everything_is_accounted_for(
    running: Running, subscriber: Subscriber, broker: MosquittoBroker, tmp_path: Path
) -> None:
    bad = [b"", b"{", b"\xff\xfe", b"[" * 5_000, b'{"v":2}', b'{"v":1,"boot":"b","seq":-1}', b"null", b"9" * 400]
    for seq, payload in enumerate(bad):
        say(subscriber, sold(seq))
        subscriber.publish("wayside/v1/street/up/till-cafe/purchase", payload)
        subscriber.publish("wayside/v1/street/up/till-cafe/status", payload)
        subscriber.publish("espresense/devices/a/b/c/d", payload, qos=0)
    counts = running.app.counters.counts
    until(lambda: counts["messages"] == 4 * len(bad), describe=lambda: counts)
    app = running.app
    assert store_of(app).totals()["facts"] == counts["facts"] == len(bad)
    assert app.router.messages.total() == counts["messages"]
    assert app.router.refused.total() >= 2 * len(bad)
    assert app.router.refused.total() + app.router.observations.total() >= 3 * len(bad)
    assert sum(one.times for one in app.router.dead_letters()) == app.router.refused.total()
    running.stop()
    again = Running(tmp_path, broker, subscriber)  # all was thanked for, the bad ones too: nothing comes again
    say(subscriber, sold(1_000))
    until(lambda: again.app.counters.counts["facts"] == 1)
    assert again.app.counters.counts["messages"] == 1
    again.stop()


def test_a_message_of_another_site_is_not_ours(running: Running, subscriber: Subscriber) -> None:
    subscriber.publish("wayside/v1/elsewhere/up/till-cafe/purchase", sold(1).payload)
    say(subscriber, sold(2))
    until(lambda: running.app.counters.counts["messages"] == 1)
    assert store_of(running.app).totals()["facts"] == 1


# --- triggers and status -------------------------------------------------------------------------------------


def test_a_trigger_reaches_the_phone_with_its_expiry_and_the_answer_comes_home(running: Running, subscriber: Subscriber) -> None:
    say(subscriber, *walk_in("phone-0008"))
    subscriber.wait_for("wayside/v1/street/down/phone-0008/offer")
    (heard,) = [heard for heard in subscriber.received if heard.topic == "wayside/v1/street/down/phone-0008/offer"]
    offer = json.loads(heard.payload)
    assert (offer["offer"], offer["zone"], offer["shop"]) == ("flat-white", "plaza", "cafe")
    assert (heard.qos, heard.retain) == (1, False)
    assert heard.expiry_s is not None
    assert 100 < heard.expiry_s <= 120
    until(lambda: not running.app.store.waiting_triggers())
    say(subscriber, message("phone-0008", "answer", 9, decision=offer["decision"], answer="accepted"))
    until(lambda: running.app.counters.counts["accepted"] == 1)
    until(lambda: running.app.latest.triggers_sent == 1 and running.app.latest.answers["accepted"] == 1)
    assert running.app.latest.trigger_ms_p50 is not None
    assert not set(status(subscriber)) & {"triggers", "answers", "messages", "facts", "decisions"}, "no number of people's doings leaves"


def test_the_status_is_retained_and_a_good_bye_is_said(running: Running, subscriber: Subscriber, broker: MosquittoBroker) -> None:
    with Subscriber(broker.host, broker.port, STATUS) as late:
        late.wait_for(STATUS)
        assert late.received[0].retain
        assert json.loads(late.received[0].payload)["state"] == "online"
    running.stop()
    until(lambda: status(subscriber)["state"] == "offline")
    with Subscriber(broker.host, broker.port, STATUS) as late:
        late.wait_for(STATUS)
        assert json.loads(late.received[0].payload)["state"] == "offline"


def test_the_broker_tells_when_a_gateway_is_lost(tmp_path: Path, broker: MosquittoBroker, subscriber: Subscriber) -> None:
    with GatewayProcess(write_config(tmp_path / "gateway", broker.port)) as gateway:
        gateway.start()
        until(lambda: subscriber.payloads(STATUS) and status(subscriber)["state"] == "online")
        gateway.kill()
        until(lambda: status(subscriber) == {"v": 1, "gateway": "gw-t", "state": "lost"})
        gateway.start()
        until(lambda: status(subscriber)["state"] == "online")
        assert gateway.stop() == 0
    until(lambda: status(subscriber)["state"] == "offline")


def test_a_second_gateway_of_the_same_name_does_not_make_it_go_deaf(running: Running, subscriber: Subscriber) -> None:
    """MQTT gives a session to whoever asked last; who was sent away comes back, and so on: a fault of the operator, survived."""
    other = MqttBus(running.app.bus._options, lambda: 0)  # type: ignore[attr-defined]  # it is a MqttBus
    other.start(lambda _messages: True)
    until(lambda: running.app.bus.link().connects >= 2, describe=running.app.bus.link)
    other.close()
    until(lambda: running.app.bus.link().connected)
    say(subscriber, sold(1))
    until(lambda: running.app.counters.counts["messages"] == 1)
    assert store_of(running.app).totals()["facts"] == 1


# --- the broker goes and comes back ------------------------------------------------------------------------------


def test_a_broker_that_restarts_costs_nothing(running: Running, subscriber: Subscriber, broker: MosquittoBroker) -> None:
    say(subscriber, *(sold(seq) for seq in range(20)))
    broker.restart()
    until(lambda: running.app.bus.link().connects == 2)
    say(subscriber, *(sold(seq) for seq in range(20, 40)))
    until(lambda: store_of(running.app).totals()["facts"] == 40, describe=store_of(running.app).totals)
    until(lambda: status(subscriber)["connects"] == 2 and status(subscriber)["state"] == "online")
    assert running.app.counters.counts["facts"] == 40


def test_a_trigger_that_could_not_be_sent_goes_out_at_the_next_connection(
    running: Running, subscriber: Subscriber, broker: MosquittoBroker
) -> None:
    broker.stop()
    until(lambda: not running.app.bus.link().connected)
    for one in walk_in("phone-0008"):
        running.app.mailbox.deliver([one])  # as if it had come just before the connection broke
    until(lambda: running.app.counters.counts["triggers"] == 1)
    assert running.app.triggers.sent == 0
    broker.start()
    subscriber.wait_for("wayside/v1/street/down/phone-0008/offer")
    until(lambda: not running.app.store.waiting_triggers())
    assert running.app.triggers.sent == 1


def test_a_withdrawal_that_waited_at_the_broker_outruns_the_trigger_that_waited_here(
    running: Running, subscriber: Subscriber, broker: MosquittoBroker, tmp_path: Path
) -> None:
    broker.stop()
    until(lambda: not running.app.bus.link().connected)
    for one in walk_in("phone-0008"):
        running.app.mailbox.deliver([one])
    until(lambda: running.app.counters.counts["triggers"] == 1)
    running.stop()
    broker.start()
    say(subscriber, *(sold(seq) for seq in range(300)), message("phone-0008", "consent", 9, purposes=[], version=1))
    again = Running(tmp_path, broker, subscriber)
    until(lambda: again.app.counters.counts["facts"] == 301, describe=lambda: again.app.counters.counts)
    say(subscriber, *walk_in("phone-0009"))
    subscriber.wait_for("wayside/v1/street/down/phone-0009/offer")  # control: offers are sent
    assert subscriber.payloads("wayside/v1/street/down/phone-0008/offer") == []
    again.stop()


def test_a_no_behind_a_flood_of_sightings_reaches_a_gateway_that_was_away(tmp_path: Path) -> None:
    """The broker's queue is small, and it holds facts only; the receipts arrive, also for the repetition."""
    with (
        mosquitto(tmp_path, persistence=tmp_path / "kept", lines=("max_queued_messages 100",)) as small,
        Subscriber(small.host, small.port, name="subscriber") as phone,
    ):
        first = Running(tmp_path, small, phone)
        say(phone, *walk_in("phone-0001"))
        until(lambda: len(phone.payloads("wayside/v1/street/reply/phone-0001/receipt")) == 1)
        first.stop()
        for seq in range(300):
            one = message("chatty", "sighting", seq, heard=[{"id": "plaza", "rssi": -60}])
            phone.publish_nowait(one.topic, one.payload, qos=1)
        no = message("phone-0001", "consent", 9, purposes=[], version=1)
        say(phone, no)
        again = Running(tmp_path, small, phone)
        say(phone, no)
        until(lambda: len(phone.payloads("wayside/v1/street/reply/phone-0001/receipt")) == 3)
        assert not again.app.state.people.identities
        again.stop()
        small.kill()
    outcomes = [json.loads(one)["outcome"] for one in phone.payloads("wayside/v1/street/reply/phone-0001/receipt")]
    assert outcomes == ["taken", "withdrawn", "withdrawn"]


# --- the disk is full --------------------------------------------------------------------------------------------


def test_a_full_disk_holds_everything_and_loses_nothing(running: Running, subscriber: Subscriber) -> None:
    app = running.app
    database = store_of(app)._db
    app.mailbox.call(lambda _store: database.pragma("max_page_count", int(database.pragma("page_count")))).result(WAIT_S)
    for seq in range(2_000):
        one = sold(seq)
        subscriber.publish_nowait(one.topic, one.payload)
    until(lambda: status(subscriber)["state"] == "holding")
    assert "free some space" in status(subscriber)["trouble"]
    stored = app.counters.counts["facts"]
    assert stored < 2_000
    database.pragma("max_page_count", 1_000_000)  # somebody has made room
    until(lambda: app.counters.counts["facts"] == 2_000, describe=lambda: app.counters.counts)
    until(lambda: status(subscriber)["state"] == "online" and not status(subscriber)["trouble"])
    assert store_of(app).totals()["facts"] == 2_000


def test_a_gateway_that_holds_can_be_stopped_and_what_it_held_comes_again(
    tmp_path: Path, broker: MosquittoBroker, subscriber: Subscriber
) -> None:
    first = Running(tmp_path, broker, subscriber)
    database = store_of(first.app)._db
    first.app.mailbox.call(lambda _store: database.pragma("max_page_count", int(database.pragma("page_count")))).result(WAIT_S)
    say(subscriber, *(sold(seq) for seq in range(400)))
    until(lambda: first.app.counters.trouble)
    first.stop()
    assert first.app.counters.counts["facts"] < 400
    second = Running(tmp_path, broker, subscriber)
    until(lambda: store_of(second.app).totals()["facts"] == 400)
    second.stop()


# --- stopping ------------------------------------------------------------------------------------------------------


def test_a_gateway_under_a_flood_can_be_stopped(tmp_path: Path, broker: MosquittoBroker, subscriber: Subscriber) -> None:
    """The mailbox is full and sheds, while the writer is busy: the stop must not wait for room in the mailbox."""
    gateway = Running(tmp_path, broker, subscriber)
    gate, held = threading.Event(), threading.Event()

    def hold(_store: object) -> None:
        held.set()
        gate.wait(WAIT_S)

    gateway.app.mailbox.call(hold)  # the writer is busy
    assert held.wait(WAIT_S)
    status_of = message("phone-0001", "status", 1)
    infos = [subscriber.publish_nowait(status_of.topic, status_of.payload, qos=0) for _ in range(8_000)]
    infos[-1].wait_for_publish(WAIT_S)
    until(lambda: gateway.app.mailbox.shed > 0)
    gateway.app.stop()
    gate.set()
    gateway.stop()


def test_stopping_sends_the_last_records(tmp_path: Path, broker: MosquittoBroker, subscriber: Subscriber) -> None:
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "token").write_text("secret", "utf-8")
    with FakeCloud() as cloud:
        gateway = Running(
            tmp_path,
            broker,
            subscriber,
            "privacy.window_s=1",
            "privacy.demonstration=true",
            f"cloud.url={cloud.url}",
            "cloud.token_file=token",
            "cloud.interval_s=3600",
        )
        say(subscriber, *walk_in())
        until(lambda: gateway.app.store.counted().records >= 2)
        gateway.stop()
        assert gateway.app.uplink is not None
        made = gateway.app.latest.records_made
        assert gateway.app.uplink.taken == made == sum(len(asked.batch["records"]) for asked in cloud.requests)
        assert gateway.app.latest.state == "offline"
        assert (gateway.app.latest.records_taken, gateway.app.latest.records_waiting) == (made, 0)

"""The App between an outage of the broker and a backlog: only time in which the gateway could hear counts as silence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.adapters.store import Store
from gateway.build import build
from gateway.core.schedule import GROUP_MS
from gateway.core.state import Changes
from gateway.core.types import Message
from gateway.runtime.app import App
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.gateways import message, settings_of, walk_in, write_config
from tests.kit.testbed import ManualClock
from tests.kit.waiting import until

SILENCE_S = 30


class Street:
    """An App on a broker in memory, by a clock of the test; a person is in the plaza."""

    def __init__(self, folder: Path) -> None:
        self.built = build(settings_of(write_config(folder, 1883), "presence.dwell_s=600"))
        self.clock = ManualClock()
        self.broker = FakeBroker(self.clock.now_ms)
        self.start()
        for one in walk_in():
            self.clock.advance(500)
            self.receive(one)
        assert self.visits() == (1, 0)

    def start(self) -> None:
        """A start of the gateway, with what is stored."""
        built, bus = self.built, FakeBus(self.broker, "gw-t", ("wayside/v1/street/up/+/+",))
        self.app = App(
            built.site,
            clock=self.clock,
            bus=bus,
            store=built.store,
            scorer=built.scorer,
            router=built.router,
            mailbox=built.mailbox,
        )
        bus.start(self.app.mailbox.deliver)
        until(lambda: bus.link().connected)
        self.app.turn(0.0)

    def receive(self, one: Message) -> None:
        assert self.app.mailbox.deliver([self.now(one)])
        self.app.turn(0.0)

    def now(self, one: Message) -> Message:
        return Message(one.topic, one.payload, self.clock.now_ms(), one.qos)

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1_000)
            self.app.turn(0.0)

    def stored(self, column: str, table: str) -> object:
        """The value of a column in the only row of a table."""
        store = self.app.store
        assert isinstance(store, Store)
        ((value,),) = store._db.execute(f"SELECT {column} FROM {table}")  # noqa: S608 - names of the test
        return value

    def visits(self) -> tuple[int, int]:
        counts = self.app.counters.counts
        return counts["entered"], counts["left"]


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    made = Street(tmp_path)
    yield made
    made.app.bus.close()
    made.app.store.close()


def sighting(seq: int) -> Message:
    return message("phone-0001", "sighting", seq, heard=[{"id": "plaza", "rssi": -60}])


def test_silence_ends_a_visit_while_the_gateway_hears(street: Street) -> None:
    street.pass_time(SILENCE_S + 1)
    assert street.visits() == (1, 1)


def test_an_outage_of_the_broker_ends_no_visit(street: Street) -> None:
    street.broker.stop()
    street.pass_time(10 * SILENCE_S)
    assert street.visits() == (1, 0)
    street.broker.start()
    until(lambda: street.app.bus.link().connected)
    street.pass_time(SILENCE_S - 1)
    street.receive(sighting(9))
    street.pass_time(SILENCE_S - 1)
    assert street.visits() == (1, 0)


def test_a_half_open_connection_ends_no_visit(street: Street) -> None:
    """The connection still counts as open, but the broker has not answered since."""
    heard_ms = street.clock.now_ms()
    assert isinstance(street.app.bus, FakeBus)
    street.app.bus.hear(heard_ms)
    street.pass_time(10 * SILENCE_S)
    assert (street.visits(), street.app._next_due_ms(street.clock.now_ms()) > heard_ms + SILENCE_S * 1_000) == ((1, 0), True)
    street.app.bus.hear(street.clock.now_ms())
    street.pass_time(1)
    assert street.visits() == (1, 1)
    assert street.stored("left_ms", "visits") == heard_ms


def test_a_person_who_left_in_an_outage_left_when_last_heard(street: Street) -> None:
    heard_ms = street.clock.now_ms()
    street.broker.stop()
    street.pass_time(10 * SILENCE_S)
    street.broker.start()
    until(lambda: street.app.bus.link().connected)
    street.pass_time(SILENCE_S + 2)
    assert street.visits() == (1, 1)
    assert street.stored("left_ms", "visits") == heard_ms


def test_a_disk_whose_syncs_take_two_seconds_delays_and_loses_nothing(street: Street) -> None:
    """Over a minute of commits; what arrives meanwhile waits. A withdrawal is served by the turn after the commit that it met."""
    store, meanwhile = street.app.store, [sighting(100 + number) for number in range(40)]
    assert isinstance(store, Store)

    def sync() -> bool:
        street.clock.advance(2_000)
        street.app.mailbox.deliver([street.now(meanwhile.pop())] if meanwhile else [])
        return False

    store._db.set_commit_hook(sync)
    for number in range(40):
        street.receive(message("till-cafe", "purchase", number, amount_minor=450, kind="coffee_house"))
    street.app.turn(0.0)
    assert (street.visits(), street.app.counters.counts["facts"]) == ((1, 0), 41)
    meanwhile.append(message("phone-0001", "consent", 200, purposes=[], version=1))
    street.receive(message("till-cafe", "purchase", 41, amount_minor=450, kind="coffee_house"))
    assert store.people.owners()
    street.app.turn(0.0)
    assert not store.people.owners()


def test_a_lost_session_is_reported_with_the_time_from_which_messages_may_be_missing(
    street: Street, caplog: pytest.LogCaptureFixture
) -> None:
    street.broker.stop()
    street.pass_time(5)
    street.broker.start()
    until(lambda: street.app.bus.link().connected)
    street.pass_time(2)
    assert street.app.counters.counts["queues_lost"] == 0, "the broker kept the session"
    street.broker.stop()
    deaf_ms = street.clock.now_ms()
    street.pass_time(600)
    street.broker.sessions.clear()
    street.broker.start()
    until(lambda: street.app.bus.link().connected)
    street.pass_time(12)
    assert street.app.latest.queues_lost == 1
    since = datetime.fromtimestamp(deaf_ms / 1_000 + 1, UTC).isoformat(timespec="seconds")
    assert f"consents, answers and purchases since {since} are missing unless the devices repeat them" in caplog.text


def test_a_session_that_is_lost_while_the_gateway_is_off_is_reported(street: Street, caplog: pytest.LogCaptureFixture) -> None:
    street.app.bus.close()
    street.start()
    street.pass_time(2)
    assert street.app.counters.counts["queues_lost"] == 0
    street.app.bus.close()
    street.broker.sessions.clear()
    street.start()
    street.pass_time(2)
    assert street.app.counters.counts["queues_lost"] == 1
    assert "since its last stop" in caplog.text


def test_a_message_that_waited_in_the_mailbox_ends_a_silence(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person was heard in time, but the gateway reads it late, one message a turn."""
    monkeypatch.setattr("gateway.runtime.app.limits.BATCH_MESSAGES_MAX", 1)
    street.clock.advance(1_000)
    street.app.mailbox.deliver([street.now(message("till-cafe", "purchase", 1, amount_minor=450, kind="coffee_house", at_ms=None))])
    street.clock.advance((SILENCE_S - 10) * 1_000)
    street.app.mailbox.deliver([street.now(sighting(9))])
    street.clock.advance(20_000)
    street.app.turn(0.0)
    assert street.visits() == (1, 0)
    street.app.turn(0.0)
    street.pass_time(5)
    assert street.visits() == (1, 0)
    street.pass_time(SILENCE_S)
    assert street.visits() == (1, 1)


def test_a_stop_stores_when_people_were_last_heard(street: Street) -> None:
    street.pass_time(SILENCE_S - 1)
    street.receive(sighting(9))
    seen_ms = street.clock.now_ms()
    street.app._save_heard()
    assert street.stored("seen_ms", "presences") == seen_ms


def test_some_seconds_after_a_withdrawal_the_database_has_another_key(street: Street, tmp_path: Path) -> None:
    key_file = tmp_path / "gw-t.key"
    key = key_file.read_text()
    street.receive(message("phone-0001", "consent", 90, purposes=[], version=1))
    street.pass_time(8)
    assert key_file.read_text() == key, "several withdrawals share one new key"
    street.pass_time(4)
    second = key_file.read_text()
    assert second != key
    street.pass_time(60)
    assert key_file.read_text() == second


def test_what_ends_within_the_time_of_a_group_is_stored_in_one_commit(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    street.clock.advance(GROUP_MS // 2)
    for one in walk_in("phone-0002"):
        street.receive(one)
    assert street.visits() == (2, 0)
    commits: list[Changes] = []
    save = street.app.store.save

    def saved(changes: Changes) -> None:
        commits.append(changes)
        save(changes)

    monkeypatch.setattr(street.app.store, "save", saved)
    street.clock.advance(SILENCE_S * 1_000 - GROUP_MS // 2)
    for _ in range(GROUP_MS):
        street.clock.advance(1)
        street.app.turn(0.0)
    assert street.visits() == (2, 2)
    assert len(commits) == 1

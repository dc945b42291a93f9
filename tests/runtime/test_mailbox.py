"""The mailbox: bounded, in order, calls first, and no thread keeps waiting after `close`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path

import msgspec
import pytest

from gateway.adapters.store import Store
from gateway.core import limits, ports
from gateway.core.ports import StoreFullError
from gateway.core.types import Message
from gateway.runtime.mailbox import Mailbox, _share
from tests.kit.testbed import KEY
from tests.kit.waiting import WAIT_S, until


def message(number: int) -> Message:
    return Message("a/b", b"%d" % number, number)


def fact(number: int) -> Message:
    return Message("a/b", b"%d" % number, number, qos=1, ticket=number)


def aside(action: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "a.db", KEY)


def test_messages_come_out_in_order_and_at_most_so_many() -> None:
    mailbox = Mailbox(10)
    for number in range(5):
        mailbox.deliver([message(number)])
    assert len(mailbox) == 5
    assert mailbox.take(3, 0.0) == ([message(0), message(1), message(2)], [])
    assert mailbox.take(3, 60.0) == ([message(3), message(4)], []), "it waited although something was there"
    assert mailbox.take(3, 0.0) == ([], [])


def test_a_full_mailbox_takes_nothing_until_there_is_room() -> None:
    mailbox = Mailbox(4)
    assert mailbox.deliver([fact(0), fact(1), fact(2)])
    assert mailbox.deliver([fact(3), fact(4)]), "a list is taken whole"
    assert not mailbox.deliver([fact(5)])
    assert not mailbox.offer([message(5)])
    assert len(mailbox) == 5
    assert mailbox.take(2, 0.0)[0] == [fact(0), fact(1)]
    assert mailbox.deliver([fact(5)])
    assert mailbox.take(9, 0.0)[0] == [fact(2), fact(3), fact(4), fact(5)]
    assert mailbox.offer([message(6)])
    assert mailbox.take(9, 0.0)[0] == [message(6)]


def test_facts_go_before_sightings_and_a_flood_of_these_drops_the_oldest() -> None:
    mailbox = Mailbox(4)
    assert all(mailbox.deliver([message(number)]) for number in range(10))
    assert mailbox.deliver([fact(10)]), "a flood does not stop the socket"
    assert (len(mailbox), mailbox.shed, mailbox.waiting_since_ms()) == (5, 6, 6)
    assert mailbox.take(3, 0.0)[0] == [fact(10), message(6), message(7)]
    assert (mailbox.take(9, 0.0)[0], mailbox.waiting_since_ms()) == ([message(8), message(9)], None)


def test_in_one_lane_a_withdrawal_would_wait_behind_the_flood() -> None:
    """The same withdrawal at QoS 0 and at QoS 1."""
    for qos, place in ((0, 1_000), (1, 0)):
        mailbox = Mailbox(2_000)
        mailbox.deliver([message(number) for number in range(1_000)])
        withdrawal = Message("phone-0001/consent", b"", 1_000, qos=qos)
        mailbox.deliver([withdrawal])
        assert mailbox.take(1_001, 0.0)[0].index(withdrawal) == place


def test_a_flood_of_large_messages_is_bounded_by_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.runtime.mailbox.limits.MAILBOX_BYTES_MAX", 1_000)
    mailbox = Mailbox(10_000)
    for number in range(50):
        mailbox.deliver([Message("a/b", bytes(100), number)])
    assert (len(mailbox), mailbox.shed) == (8, 42), "an eighth more than needed, so not with each message"
    mailbox.take(5, 0.0)
    mailbox.deliver([Message("a/b", bytes(100), 50)] * 5)
    monkeypatch.setattr("gateway.runtime.mailbox.limits.TURN_BYTES_MAX", 250)
    mailbox.deliver([fact(1), fact(2)])
    assert len(mailbox.take(10, 0.0)[0]) == 2 + 3, "both facts, and others up to the size of a batch"
    mailbox.deliver([Message("a/b", bytes(100), 51)] * 3)
    assert (len(mailbox), mailbox.shed) == (8, 42)


def of(device: str, number: int, size: int = 1, qos: int = 1) -> Message:
    return Message(f"up/{device}/consent", bytes(size), number, qos=qos, ticket=number)


def test_a_batch_takes_facts_of_each_device_in_turn() -> None:
    mailbox = Mailbox(1_000)
    flood = [of("flood", number) for number in range(900)]
    mailbox.deliver(flood)
    late = [of("phone", 1_000), of("phone", 1_001), of("till", 1_002)]
    mailbox.deliver(late)
    first = mailbox.take(6, 0.0)[0]
    assert first == [flood[0], late[0], late[2], flood[1], late[1], flood[2]]
    rest = [mailbox.take(256, 0.0)[0] for _ in range(4)]
    assert [one for batch in rest for one in batch] == flood[3:], "the order of one device stays"


def test_facts_are_acknowledged_in_the_order_of_their_arrival() -> None:
    mailbox = Mailbox(1_000)
    flood, late = [of("flood", number) for number in range(3)], of("phone", 3)
    mailbox.deliver([*flood, late])
    first, second = mailbox.take(2, 0.0)[0], mailbox.take(2, 0.0)[0]
    assert first == [flood[0], late]
    assert mailbox.settled(first) == [flood[0]]
    assert mailbox.settled(second) == [flood[1], flood[2], late]
    assert mailbox.offer([of("api", 4)])
    assert mailbox.settled(mailbox.take(2, 0.0)[0]) == [], "no broker waits for it"


def urgent(device: str, number: int, qos: int = 1) -> Message:
    return msgspec.structs.replace(of(device, number, qos=qos), is_urgent=True)


def test_urgent_messages_have_a_lane_of_their_own() -> None:
    """The lane of facts is full and none of it is taken; a withdrawal goes first, and also one of QoS 0 is never dropped."""
    mailbox = Mailbox(4)
    flood = [of("till", number) for number in range(4)]
    mailbox.deliver(flood)
    assert not mailbox.deliver([of("phone", 1)]), "control: in the lane of facts there is no room"
    withdrawals = [urgent("phone", 1), urgent("watch", 2, qos=0)]
    assert mailbox.deliver(withdrawals)
    assert len(mailbox) == 6
    first = mailbox.take(4, 0.0)[0]
    assert first == [*withdrawals, *flood[:2]]
    assert mailbox.settled(first) == [withdrawals[0], *flood[:2]], "each session in its own order; no broker waits for QoS 0"


def test_a_flood_of_urgent_messages_takes_half_of_a_batch_and_fills_its_own_lane_only() -> None:
    mailbox = Mailbox(8)
    flood, fact, sighting = [urgent("phone", number) for number in range(8)], of("till", 1), of("scanner", 2, qos=0)
    assert mailbox.deliver(flood)
    assert not mailbox.deliver([urgent("watch", 9)])
    assert mailbox.deliver([fact, sighting])
    assert mailbox.take(4, 0.0)[0] == [*flood[:2], fact, sighting]
    assert mailbox.take(1, 0.0)[0] == [flood[2]]


def test_of_a_flood_of_consents_the_newest_stay_and_the_others_are_acknowledged() -> None:
    mailbox = Mailbox(1_000)
    flood, no = [urgent("flood", number) for number in range(900)], urgent("phone", 1_000)
    mailbox.deliver(flood)
    mailbox.deliver([no])
    assert (len(mailbox), mailbox.shed) == (limits.URGENT_MESSAGES_MAX + 1, 900 - limits.URGENT_MESSAGES_MAX)
    first = mailbox.take(4, 0.0)[0]
    assert first == [flood[-limits.URGENT_MESSAGES_MAX], no]
    assert mailbox.settled(first) == flood[: 901 - limits.URGENT_MESSAGES_MAX], "what was dropped is acknowledged, in order"
    rest = mailbox.take(100, 0.0)[0]
    assert rest == flood[901 - limits.URGENT_MESSAGES_MAX :]
    assert mailbox.settled(rest) == [*rest, no]


def test_a_batch_of_large_facts_is_bounded_by_its_bytes_and_so_is_their_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox = Mailbox(1_000)
    mailbox.deliver([of("flood", number, 61_000) for number in range(20)])
    mailbox.deliver([of("phone", 100)])
    assert [len(one.payload) for one in mailbox.take(256, 0.0)[0]] == [61_000, 1, 61_000]
    monkeypatch.setattr("gateway.runtime.mailbox.limits.MAILBOX_BYTES_MAX", 1_000_000)
    assert not mailbox.deliver([of("phone", 101)])
    mailbox.take(256, 0.0)
    mailbox.take(256, 0.0)
    assert mailbox.deliver([of("phone", 101)])


def test_a_flood_of_one_device_drops_its_own_sightings() -> None:
    mailbox = Mailbox(80)
    quiet = [of("quiet", number, qos=0) for number in range(5)]
    mailbox.deliver(quiet)
    mailbox.deliver([of("flood", number, qos=0) for number in range(500)])
    kept = mailbox.take(500, 0.0)[0]
    assert kept[:5] == quiet
    assert (len(kept), kept[-1].ticket, mailbox.shed) == (70, 499, 435)


def test_the_share_of_a_device_is_what_the_small_ones_leave() -> None:
    assert _share([1, 2, 100, 100], 63) == 30
    assert _share([500], 63) == 63
    assert sum(min(one, _share([7, 7, 7], 10)) for one in (7, 7, 7)) <= 10


def test_a_waiting_take_is_woken_by_a_message_by_a_job_and_by_wake(store: Store) -> None:
    ways: list[tuple[Callable[[Mailbox], object], tuple[int, int]]] = [
        (lambda box: box.deliver([message(1)]), (1, 0)),
        (lambda box: box.call(lambda store: store.backlog()), (0, 1)),
        (lambda box: box.wake(), (0, 0)),
    ]
    for rouse, expected in ways:
        mailbox = Mailbox(4)
        taken: list[tuple[int, int]] = []
        waiting = aside(lambda box=mailbox, into=taken: into.append(tuple(map(len, box.take(4, 3600.0)))))  # type: ignore[misc]
        until(lambda box=mailbox: box._waiting)  # type: ignore[misc]
        rouse(mailbox)
        waiting.join(WAIT_S)
        assert taken == [expected]
    store.close()


def test_jobs_are_done_by_the_writer_and_their_results_awaited(store: Store) -> None:
    mailbox = Mailbox(4)
    fine = mailbox.call(lambda store: store.backlog())
    wrong = mailbox.call(_full)
    for call in mailbox.take(0, 0.0)[1]:
        call.run(store)
    assert fine.result(0) == 0
    with pytest.raises(StoreFullError, match="no room"):
        wrong.result(0)
    store.close()


def _full(_store: ports.Store) -> None:
    raise StoreFullError("no room")


def test_a_job_that_nobody_waits_for_any_more_is_not_done(store: Store) -> None:
    mailbox = Mailbox(4)
    asked = mailbox.call(lambda store: store.close())
    assert asked.cancel()
    for call in mailbox.take(0, 0.0)[1]:
        call.run(store)
    assert store.backlog() == 0
    store.close()


def test_a_closed_mailbox_takes_no_message_and_cancels_calls() -> None:
    mailbox = Mailbox(1)
    mailbox.deliver([message(0)])
    waiting = mailbox.call(lambda store: store.backlog())
    mailbox.close()
    assert mailbox.deliver([message(2)])
    assert mailbox.take(9, 0.0)[0] == [message(0)], "what came after the end was kept"
    for future in (waiting, mailbox.call(lambda store: store.backlog())):
        with pytest.raises(CancelledError):
            future.result(0)


def test_the_device_of_a_topic_is_worked_out_once_while_messages_are_shed() -> None:
    asked: list[str] = []

    def sender(topic: str) -> str:
        asked.append(topic)
        return topic.partition("/")[0]

    mailbox = Mailbox(100, sender)
    for number in range(40):
        mailbox.deliver([Message(f"d{at % 7}/t{at % 50}", b"", number) for at in range(100)])
    assert mailbox.shed > 3_000
    assert len(asked) == len(set(asked))

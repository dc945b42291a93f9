"""The mailbox: bounded, in order, calls first, and no thread keeps waiting after `close`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from gateway.adapters.store import Store
from gateway.core import ports
from gateway.core.ports import StoreFullError
from gateway.core.types import Message
from gateway.runtime.mailbox import Mailbox
from tests.kit.testbed import KEY
from tests.kit.waiting import WAIT_S, until


def message(number: int) -> Message:
    return Message("a/b", b"%d" % number, number)


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
    assert mailbox.deliver([message(0), message(1), message(2)])
    assert mailbox.deliver([message(3), message(4)]), "a list is taken whole"
    assert not mailbox.deliver([message(5)])
    assert len(mailbox) == 5
    assert mailbox.take(2, 0.0)[0] == [message(0), message(1)]
    assert mailbox.deliver([message(5)])
    assert mailbox.take(9, 0.0)[0] == [message(2), message(3), message(4), message(5)]


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

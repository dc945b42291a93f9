"""From message to observations: every message is accounted for, and a bad one never hurts its neighbours."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.core import limits
from gateway.core.types import Message, Purchase
from gateway.decoders.contract import Decoder, refuse
from gateway.decoders.registry import load
from gateway.runtime.router import ROUTES_CACHED_MAX, Router
from gateway.runtime.sources import source
from tests.kit.gateways import message

STRICT = Decoder("strict", (), lambda _message: refuse("not_json", "it never is"))
SILENT = Decoder("silent", (), lambda _message: [])


@pytest.fixture
def router() -> Router:
    return Router([source("wayside/v1/+/up/+/+", load("wayside_v1")), source("bad/#", STRICT), source("good/+", SILENT)])


def test_neighbours_of_a_bad_message_are_unharmed(router: Router) -> None:
    said = [message("till-cafe", "purchase", seq, amount_minor=1) for seq in range(3)]
    found = [
        router.decode(one) for one in (said[0], Message("bad/x", b"?", 7), said[1], Message("wayside/v1/s/up/t/purchase", b"{", 8), said[2])
    ]
    assert [len(observations) for observations in found] == [1, 0, 1, 0, 1]
    assert all(isinstance(observation, Purchase) for observations in found for observation in observations)


def test_every_message_is_accounted_for(router: Router) -> None:
    messages = [
        *(message("till-cafe", "purchase", seq, amount_minor=1) for seq in range(5)),
        *(Message("bad/x", b"?", 0) for _ in range(3)),
        *(Message("good/x", b"?", 0) for _ in range(2)),
        *(Message(topic, b"?", 0) for topic in ("nobody/knows", "good/x/y", "", "$SYS/broker")),
    ]
    observed = sum(len(router.decode(one)) for one in messages)
    assert router.messages == {"wayside_v1": 5, "strict": 3, "silent": 2, "unknown_topic": 4}
    assert router.messages.total() == len(messages)
    assert router.refused == {"strict:not_json": 3}
    assert router.observations.total() == observed == 5


def test_the_first_source_that_matches_decides() -> None:
    router = Router([source("a/+", SILENT), source("a/b", STRICT)])
    assert router.decode(Message("a/b", b"", 0)) == []
    assert (router.messages, router.refused) == ({"silent": 1}, {})


def test_a_refused_message_is_kept_without_its_content(router: Router) -> None:
    router.decode(Message("bad/x", b"the name of somebody", 7))
    router.decode(Message("bad/x", b"?", 9))
    (letter,) = router.dead_letters()
    assert tuple(letter) == (9, "strict", "not_json", "it never is", "bad/x", 1, 2)
    router.forget_dead_letters()
    assert router.dead_letters() == []


def test_letters_and_routes_are_bounded(router: Router) -> None:
    for number in range(max(limits.DEAD_LETTERS_MAX, ROUTES_CACHED_MAX) + 10):
        router.decode(Message(f"bad/{number}", b"?", number))
    assert len(router.dead_letters()) == limits.DEAD_LETTERS_MAX
    assert router.dead_letters()[-1].at_ms == ROUTES_CACHED_MAX + 9
    assert len(router._routes) <= ROUTES_CACHED_MAX


def test_what_the_broker_kept_puts_nobody_anywhere(router: Router) -> None:
    """The broker repeats it at every reconnect; facts are recognised by their envelope, dated readings by their time."""
    heard: dict[str, Any] = {"heard": [{"id": "iBeacon:5a1e0000-0000-4000-8000-000000000001-1-4", "rssi": -60}]}
    said = [
        message("phone-1", "sighting", 1, **heard),
        message("phone-1", "position", 2, lat=52.5, lon=13.4),
        message("footfall", "count", 3, what="people", count=9),
        message("sensor", "reading", 4, readings={"temperature": 20.0}),
        message("sensor", "reading", 5, at_ms=1_780_000_000_000, readings={"temperature": 20.0, "noise": 50.0}),
        message("till-cafe", "purchase", 6, amount_minor=1),
        message("sensor", "status", 7),
    ]
    kept = [len(router.decode(msgspec.structs.replace(one, retained=True))) for one in said]
    assert kept == [0, 0, 0, 0, 2, 1, 1]
    assert router.discarded == {"retained": 4}
    assert router.observations.total() == sum(kept) + router.discarded.total()
    assert [len(router.decode(one)) for one in said] == [1, 1, 1, 1, 2, 1, 1]
    assert router.discarded.total() == 4

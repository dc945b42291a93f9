"""The echo: its round trip holds the queues at the broker and in the gateway, and an echo that is out counts with its age."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.build import build
from gateway.core.bus import Publication
from gateway.core.types import Message
from gateway.runtime.app import App
from gateway.runtime.echo import EVERY_MS, ROUND_TRIP_MS_MAX, WAITING_MAX, Echo, echo_topic
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.gateways import settings_of, write_config
from tests.kit.testbed import ManualClock
from tests.kit.waiting import until

TOPIC = echo_topic("street", "gw-a")


def _sent(echo: Echo, now_ms: int) -> Publication:
    found = echo.next(now_ms)
    assert found is not None
    return found


def _back(sent: Publication, at_ms: int) -> Message:
    return Message(sent.topic, sent.payload, at_ms)


def test_the_round_trip_holds_both_queues() -> None:
    echo = Echo(TOPIC, "boot")
    assert echo.round_trip_ms(0) is None
    sent = _sent(echo, 0)
    assert echo.next(EVERY_MS - 1) is None, "the next one is not due"
    echo.hear([_back(sent, 700)], 1_000)
    assert (echo.round_trip_ms(1_000), echo.transit_ms) == (1_000, 700)


def test_an_echo_that_is_out_counts_with_its_age() -> None:
    echo = Echo(TOPIC, "boot")
    first = _sent(echo, 0)
    echo.hear([_back(first, 1)], 2)
    _sent(echo, EVERY_MS)
    assert echo.round_trip_ms(EVERY_MS + 10) == 2, "one that is out for a moment says nothing"
    assert echo.round_trip_ms(3 * EVERY_MS) == 2 * EVERY_MS
    third = _sent(echo, 3 * EVERY_MS)
    echo.hear([_back(third, 3 * EVERY_MS + 5)], 3 * EVERY_MS + 6)
    assert echo.round_trip_ms(9 * EVERY_MS) == 6, "the second was lost; a later one came back"


@pytest.mark.parametrize("payload", [b"", b"\xff", b"{}", b'{"boot":"other","number":1}', b'{"boot":"boot","number":9}'])
def test_a_foreign_echo_counts_nothing(payload: bytes) -> None:
    echo = Echo(TOPIC, "boot")
    _sent(echo, 0)
    echo.hear([Message(TOPIC, payload, 1)], 1)
    assert echo.round_trip_ms(EVERY_MS) is None


def test_a_repeated_echo_counts_once() -> None:
    echo = Echo(TOPIC, "boot")
    sent = _sent(echo, 0)
    echo.hear([_back(sent, 1)], 1)
    echo.hear([_back(sent, 900)], 900)
    assert echo.round_trip_ms(900) == 1


def test_echoes_that_are_out_are_bounded_and_forgotten_with_the_clock() -> None:
    echo = Echo(TOPIC, "boot")
    for number in range(3 * WAITING_MAX):
        _sent(echo, number * EVERY_MS)
    now_ms = 3 * WAITING_MAX * EVERY_MS
    assert echo.round_trip_ms(now_ms) == WAITING_MAX * EVERY_MS
    echo.forget()
    assert echo.round_trip_ms(now_ms) is None


def test_the_gateway_reports_a_queue_as_trouble(tmp_path: Path) -> None:
    built, clock = build(settings_of(write_config(tmp_path, 1883))), ManualClock()
    broker = FakeBroker(clock.now_ms)
    topic = echo_topic("street", "gw-t")
    bus = FakeBus(broker, "gw-t", (topic,))
    app = App(
        built.site,
        clock=clock,
        bus=bus,
        store=built.store,
        scorer=built.scorer,
        router=built.router,
        mailbox=built.mailbox,
        echo_topic=topic,
    )
    bus.start(app.mailbox.deliver)
    until(lambda: bus.link().connected)
    app.turn(0.0)  # sends the first echo
    until(lambda: len(app.mailbox) > 0)
    clock.advance(ROUND_TRIP_MS_MAX + 500)  # the writer is busy for so long
    app.turn(0.0)
    found = app.status()
    assert (found.round_trip_ms, found.messages) == (ROUND_TRIP_MS_MAX + 500, 0), "an echo is no message"
    assert "2.5 s from the broker to a decision" in found.trouble
    clock.advance(EVERY_MS)
    app.turn(0.0)
    until(lambda: len(app.mailbox) > 0)
    app.turn(0.0)
    assert (app.status().round_trip_ms, app.status().trouble) == (0, "")
    assert msgspec.to_builtins(app.router.messages) == {}
    bus.close()
    built.store.close()


def test_a_second_gateway_of_this_name_is_seen_and_one_that_has_ended_is_not() -> None:
    echo, other = Echo(TOPIC, "boot"), Echo(TOPIC, "other")
    waiting = [_back(_sent(other, at_ms), at_ms) for at_ms in (0, EVERY_MS, 2 * EVERY_MS)]
    echo.hear(waiting, 20_000)
    assert not echo.has_double(20_000), "they waited at the broker, and come at once"
    echo.hear([_back(_sent(other, 30_000), 30_000)], 30_000)
    assert echo.has_double(30_000)
    assert not echo.has_double(95_000), "it has gone"

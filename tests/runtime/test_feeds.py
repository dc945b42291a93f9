"""Feeds over real sockets: fetched when they have changed, bounded, item by item, and never a burden to the gateway."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_sim.devices import ngsi_ld
from gateway.adapters.feeds import HttpFeed
from gateway.adapters.http_client import HttpTarget
from gateway.adapters.http_server import HttpServer
from gateway.build import build, build_router
from gateway.build_broker import subscriptions
from gateway.config import ConfigError
from gateway.core.discards import Discard
from gateway.core.http import Request, Response
from gateway.core.types import Message
from gateway.runtime.feeds import ITEMS_MAX, FeedThread
from gateway.runtime.mailbox import Mailbox
from tests.commands.terminal import wayside
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.gateways import settings_of, write_config
from tests.kit.testbed import ManualClock
from tests.kit.waiting import until

ITEM = {"specversion": "1.0", "type": "air", "source": "station-1", "id": "1", "data": {"temperature": 21.5}}
WEATHER, CROWD = "urn:ngsi-ld:WeatherObserved:harbour", "urn:ngsi-ld:CrowdFlowObserved:bridge"
FEED = """
[[feeds]]
name = "city"
url = "http://127.0.0.1:{port}/feed.json"
decoder = "cloudevents"
"""


class City:
    """A server with one document; `requests` in order."""

    def __init__(self) -> None:
        self.reply = Response(200, json.dumps([ITEM]).encode(), headers=(("ETag", '"1"'),))
        self.requests: list[Request] = []
        self.server = HttpServer("127.0.0.1", 0, self._answer)
        self.server.start()
        self.url = f"http://127.0.0.1:{self.server.port}/feed.json"

    async def _answer(self, request: Request) -> Response:
        self.requests.append(request)
        stated = dict(self.reply.headers)
        if request.headers.get("if-none-match", "-") == stated.get("ETag"):
            return Response(304)
        return self.reply


@pytest.fixture
def city() -> Iterator[City]:
    made = City()
    yield made
    made.server.stop()


class Rig:
    """A poller whose steps the test makes, and its mailbox."""

    def __init__(self, url: str, room: int = 10, body_bytes_max: int = 100_000) -> None:
        self.clock = ManualClock()
        self.mailbox = Mailbox(room)
        target = HttpTarget(url, deadline_s=5.0, body_bytes_max=body_bytes_max)
        self.thread = FeedThread("city", HttpFeed(target), self.mailbox, self.clock.now_ms, 60.0)

    def poll(self) -> tuple[str, float]:
        """The result, and the seconds until the next poll."""
        polled = self.thread.poll()
        return polled.result, (polled.next_ms - self.clock.now_ms()) / 1_000

    def delivered(self) -> list[Message]:
        return self.mailbox.take(10_000, 0.0)[0]


def test_a_document_is_taken_once_until_it_changes(city: City) -> None:
    rig = Rig(city.url)
    assert rig.poll() == ("changed", 60.0)
    assert [json.loads(message.payload) for message in rig.delivered()] == [ITEM]
    assert rig.poll() == ("same", 60.0)
    assert rig.delivered() == []
    city.reply = Response(200, json.dumps([ITEM | {"id": "2"}, ITEM]).encode(), headers=(("ETag", '"2"'),))
    assert rig.poll()[0] == "changed"
    assert [json.loads(message.payload)["id"] for message in rig.delivered()] == ["2", "1"]
    assert [request.headers.get("if-none-match") for request in city.requests] == [None, '"1"', '"1"']


def test_a_date_is_the_condition_where_there_is_no_etag(city: City) -> None:
    date = "Sat, 28 Nov 2026 08:00:00 GMT"
    city.reply = city.reply._replace(headers=(("Last-Modified", date),))
    rig = Rig(city.url)
    rig.poll()
    rig.poll()
    assert [request.headers.get("if-modified-since") for request in city.requests] == [None, date]


def test_a_single_object_is_one_item(city: City) -> None:
    city.reply = Response(200, b'\n {"id": 1}')
    rig = Rig(city.url)
    assert rig.poll()[0] == "changed"
    assert [message.payload for message in rig.delivered()] == [b'\n {"id": 1}']


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (Response(404), "failed"),
        (Response(301, headers=(("Location", "http://127.0.0.1:1/"),)), "failed"),
        (Response(304), "failed"),
        (Response(200, b"x" * 100_001), "failed"),
        (Response(200, b"[1, 2"), "changed"),
        (Response(200, b"[" * 50_000), "changed"),
        (Response(200, b"\xff["), "changed"),
        (Response(200, b"[" + b"0," * ITEMS_MAX + b"0]"), "changed"),
    ],
)
def test_a_bad_answer_delivers_nothing_and_pauses(city: City, reply: Response, result: str, caplog: pytest.LogCaptureFixture) -> None:
    """A document that cannot be read is not fetched again before it has changed; nor is any failure repeated at once."""
    city.reply = reply
    rig = Rig(city.url)
    assert rig.poll()[0] == result
    found, pause_s = rig.poll()
    assert (found, pause_s >= 60.0) == (result, True)
    delivered = [message.payload for message in rig.delivered()]
    assert delivered in ([], [b"\xff["] * 2), "one item without brackets is left to the decoder"
    assert len(caplog.records) <= 1, "one trouble is logged once"


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(city: City) -> None:
    city.reply = Response(503, headers=(("Retry-After", "240"),))
    assert Rig(city.url).poll() == ("failed", 240.0)


def test_a_full_mailbox_is_tried_again_with_the_same_document(city: City) -> None:
    rig = Rig(city.url, room=1)
    rig.mailbox.offer([Message("a", b"", 0)])
    result, pause_s = rig.poll()
    assert (result, pause_s <= 1.0) == ("full", True)
    rig.delivered()
    assert rig.poll()[0] == "changed"
    assert [request.headers.get("if-none-match") for request in city.requests] == [None, None]


def test_a_whole_gateway_reads_a_feed(city: City, tmp_path: Path) -> None:
    config = write_config(tmp_path, more='"station-1" = "plaza"\n' + FEED.format(port=city.server.port))
    settings = settings_of(config)
    assert "feed" not in str(subscriptions(settings, build_router(settings).sources)), "the broker is not asked for it"
    app = build(settings_of(config, "mqtt.first_connect_s=0"))
    thread = threading.Thread(target=app.run, daemon=True)
    thread.start()
    until(lambda: "plaza" in app.state.sensors.zones)
    app.stop()
    thread.join()
    assert app.state.sensors.zones["plaza"].readings["temperature"][0] == 21.5


def test_entities_of_a_city_platform_come_through_a_feed(city: City, tmp_path: Path) -> None:
    """The answer of an NGSI-LD broker to a query, an array of entities: the weather of one place and the crowd of another."""
    places = f'"{WEATHER}" = "plaza"\n"{CROWD}" = "cafe"\n'
    config = write_config(tmp_path, more=places + FEED.format(port=city.server.port).replace("cloudevents", "ngsi_ld"))
    app = build(settings_of(config))
    app.bus, now_ms = FakeBus(FakeBroker(app.clock.now_ms)), app.clock.now_ms()
    entities = (
        ngsi_ld.weather("harbour", now_ms, (13.4, 52.5), 11.5, 80.0, 0.4),
        ngsi_ld.crowd("bridge", now_ms - 600_000, now_ms, 90, 60, [(13.4, 52.5), (13.5, 52.5)]),
    )
    city.reply = Response(200, b"[" + b",".join(one.payload for one in entities) + b"]", headers=(("ETag", '"1"'),))
    feed, *_ = app.services
    assert isinstance(feed, FeedThread)
    assert feed.poll().result == "changed"
    app.turn(0.0)
    found = app.state.sensors.zones
    app.store.close()
    assert {name: value for name, (value, _) in found["plaza"].readings.items()} == {
        "temperature": 11.5,
        "humidity": 80.0,
        "precipitation": 0.4,
    }
    assert [(one.came, one.went) for one in found["cafe"].counting.minutes] == [(60, 30)]
    assert not app.counters.discarded


def test_an_event_that_a_feed_repeats_counts_once(city: City, tmp_path: Path) -> None:
    """The document changes and still holds an older event; only the new one is a further fact."""
    late = {"specversion": "1.0", "type": "train.late", "source": "city-trains", "id": "7", "subject": "plaza"}
    config = write_config(tmp_path, more='"city-trains" = { zone = "*", kind = "feed" }\n' + FEED.format(port=city.server.port))
    app = build(settings_of(config))
    app.bus = FakeBus(FakeBroker(app.clock.now_ms))
    feed, _ = app.services
    assert isinstance(feed, FeedThread)
    for etag, count in ((1, 1), (2, 2)):
        items = [late | {"id": str(number)} for number in range(etag)]
        city.reply = Response(200, json.dumps(items).encode(), headers=(("ETag", f'"{etag}"'),))
        assert feed.poll().result == "changed"
        assert app.turn(0.0) == etag
        assert app.counters.counts["facts"] == count
    assert app.counters.discarded[Discard.REPEATED] == 1
    app.store.close()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('decoder = "cloudevents"', 'decoder = "cloudevent"'), "did you mean cloudevents?"),
        (('decoder = "cloudevents"', 'decoder = "wayside_v1"'), "items of wayside_v1 name no device"),
        (("http://127.0.0.1:1", "https://user:pw@127.0.0.1:1"), "is not an address"),
    ],
)
def test_check_names_the_fault_of_a_feed(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    config = write_config(tmp_path, more=FEED.format(port=1).replace(*change))
    assert expected in wayside("check", "--config", config).refusal(1)


def test_a_feed_in_plain_text_and_two_of_one_name_are_refused(tmp_path: Path) -> None:
    path = write_config(tmp_path, more=FEED.format(port=1).replace("127.0.0.1:1", "city.example"))
    with pytest.raises(ConfigError, match="plain text: use https"):
        settings_of(path)
    path = write_config(tmp_path / "two", more=FEED.format(port=1) * 2)
    with pytest.raises(ConfigError, match="feed 'city' occurs twice"):
        settings_of(path)

"""A gateway and the simulated screen on a real broker: programme, house programme and group, and proof of play in the log."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from firmware_sim.devices.screen import Screen, programme_filter
from gateway.adapters.store.reader import ScreenSlots
from gateway.build_store import open_reader
from gateway.core.offers import Campaign
from tests.commands.terminal import wayside
from tests.kit.broker import mosquitto
from tests.kit.bundles import make_bundle, tiny_campaign
from tests.kit.gateways import GatewayProcess, settings_of, walk_in, write_config
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import until

MORE = """"screen-plaza" = { zone = "plaza", kind = "screen" }

[screens]
people_min = 3
programme_s = 60
"""


def screened() -> Campaign:
    """One offer for phones and two for the screen of the plaza."""
    campaign = tiny_campaign()
    (phone,) = campaign.offers
    on_screen = [msgspec.structs.replace(phone, id=id_, channel="screen", value_minor=value) for id_, value in (("tea", 400), ("pie", 300))]
    return msgspec.structs.replace(campaign, offers=(phone, *on_screen))


@pytest.mark.broker
def test_a_screen_plays_its_programme_and_proves_it(tmp_path: Path) -> None:
    (tmp_path / "gw").mkdir()
    with (
        mosquitto(tmp_path) as broker,
        Subscriber(broker.host, broker.port, programme_filter("street", "screen-plaza")) as wire,
        Subscriber(broker.host, broker.port) as phones,
    ):
        config = write_config(tmp_path / "gw", broker.port, make_bundle(tmp_path / "gw", campaign=screened()), MORE)
        with GatewayProcess(config) as gateway:
            gateway.start()
            (payload, *_) = wire.wait_for("wayside/v1/street/screen/screen-plaza/offer")
            screen, began_ms = Screen("street", "screen-plaza", "s1"), time.time_ns() // 1_000_000
            assert screen.receive(payload, began_ms) is None
            item = screen.shown(began_ms)
            assert item is not None
            assert item.title
            report = screen.report(began_ms + 1000 * item.seconds)
            assert report is not None
            wire.publish(report.topic, report.payload)
            until(lambda: gateway.latest["screens"]["screen_plays"] == 1)
            for number in range(3):
                phones.say(*walk_in(f"phone-{number:04}"))
            until(lambda: gateway.latest["visits"]["entered"] == 3)
            assert gateway.latest["screens"] == {"screen_group": 0, "screen_house": 1, "screen_plays": 1}
            assert gateway.stop() == 0
            gateway.start()  # each programme is planned anew after a start, now for the three people
            until(lambda: gateway.latest["screens"]["screen_group"] == 1)
            assert gateway.stop() == 0
    shown = " ".join(wayside("results", "--config", config).out.split())
    assert "screen-plaza tea 2 1" in shown
    with closing(open_reader(settings_of(config))) as reader:
        found = reader.screens(0, 2**62)
    assert [(one.offer, one.slots, one.of_groups) for one in found] == [("pie", 2, 1), ("tea", 2, 1)]
    assert sum(one.plays for one in found) == 1
    assert sum(one.played_s for one in found) > 0
    assert all(isinstance(one, ScreenSlots) for one in found)


def test_a_screen_shows_its_items_in_turn_and_nothing_after_the_end() -> None:
    screen = Screen("street", "screen-1", "s1")
    items = [{"slot": "a", "title": "A", "seconds": 8}, {"slot": "b", "title": "B", "seconds": 10}]
    assert screen.receive(msgspec.json.encode({"v": 1, "until_ms": 60_000, "items": items}), 0) is None
    shown = {at: (one.slot if (one := screen.shown(at)) else None) for at in (0, 7_999, 8_000, 17_999, 18_000, 60_000)}
    assert shown == {0: "a", 7_999: "a", 8_000: "b", 17_999: "b", 18_000: "a", 60_000: None}
    report = screen.receive(msgspec.json.encode({"v": 1, "until_ms": 120_000, "items": []}), 60_000)
    assert report is not None
    sent = msgspec.json.decode(report.payload)
    assert (report.topic, report.qos) == ("wayside/v1/street/up/screen-1/played", 1)
    assert sent["played"] == [{"slot": "a", "plays": 3, "seconds": 24}, {"slot": "b", "plays": 3, "seconds": 30}]
    assert screen.receive(b"{", 70_000) is None
    assert screen.unreadable == 1

"""Decoders are found by name and by topic, those of another distribution too, and faults are reported."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest

from gateway.core.types import Message, Observation
from gateway.decoders import registry
from gateway.decoders.contract import Decoder
from gateway.decoders.topics import is_filter
from tests.decoders.formats import FORMATS


def _nothing(_: Message) -> list[Observation]:
    return []


ELSEWHERE = Decoder("elsewhere", ("elsewhere/#",), _nothing)
NO_DECODER = "not a decoder"


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """The registry reads the installed distributions once; a test that changes them clears the cache."""
    yield
    registry._declared.cache_clear()
    registry.load.cache_clear()


def _install(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    found = [EntryPoint(name, value, registry.GROUP) for name, value in points]
    monkeypatch.setattr(registry, "entry_points", lambda group: [point for point in found if point.group == group])
    registry._declared.cache_clear()
    registry.load.cache_clear()


def test_ours_are_declared() -> None:
    assert set(FORMATS) <= set(registry.decoder_names())
    assert all(registry.load(form).name == form for form in FORMATS)


def test_every_default_topic_is_a_filter() -> None:
    topics = [topic for form in FORMATS for topic in registry.load(form).topics]
    assert len(topics) >= len(FORMATS)
    assert all(is_filter(topic) for topic in topics)


@pytest.mark.parametrize(
    ("topic", "form"),
    [
        ("wayside/v1/street/up/phone-0001/sighting", "wayside_v1"),
        ("owntracks/street/phone-0001", "owntracks"),
        ("owntracks/street/phone-0001/event", "owntracks"),
        ("espresense/devices/a/plaza", "espresense"),
        ("ruuvi/C8:25:2D:00:CA:FE/gw_status", "ruuvi_gateway"),
        ("/gw/ac233f00a001/status", "minew_gateway_json"),
        ("zigbee2mqtt/kitchen/climate", "zigbee2mqtt"),
        ("shellies/shelly1/relay/0", "shelly_gen1"),
        ("shellies/shellies/shellyem3/emeter/0/power", "shelly_gen1"),
        ("shellies/plus1pm/events/rpc", "shelly_gen2_rpc"),
        ("shellyplus1-441793ab3fb4/status/switch:0", "shelly_gen2_rpc"),
        ("tele/kitchen/SENSOR", "tasmota"),
        ("rtl_433/pi/events", "rtl_433"),
        ("rtl_433/pi/devices/Acurite-Tower/B/9884/temperature_C", "rtl_433"),
        ("frigate/plaza/person", "frigate"),
        ("homie/5/super-car/engine/temperature", "homie"),
        ("spBv1.0/street/NDATA/pi", "sparkplug_b"),
    ],
)
def test_a_topic_tells_the_format(topic: str, form: str) -> None:
    assert registry.by_topic(topic) is registry.load(form)


@pytest.mark.parametrize("topic", ["", "gw/ac233f00a001/status", "wayside/v1/street/down/phone-0001/offer", "$SYS/zigbee2mqtt", "homie/a"])
def test_an_unknown_topic_is_not_guessed_at(topic: str) -> None:
    assert registry.by_topic(topic) is None


@pytest.mark.parametrize(("wrong", "near"), [("owntrack", "owntracks"), ("zigbee2mqt", "zigbee2mqtt"), ("ESPresense", "espresense")])
def test_an_unknown_name_gets_the_nearest_one(wrong: str, near: str) -> None:
    with pytest.raises(registry.DecoderNotFoundError, match=f"did you mean {near}"):
        registry.load(wrong)


def test_a_name_like_no_other_gets_all_of_them() -> None:
    with pytest.raises(registry.DecoderNotFoundError, match=r"there are: .*espresense, "):
        registry.load("xyz")


def test_another_distribution_adds_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, ("elsewhere", f"{__name__}:ELSEWHERE"), ("owntracks", "gateway.decoders.formats.owntracks:DECODER"))
    assert registry.decoder_names() == ("elsewhere", "owntracks")
    assert registry.by_topic("elsewhere/a/b") is ELSEWHERE


@pytest.mark.parametrize(("name", "value"), [("elsewhere", f"{__name__}:NO_DECODER"), ("another", f"{__name__}:ELSEWHERE")])
def test_what_is_no_such_decoder_is_told(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    _install(monkeypatch, (name, value))
    with pytest.raises(registry.BrokenDecoderError, match="is not a Decoder"):
        registry.load(name)


def test_two_decoders_of_one_name_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, ("elsewhere", f"{__name__}:ELSEWHERE"), ("elsewhere", "other.place:DECODER"))
    with pytest.raises(registry.BrokenDecoderError, match="declared twice"):
        registry.decoder_names()

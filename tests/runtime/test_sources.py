"""Speakers: the topic names the device, and each device may say only what its kind says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.types import Message, Observation
from gateway.decoders.contract import Decoder
from gateway.decoders.registry import decoder_names, load
from gateway.runtime.router import Router
from gateway.runtime.sources import DeviceKind, Installed, Source, shared_ids, source
from tests.kit.gateways import message

ANCHORS = ("plaza", "ac233f00a001")
DEVICES: dict[str, DeviceKind] = {
    "till-cafe": "till",
    "weather-1": "sensor",
    "wall-scanner": "scanner",
    "kiosk-hall": "kiosk",
    "desk": "desk",
    "/trains": "feed",
}


def route(*sources: Source) -> Router:
    return Router(sources, Installed(DEVICES, ANCHORS))


def said(router: Router, topic: str, payload: Any) -> list[Observation]:
    return router.decode(Message(topic, payload if isinstance(payload, bytes) else json.dumps(payload).encode(), 0))


WAYSIDE = source("wayside/v1/street/up/+/+", load("wayside_v1"))
FIX = {"_type": "location", "lat": 52.5, "lon": 13.4, "tst": 1_790_000_000}
HEARD = {"heard": [{"id": "plaza", "rssi": -60}]}


def test_two_users_of_owntracks_are_two_devices() -> None:
    router = route(source("owntracks/#", load("owntracks")))
    (bens,), (eves,) = said(router, "owntracks/ben/phone", FIX), said(router, "owntracks/eve/phone", FIX)
    assert (bens.device, eves.device) == ("ben/phone", "eve/phone")  # type: ignore[union-attr]
    assert said(router, "owntracks/eve", {**FIX, "topic": "owntracks/ben/phone", "tid": "phone"}) == []


def test_a_device_that_states_its_position_is_no_radio() -> None:
    router = route(source("owntracks/#", load("owntracks"), "owntracks/{device}/#"))
    assert said(router, "owntracks/e375cf000009/phone", FIX) == []
    assert router.discarded == {"other_speaker": 1}


def test_a_source_may_name_the_level() -> None:
    router = route(source("owntracks/street/+", load("owntracks"), "owntracks/street/{device}"))
    (found,) = said(router, "owntracks/street/phone-1", {**FIX, "topic": "owntracks/street/phone-2"})
    assert found.device == "phone-1"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("decoder", "speaker", "topic", "payload"),
    [
        ("cassia_scan", "hall/{gateway_mac}/#", "hall/AC:23:3F:00:A0:01/scan", {"bdaddrs": [{"bdaddr": "E3:75:CF:00:00:09"}], "rssi": -40}),
        ("minew_gateway_json", None, "/gw/AC233F00A001/status", [{"mac": "E375CF000009", "rssi": -40}]),
        ("ruuvi_gateway", None, "ruuvi/AC:23:3F:00:A0:01/E3:75:CF:00:00:09", {"rssi": -40, "data": "020106"}),
        ("espresense", None, "espresense/devices/e375cf000009/plaza", {"rssi": -40}),
    ],
)
def test_a_scanner_is_the_one_in_the_topic(decoder: str, speaker: str | None, topic: str, payload: Any) -> None:
    router = route(source("#", load(decoder), speaker))
    found = said(router, topic, payload)
    assert {one.hearer for one in found} <= set(ANCHORS)  # type: ignore[union-attr]
    assert len(found) == 1
    spoofed = topic.replace("AC:23:3F:00:A0:01", "mallory").replace("AC233F00A001", "mallory").replace("plaza", "mallory")
    assert said(router, spoofed, payload) == []
    assert router.discarded == {"unmapped_anchor": 1}


def test_without_a_named_level_a_scanner_places_nobody() -> None:
    router = route(source("free/#", load("ingics_gprp_text")))
    assert said(router, "free/x", b"$GPRP,E375CF000009,AC233F00A001,-40,020106") == []
    assert router.discarded == {"other_speaker": 1}


def test_a_scanner_does_not_listen_as_a_phone() -> None:
    """A node named like a phone, which reports an anchor, would place that phone."""
    router = route(source("espresense/#", load("espresense")))
    assert said(router, "espresense/devices/plaza/phone-1", {"rssi": -40}) == []
    assert router.discarded == {"unmapped_anchor": 1}


def test_a_scanner_gives_no_reading_of_an_installed_device() -> None:
    router = route(source("espresense/#", load("espresense")))
    kept = said(router, "espresense/devices/e375cf000009/plaza", {"rssi": -40, "temp": 20})
    assert len(kept) == 2
    assert len(said(router, "espresense/devices/weather-1/plaza", {"rssi": -40, "temp": 30})) == 1, "the sighting alone"
    assert router.discarded == {"other_speaker": 1}


@pytest.mark.parametrize("name", ["plaza", "ac233f00a001", "E3:75:CF:00:00:09", "0011223344556677", "iBeacon:5a1e-1-2"])
@pytest.mark.parametrize("kind", ["sighting", "consent"])
def test_a_phone_does_not_speak_under_the_name_of_a_radio(name: str, kind: str) -> None:
    router = route(WAYSIDE)
    fields: dict[str, Any] = HEARD if kind == "sighting" else {"purposes": ["presence"], "version": 1}
    assert router.decode(message(name, kind, 1, **fields)) == []
    assert router.discarded == {"other_speaker": 1}


SAID: dict[str, dict[str, Any]] = {
    "sighting": HEARD,
    "position": {"lat": 52.5, "lon": 13.4},
    "reading": {"readings": {"temperature": 20.0}},
    "count": {"what": "people", "count": 3},
    "purchase": {"amount_minor": 1},
    "answer": {"decision": "gw-t.0", "answer": "accepted"},
    "consent": {"purposes": ["presence"], "version": 1},
    "request": {},
    "wishes": {"change": 1},
    "incident": {"state": "began"},
    "status": {},
}


@pytest.mark.parametrize(
    ("device", "kinds", "reason"),
    [
        ("weather-1", {"reading", "count", "status"}, "not_its_kind"),
        ("till-cafe", {"purchase", "request", "status"}, "not_its_kind"),
        ("kiosk-hall", {"request", "answer", "status"}, "not_its_kind"),
        ("desk", {"incident", "status"}, "not_its_kind"),
        ("wall-scanner", {"sighting", "reading", "count", "status"}, "not_its_kind"),
        ("phone-1", {"sighting", "position", "answer", "consent", "request", "wishes", "status"}, "unmapped_device"),
    ],
)
def test_a_device_says_what_its_kind_says(device: str, kinds: set[str], reason: str) -> None:
    router = route(WAYSIDE)
    assert {kind for kind, fields in SAID.items() if router.decode(message(device, kind, 1, **fields))} == kinds
    assert router.discarded == {reason: len(SAID) - len(kinds)}


def test_only_a_declared_feed_states_events() -> None:
    router = route(source("feeds/#", load("cloudevents")))
    late = {"specversion": "1.0", "type": "train.late", "id": "1"}
    assert len(said(router, "feeds/x", {**late, "source": "/trains"})) == 1
    for other in ("/rumours", "weather-1"):
        assert said(router, "feeds/x", {**late, "source": other}) == []
    assert router.discarded == {"not_its_kind": 2}


def test_a_source_may_be_narrowed() -> None:
    router = route(source("wayside/v1/street/up/+/+", load("wayside_v1"), kinds=["status"]))
    assert [kind for kind, fields in SAID.items() if router.decode(message("phone-1", kind, 1, **fields))] == ["status"]
    assert router.discarded == {"not_its_kind": len(SAID) - 1}


# The topics of these are set in the device, so the source names the level of the speaker.
FREE_TOPICS = {
    "axis_people_counter",
    "footfallcam",
    "ingics_gprp_text",
    "minew_gateway_binary",
    "terabee",
    "theengs_ble_json",
    "xovis",
}


@pytest.mark.parametrize("name", decoder_names())
def test_only_wayside_says_what_a_person_says(name: str) -> None:
    decoder = load(name)
    assert (name == "wayside_v1") == bool(decoder.kinds & {"consent", "answer", "purchase"})
    assert (decoder.role == "bridge") == (not decoder.speakers and name not in FREE_TOPICS)


def test_a_bridge_of_scanners_must_be_declared() -> None:
    raddec = load("reelyactive_raddec")
    with pytest.raises(ValueError, match="set bridge = true"):
        source("raddec/#", raddec)
    router = route(source("raddec/#", raddec, is_bridge=True))
    heard = {"transmitterId": "e375cf000009", "rssiSignature": [{"receiverId": "ac233f00a001", "rssi": -40}], "position": [13.4, 52.5]}
    sighting, position = said(router, "raddec/x", heard)
    assert (sighting.hearer, position.device) == ("ac233f00a001", "e375cf000009")  # type: ignore[union-attr]
    assert said(router, "raddec/x", {**heard, "transmitterId": "phone-1"})[1:] == [], "a bridge does not place a phone"


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"speaker": "owntracks/+/+"}, "with a level such as"),
        ({"speaker": "owntracks/#/{device}"}, "with a level such as"),
        ({"speaker": "own{device}/x"}, "with a level such as"),
        ({"kinds": ["purchase"]}, "makes no purchase"),
    ],
)
def test_a_wrong_source_is_refused(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        source("owntracks/#", load("owntracks"), **settings)


def test_a_forged_decoder_is_held_to_the_topic() -> None:
    """A decoder that takes the device from the payload gets nothing through: the check does not rest on the decoders."""
    honest = load("owntracks")
    forged = Decoder("forged", (), lambda one: honest.decode(Message("", one.payload, 0)), None, honest.speakers, "device", honest.kinds)
    router = route(source("owntracks/#", forged))
    assert said(router, "owntracks/eve/phone", {**FIX, "topic": "owntracks/ben/phone"}) == []
    assert router.discarded == {"other_speaker": 1}


@pytest.mark.parametrize(
    ("sources", "warned"),
    [
        ([("owntracks/#", "owntracks", None)], ""),
        ([("owntracks/#", "owntracks", "owntracks/+/{device}")], "differ in level 2"),
        ([("owntracks/street/+", "owntracks", "owntracks/street/{device}")], ""),
        ([("wayside/v1/+/up/+/+", "wayside_v1", None)], "differ in level 3"),
        ([("wayside/v1/street/up/+/+", "wayside_v1", None)], ""),
        ([("espresense/#", "espresense", None), ("/gw/+/status", "minew_gateway_json", None)], ""),
        ([("a/#", "ingics_gprp_text", None)], "names no speaker"),
        ([("a/#", "zigbee2mqtt", None), ("b/#", "zigbee2mqtt", None)], "devices of one name share an id"),
    ],
)
def test_shared_ids_are_warned_of(sources: list[tuple[str, str, str | None]], warned: str) -> None:
    lines = shared_ids([source(topic, load(name), speaker) for topic, name, speaker in sources])
    assert (len(lines) == 1 and warned in lines[0]) if warned else lines == []

"""The broker's access list: known answers for the sources of a config."""

from __future__ import annotations

import pytest

from gateway.decoders.registry import load
from gateway.runtime.access import Member, access_list
from gateway.runtime.sources import source


def _lines(topic: str, decoder: str, speaker: str | None = None) -> list[str]:
    return access_list([Member("mall", "gw-a", [topic], [source(topic, load(decoder), speaker)])]).splitlines()


@pytest.mark.parametrize(
    ("topic", "decoder", "speaker", "rights"),
    [
        ("wayside/v1/mall/up/+/+", "wayside_v1", None, ["wayside/v1/mall/up/%u/+"]),
        ("owntracks/#", "owntracks", None, ["owntracks/%u/+/#"]),
        ("owntracks/mall/+", "owntracks", "owntracks/mall/{device}", ["owntracks/mall/%u"]),
        ("owntracks/anna/phone", "owntracks", None, []),
        ("site7/espresense/#", "espresense", None, ["site7/espresense/devices/+/%u", "site7/espresense/rooms/%u/#"]),
        ("$share/g//gw/+/status", "minew_gateway_json", None, ["/gw/%u/status"]),
        ("tele/+/SENSOR", "tasmota", None, ["tele/%u/SENSOR"]),
    ],
)
def test_a_device_publishes_under_its_own_name_only(topic: str, decoder: str, speaker: str | None, rights: list[str]) -> None:
    assert [line for line in _lines(topic, decoder, speaker) if line.startswith("pattern write")] == [
        f"pattern write {one}" for one in rights
    ]


@pytest.mark.parametrize(("topic", "decoder"), [("zigbee2mqtt/#", "zigbee2mqtt"), ("v3/+/devices/+/up", "ttn_v3")])
def test_a_program_that_publishes_for_its_devices_is_the_user(topic: str, decoder: str) -> None:
    lines = _lines(topic, decoder)
    assert lines[lines.index(f"user {decoder}") + 1] == f"topic write {topic}"
    assert not any(line.startswith("pattern write") for line in lines)


def test_a_gateway_receives_its_sources_and_sends_to_every_device() -> None:
    lines = _lines("wayside/v1/mall/up/+/+", "wayside_v1")
    section = lines[lines.index("user gw-a") + 1 : lines.index("")]
    assert section == [
        "topic read wayside/v1/mall/up/+/+",
        "topic write wayside/v1/mall/gateway/gw-a/status",
        "topic write wayside/v1/mall/gateway/gw-a/echo",
        "topic write wayside/v1/mall/up/gw-a/redeemed",
        "topic write wayside/v1/mall/up/gw-a/contact",
        "topic write wayside/v1/mall/up/gw-a/withdrawn",
        "topic write wayside/v1/mall/reply/+/+",
        "topic write wayside/v1/mall/down/+/offer",
        "topic write wayside/v1/mall/screen/+/offer",
    ]


def test_two_gateways_share_the_patterns() -> None:
    sources = [source("wayside/v1/mall/up/+/+", load("wayside_v1"))]
    lines = access_list([Member("mall", name, ["wayside/v1/mall/up/+/+"], sources) for name in ("gw-a", "gw-b")]).splitlines()
    assert [line for line in lines if line.startswith("user")] == ["user gw-a", "user gw-b"]
    assert len([line for line in lines if line.startswith("pattern")]) == 4

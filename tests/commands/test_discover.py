"""`wayside discover`: the proposal for known sources, without the ids of people."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.discover import Findings
from gateway.core.types import Message

ANCHORS = {
    "plaza",
    "noodle-bar",
    "ac233f00a001",
    "ac233f00a008",
    "c8252d00cafe",
    "iBeacon:5a1e0000-0000-4000-8000-000000000001-1-4",
    "iBeacon:5a1e0000-0000-4000-8000-000000000001-1-6",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """A minute of the simulated street, heard."""
    file = tmp_path_factory.mktemp("street") / "street.jsonl"
    command = [str(Path(sys.executable).parent / "wayside-sim"), "record", "street", str(file), "--seed", "3", "--seconds", "60"]
    subprocess.run(command, check=True, capture_output=True)
    findings = Findings()
    for line in file.read_text().splitlines():
        captured = json.loads(line)
        payload = bytes.fromhex(captured["payload_hex"]) if "payload_hex" in captured else captured["payload"].encode()
        findings.add(Message(captured["topic"], payload, 0))
    return findings


@pytest.fixture(scope="module")
def proposal(site: Findings) -> dict[str, Any]:
    """The proposal, as the config reader sees it."""
    return tomllib.loads(site.config())


def test_every_source_of_the_street_is_proposed(proposal: dict[str, Any]) -> None:
    found = {source["decoder"] for source in proposal["sources"]}
    assert found == {"espresense", "minew_gateway_json", "owntracks", "ruuvi_gateway", "wayside_v1", "zigbee2mqtt"}


def test_what_stands_still_is_named_and_nothing_else(proposal: dict[str, Any]) -> None:
    assert set(proposal["zones"][0]["anchors"]) == ANCHORS


def test_people_are_not_written_down(site: Findings) -> None:
    assert any("phone-" in one for one in site.partners), "phones were heard"
    assert "phone-" not in site.config()
    assert "0000000000ff" not in site.config(), "a person's own beacon"


def test_sensors_and_tills_are_listed(proposal: dict[str, Any]) -> None:
    assert {"weather-1", "till-cafe", "footfall-plaza", "arcade-climate"} <= set(proposal["devices"])


def test_an_unusual_topic_is_proposed_by_its_payload_and_marked() -> None:
    findings = Findings()
    payload = json.dumps([{"timestamp": "2026-11-22T12:00:00Z", "type": "Gateway", "mac": "AC233F00A001"}]).encode()
    tag = {"timestamp": "2026-11-22T12:00:00Z", "type": "iBeacon", "mac": "0BE383050DE8", "ibeaconUuid": "6A08635B25F7410A8CF860EEFA2E6EAB"}
    beacon = json.dumps([json.loads(payload)[0], {**tag, "ibeaconMajor": 1, "ibeaconMinor": 2, "rssi": -58, "ibeaconTxPower": -59}])
    findings.add(Message("shop/7/hall/ble", beacon.encode(), 0))
    (source,) = tomllib.loads(findings.config())["sources"]
    assert source == {"topic": "shop/+/+/ble", "decoder": "minew_gateway_json"}
    assert "guessed" in findings.config()


@pytest.mark.parametrize(
    ("topic", "content", "source"),
    [
        pytest.param(
            "site7/espresense/devices/iBeacon:5a1e0000-0000-4000-8000-000000000001-1-4/plaza",
            {"rssi": -61, "distance": 1.9},
            {"topic": "site7/espresense/#", "decoder": "espresense"},
            id="below a prefix",
        ),
        pytest.param(
            "zigbee/arcade", {"temperature": 21.5, "linkquality": 90}, {"topic": "zigbee/#", "decoder": "zigbee2mqtt"}, id="base renamed"
        ),
        pytest.param(
            "radio/roof/events",
            {"model": "Acurite-Tower", "id": 9884, "channel": "B", "temperature_C": 8.1, "wind_avg_m_s": 3.0, "rain_mm": 12.5},
            {"topic": "radio/+/events", "decoder": "rtl_433"},
            id="base renamed, levels kept",
        ),
        pytest.param("plug-7/tele/SENSOR", {"ENERGY": {"Power": 61.5}}, {"topic": "+/tele/+", "decoder": "tasmota"}, id="as some order it"),
    ],
)
def test_usual_topics_are_found_with_a_prefix_and_with_another_base(topic: str, content: dict[str, Any], source: dict[str, str]) -> None:
    findings = Findings()
    findings.add(Message(topic, json.dumps(content).encode(), 0))
    assert tomllib.loads(findings.config())["sources"] == [source]


def test_what_nobody_can_read_is_said() -> None:
    findings = Findings()
    findings.add(Message("lamps/3/state", b"\x00\x01", 0))
    assert "sources" not in tomllib.loads(findings.config())
    assert "lamps/+/state (1 messages)" in findings.config()

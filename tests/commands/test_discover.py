"""`wayside discover`: the proposal for known sources, without the ids of people."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.build import build_sources
from gateway.commands.decode import wire_payload
from gateway.commands.discover import Findings
from gateway.config import load_sources
from gateway.core.types import Message
from gateway.decoders.topics import topic_matches
from tests.decoders.field import lines
from tests.kit.gateways import WAYSIDE

ANCHORS = {"plaza", "noodle-bar", "ac233f00a001", "ac233f00a008", "c8252d00cafe"}
BEACONS = {
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


def test_beacons_are_unsure_because_they_do_not_hear(site: Findings) -> None:
    assert set(site.beacons()) == BEACONS
    assert all(f"# Unsure: {beacon}" in site.config() for beacon in BEACONS)


def test_nothing_goes_to_the_whole_site(proposal: dict[str, Any]) -> None:
    zones = [one if isinstance(one, str) else one["zone"] for one in proposal["devices"].values()]
    assert set(zones) == {"somewhere"}


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
    for _ in range(2):
        findings.add(Message("shop/7/hall/ble", beacon.encode(), 0))
    assert "sources" not in tomllib.loads(findings.config()), "two messages may fit by chance"
    assert "# Unsure about shop/+/+/ble: minew_gateway_json reads 2 of 2 messages" in findings.config()
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
    for _ in range(3):
        findings.add(Message(topic, json.dumps(content).encode(), 0))
    assert tomllib.loads(findings.config())["sources"] == [source]


def test_what_nobody_can_read_is_said() -> None:
    findings = Findings()
    findings.add(Message("lamps/3/state", b"\x00\x01", 0))
    assert "sources" not in tomllib.loads(findings.config())
    assert "lamps/+/state (1 messages)" in findings.config()


def test_an_uplink_that_is_not_understood_says_the_way_out() -> None:
    findings = Findings()
    body = {
        "deviceInfo": {"devEui": "24e124136b000001", "deviceProfileName": "R718B"},
        "fPort": 6,
        "data": "AZUBJP89AAAAAAA=",
        "rxInfo": [{"rssi": -60}],
    }
    findings.add(Message("application/1/device/24e124136b000001/event/up", json.dumps(body | {"fPort": 200}).encode(), 0))
    assert "# Bytes of 24e124136b000001 (model R718B) are not understood" in findings.config()


def test_a_password_in_the_address_is_refused_and_never_printed() -> None:
    done = subprocess.run([*WAYSIDE, "discover", "--broker", "mqtt://me:secret@127.0.0.1:1"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "--username" in done.stderr
    assert "secret" not in done.stdout + done.stderr


def test_the_mixed_traffic_of_the_field_can_be_pasted(tmp_path: Path) -> None:
    """Every source that is proposed is that of its messages, or states that it is a guess; the text is a config that can be loaded."""
    findings = Findings()
    heard = [line for line in lines() if line["set"] == "hand" and line.get("topic")]
    for line in heard:
        findings.add(Message(line["topic"], wire_payload(line), 0))
    path = tmp_path / "proposal.toml"
    path.write_text(findings.config(), "utf-8")
    proposed = build_sources(load_sources(path).sources, ())
    assert len(proposed) > 12
    for one in proposed:
        formats = {line["format"] for line in heard if topic_matches(one.topic, line["topic"])}
        assert one.decoder.name in formats or (one.topic, one.decoder.name) in findings.evidence, (one.topic, one.decoder.name, formats)
    assert "*" not in {zone for zone in tomllib.loads(path.read_text())["devices"].values() if isinstance(zone, str)}

"""Every encoder against the published formats; the bytes are decoded by hand, without a shared library."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from firmware_sim.devices import ble, espresense, minew, owntracks, ruuvi, wayside_v1, zigbee2mqtt
from firmware_sim.draws import generator
from tests.kit.shared import shared_messages

UUID = "5a1e0000-0000-4000-8000-0000000000ff"
BEACON = ble.IBeacon(UUID, 1000, 7, -52)
ADDRESS = bytes.fromhex("4a0102030405")
AT_MS = 1_793_617_200_123


def structures(data: bytes) -> dict[int, bytes]:
    """AD structures by type; the length bytes must add up to the whole advertisement."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        length = data[at]
        found[data[at + 1]] = data[at + 2 : at + 1 + length]
        at += 1 + length
    assert at == len(data)
    return found


def body(payload: bytes) -> Any:
    return json.loads(payload)


def test_ibeacon_frame_by_the_byte() -> None:
    advert = ble.ibeacon(ADDRESS, BEACON)
    assert advert.data.hex() == "0201061aff4c0002155a1e00000000400080000000000000ff03e80007cc"
    manufacturer = structures(advert.data)[0xFF]
    assert manufacturer[:4] == bytes.fromhex("4c000215")
    assert manufacturer[4:20].hex() == UUID.replace("-", "")
    assert (int.from_bytes(manufacturer[20:22]), int.from_bytes(manufacturer[22:24])) == (1000, 7)
    assert manufacturer[24] - 256 == -52


@pytest.mark.parametrize("sort", range(4))
def test_foreign_frames_are_well_formed_and_private(sort: int) -> None:
    advert = ble.foreign(generator(3, "foreign", sort), sort)
    assert len(advert.data) <= 31
    found = structures(advert.data)
    assert found.keys() & {0xFF, 0x16}, "neither manufacturer nor service data"
    assert advert.address[0] >> 6 == 0b01, "not a resolvable private address"
    assert UUID.replace("-", "") not in advert.data.hex()


def test_espresense_sighting() -> None:
    message = espresense.sighting("plaza", ble.ibeacon(ADDRESS, BEACON), -66.0, 1003, 7.321)
    assert message.topic == f"espresense/devices/iBeacon:{UUID}-1000-7/plaza"
    fields = body(message.payload)
    assert fields["id"] == f"iBeacon:{UUID}-1000-7"
    assert (fields["mac"], fields["rssi"], fields["rssi@1m"], fields["int"], fields["rssiVar"]) == ("4a0102030405", -66.0, -52, 1003, 7.32)
    assert fields["distance"] == 2.51  # 10 ** (14 / 35)
    assert "close" not in fields


def test_espresense_names_unknown_devices_by_address_and_says_close() -> None:
    message = espresense.sighting("plaza", ble.Advertisement(ADDRESS, b""), -40.0, 0, 0.0)
    assert message.topic == "espresense/devices/4a0102030405/plaza"
    assert body(message.payload)["close"] is True


def test_espresense_has_the_fields_of_captured_messages() -> None:
    captured = [line for line in shared_messages("espresense") if not line.get("negative")]
    sighting = espresense.sighting("n", ble.ibeacon(ADDRESS, BEACON), -60.0, 1, 1.0)
    telemetry = espresense.telemetry("n", espresense.Telemetry(1, 2, 3, 4))
    for ours, part in ((sighting, "/devices/"), (telemetry, "/rooms/")):
        theirs = [set(line["payload"]) for line in captured if part in line["topic"] and isinstance(line["payload"], dict)]
        assert theirs
        assert set(body(ours.payload)) in theirs


def test_minew_report() -> None:
    heard = [minew.Heard(AT_MS - 400, ble.ibeacon(ADDRESS, BEACON), -61.4), minew.Heard(AT_MS, ble.foreign(generator(1, "f"), 1), -80.0)]
    message = minew.report("AC233F00A001", AT_MS, heard)
    assert message.topic == "/gw/ac233f00a001/status"
    gateway, beacon, unknown = body(message.payload)
    assert (gateway["type"], gateway["mac"], gateway["timestamp"]) == ("Gateway", "AC233F00A001", "2026-11-02T11:00:00.123Z")
    assert beacon == {
        "timestamp": "2026-11-02T10:59:59.723Z",
        "type": "iBeacon",
        "mac": "4A0102030405",
        "bleName": "",
        "ibeaconUuid": "5A1E0000000040008000" + "0000000000FF",
        "ibeaconMajor": 1000,
        "ibeaconMinor": 7,
        "rssi": -61,
        "ibeaconTxPower": -52,
        "battery": 0,
    }
    assert unknown["type"] == "Unknown"
    assert structures(bytes.fromhex(unknown["rawData"]))[0xFF].startswith(b"\x06\x00")


def test_minew_has_the_fields_of_captured_messages() -> None:
    theirs: dict[str, set[str]] = {}
    for line in shared_messages("minew_gateway_json"):
        theirs |= {item["type"]: set(item) for item in line["payload"]}
    report = minew.report(
        "AC233F00A001", 0, [minew.Heard(0, ble.ibeacon(ADDRESS, BEACON), -61.0), minew.Heard(0, ble.Advertisement(ADDRESS, b"\x00"), -1.0)]
    )
    for item in body(report.payload):
        assert set(item) == theirs[item["type"]]


def test_ruuvi_relay() -> None:
    message = ruuvi.relay("C8:25:2D:00:CA:FE", ble.ibeacon(ADDRESS, BEACON), -70.2, AT_MS)
    assert message.topic == "ruuvi/C8:25:2D:00:CA:FE/4A:01:02:03:04:05"
    assert body(message.payload) == {
        "gw_mac": "C8:25:2D:00:CA:FE",
        "rssi": -70,
        "aoa": [],
        "gwts": "1793617200",
        "ts": "1793617200",
        "data": "0201061AFF4C0002155A1E00000000400080000000000000FF03E80007CC",
        "coords": "",
    }


def test_ruuvi_data_format_5_is_the_published_test_vector() -> None:
    # docs.ruuvi.com, data format 5, "valid data": 24.3 °C, 53.49 %, 100044 Pa, (4, -4, 1036) mG, 2977 mV, 4 dBm, 66, 205.
    state = ruuvi.TagState(24.3, 53.49, 100_044, (4, -4, 1036), 2977, 66, 205)
    advert = ruuvi.tag(bytes.fromhex("cbb8334c884f"), state)
    assert advert.data[:7].hex() == "0201061bff9904"
    assert advert.data[7:].hex() == "0512fc5394c37c0004fffc040cac364200cdcbb8334c884f"


def test_ruuvi_data_format_5_below_zero() -> None:
    data = structures(ruuvi.tag(ADDRESS, ruuvi.TagState(-12.345, 100.0, 101_325, (0, 0, -1000), 1600, 254, 65_534)).data)[0xFF][2:]
    assert int.from_bytes(data[1:3], signed=True) * 0.005 == pytest.approx(-12.345)
    assert int.from_bytes(data[3:5]) * 0.0025 == 100.0
    assert int.from_bytes(data[5:7]) + 50_000 == 101_325
    assert int.from_bytes(data[11:13], signed=True) == -1000
    power = int.from_bytes(data[13:15])
    assert (1600 + (power >> 5), (power & 31) * 2 - 40) == (1600, 4)
    assert (data[15], int.from_bytes(data[16:18]), data[18:]) == (254, 65_534, ADDRESS)


def test_owntracks_location() -> None:
    message = owntracks.location("street", "phone-0007", 52.52, 13.41056789, accuracy_m=4, at_ms=AT_MS, battery=88)
    assert message.topic == "owntracks/street/phone-0007"
    fields = body(message.payload)
    assert {name: fields[name] for name in ("_type", "lat", "lon", "acc", "tst", "tid", "batt")} == {
        "_type": "location",
        "lat": 52.52,
        "lon": 13.4105679,
        "acc": 4,
        "tst": 1_793_617_200,
        "tid": "07",
        "batt": 88,
    }


def test_zigbee2mqtt_climate() -> None:
    message = zigbee2mqtt.climate("arcade-climate", 21.456, 45.0, battery_pct=97, link_quality=120)
    assert message.topic == "zigbee2mqtt/arcade-climate"
    assert body(message.payload) == {"battery": 97, "humidity": 45.0, "linkquality": 120, "temperature": 21.46, "voltage": 2973}


@pytest.mark.parametrize(
    ("kind", "qos", "fields"),
    [
        ("sighting", 0, {"heard": [{"id": "iBeacon:x-1-4", "rssi": -61.5, "tx": -52}]}),
        ("reading", 0, {"readings": {"temperature": 12.35}}),
        ("count", 0, {"what": "people", "count": 3}),
        ("status", 0, {"state": "online", "uptime_s": 12, "battery": 87}),
        ("purchase", 1, {"amount_minor": 450, "category": "bar", "decision": None}),
        ("answer", 1, {"decision": "abc", "answer": "opened"}),
        (
            "consent",
            1,
            {
                "purposes": ["presence"],
                "version": 1,
                "expires_at_ms": None,
                "tags": ["t"],
                "codes": {"t": "ZBS2EJ5VTI7UCJ7Z"},
                "visits_month": {"bar": 2.0},
            },
        ),
    ],
)
def test_wayside_v1(kind: str, qos: int, fields: dict[str, object]) -> None:
    voice = wayside_v1.Encoder("street", "phone-0001", "b00t")
    said = {
        "sighting": lambda: voice.sighting(AT_MS, [("iBeacon:x-1-4", -61.46, -52)]),
        "reading": lambda: voice.reading(AT_MS, {"temperature": 12.345678}),
        "count": lambda: voice.count(AT_MS, "people", 3),
        "status": lambda: voice.status(AT_MS, uptime_s=12, battery=87),
        "purchase": lambda: voice.purchase(AT_MS, 450, "bar", None),
        "answer": lambda: voice.answer(AT_MS, "abc", "opened"),
        "consent": lambda: voice.consent(AT_MS, ["presence"], ["t"], {"bar": 2.0}),
    }
    voice.count(None, "people", 0)
    message = said[kind]()
    assert (message.topic, message.qos) == (f"wayside/v1/street/up/phone-0001/{kind}", qos)
    assert body(message.payload) == {"v": 1, "boot": "b00t", "seq": 1, "at_ms": AT_MS, **fields}


def test_a_withdrawal_tells_nothing_else() -> None:
    fields = body(wayside_v1.Encoder("street", "phone-0001", "b").consent(None, (), ["tag"], {"bar": 2.0}).payload)
    assert fields["purposes"] == []
    assert fields.keys() == {"v", "boot", "seq", "at_ms", "purposes", "version", "expires_at_ms"}


def test_minew_times_are_utc() -> None:
    stamp = body(minew.report("AC233F00A001", AT_MS, []).payload)[0]["timestamp"]
    assert datetime.fromisoformat(stamp).timestamp() * 1000 == pytest.approx(AT_MS)
    assert datetime.fromisoformat(stamp).tzinfo == UTC

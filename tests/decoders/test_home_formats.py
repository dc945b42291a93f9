"""Formats of homes and industry, where a file of cases would be too coarse: known answers and bounds.

`rtl_433`, `tasmota`, `frigate`, `homie` and `shelly_gen1` have no expected values in the shared data, so their messages
are compared field by field, by rules that are written independently of the decoders.
"""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.quantities import in_range
from gateway.core.types import Count, Message, Observation, Position, Reading, Sighting, Status
from gateway.decoders.conformance.wellformed import fault_of
from gateway.decoders.contract import DecodeError
from gateway.decoders.registry import load
from gateway.decoders.values.quantity_names import NamedQuantity, quantity_named
from gateway.decoders.values.text_payload import decimal_or_none
from gateway.decoders.values.units import UNITS, canonical_amount
from tests.decoders.expected import message_of
from tests.decoders.formats import cases_of
from tests.kit.shared import shared_messages

BINARY = ("senml_cbor", "sparkplug_b")


def _readings(observations: list[Observation]) -> list[tuple[str, str, float]]:
    return [(one.device, one.quantity, one.value) for one in observations if isinstance(one, Reading)]


# --- known answers ------------------------------------------------------------------------------
def test_the_rfc_example_of_xml_resolves_as_the_rfc_says() -> None:
    (line,) = shared_messages("senml_xml")
    readings = [one for one in load("senml_xml").decode(message_of(line)) if isinstance(one, Reading)]
    assert [(one.quantity, one.value) for one in readings] == [("voltage", 120.1), *(("current", 1.2 + n / 10) for n in range(6))]
    assert [one.at_ms for one in readings] == [1_276_020_076_001 - 1_000 * ago for ago in (0, 5, 4, 3, 2, 1, 0)]
    assert {one.device for one in readings} == {"urn:dev:ow:10e2073a0108006:voltage", "urn:dev:ow:10e2073a0108006:current"}


def test_a_thermometer_that_espresense_receives_is_a_sighting_with_readings() -> None:
    body = {"rssi": -70.5, "distance": 2.3, "temp": 22.4, "rh": 148, "mV": 2987}
    topic = "espresense/devices/miTherm:a4c138000001/bedroom"
    sighting, *readings = load("espresense").decode(Message(topic, json.dumps(body).encode(), 0))
    assert isinstance(sighting, Sighting)
    assert sighting.rssi_dbm == -70.5
    assert _readings(readings) == [(sighting.heard, "temperature", 22.4), (sighting.heard, "voltage", 2.987)]


def test_a_bluetooth_sensor_of_tasmota_is_its_address_and_is_sighted() -> None:
    body = {"LYWSD03a8e3c4": {"mac": "a4c138a8e3c4", "Temperature": 23.0, "RSSI": -97}, "BME280": {"Temperature": 21.0}}
    sighting, *readings = load("tasmota").decode(Message("tele/bridge/SENSOR", json.dumps(body).encode(), 0))
    assert sighting == Sighting("bridge", "a4c138a8e3c4", -97.0)
    assert _readings(readings) == [("a4c138a8e3c4", "temperature", 23.0), ("bridge/BME280", "temperature", 21.0)]


def test_objects_in_view_of_shelly_presence_are_no_passages() -> None:
    body = {"id": 200, "value": True, "num_objects": 2}
    found = load("shelly_gen2_rpc").decode(Message("shellypresence-aabbcc000001/status/presencezone:200", json.dumps(body).encode(), 0))
    assert [(quantity, value) for _, quantity, value in _readings(found)] == [("occupancy", 1.0)]
    assert [(one.count, one.kind, one.direction) for one in found if isinstance(one, Count)] == [(2, "present", None)]


@pytest.mark.parametrize(
    "place", [{"latitude": 45.2, "longitude": -93.1}, {"latitude": 0, "longitude": 0}, {"latitude": 91, "longitude": 1}]
)
def test_a_tracker_states_its_position_only_with_a_fix(place: dict[str, float]) -> None:
    body = {"deviceInfo": {"devEui": "a5cee980b0352837"}, "object": {"decoded": {"payload": {**place, "temp": -10.5}}}}
    found = load("chirpstack_v4").decode(Message("application/1/device/a5cee980b0352837/event/up", json.dumps(body).encode(), 0))
    assert [one for one in found if isinstance(one, Position)] == [Position("a5cee980b0352837", 45.2, -93.1)] * (place["latitude"] == 45.2)


def test_all_entries_of_a_normalized_payload_are_read_at_their_own_times() -> None:
    entries = [
        {"time": "2024-07-05T15:00:00Z", "air": {"temperature": 19.0}},
        {"soil": {"temperature": 12.0}, "battery": 3.6, "action": {"motion": {"detected": True, "count": 5}}},
    ]
    body = {"received_at": "2024-07-05T16:16:30Z", "end_device_ids": {"dev_eui": "2CF7F1C000000079"},
            "uplink_message": {"normalized_payload": entries}}  # fmt: skip
    found = load("ttn_v3").decode(Message("v3/app@ttn/devices/a/up", json.dumps(body).encode(), 0))
    assert [(one.quantity, one.value, one.at_ms) for one in found if isinstance(one, Reading)] == [
        ("temperature", 19.0, 1_720_191_600_000),
        ("probe_temperature", 12.0, 1_720_196_190_000),
        ("voltage", 3.6, 1_720_196_190_000),
        ("occupancy", 1.0, 1_720_196_190_000),
    ]


def test_one_pack_says_the_same_in_json_and_cbor() -> None:
    (in_cbor,) = shared_messages("senml_cbor")
    in_json = next(
        line for line in shared_messages("senml_json") if f"/{in_cbor['expected']['same_as']}" in line["source"].replace(":", "/")
    )
    from_json, from_cbor = load("senml_json").decode(message_of(in_json)), load("senml_cbor").decode(message_of(in_cbor))
    assert from_cbor == from_json
    assert sum(isinstance(one, Position) for one in from_json) == 4


def test_rtl_433_values_are_found() -> None:
    compared = 0
    for line in shared_messages("rtl_433"):
        sent = line["payload"]
        readings = {quantity: value for _, quantity, value in _readings(load("rtl_433").decode(message_of(line)))}
        for field, quantity, factor in (
            ("temperature_C", "temperature", 1.0),
            ("humidity", "humidity", 1.0),
            ("wind_avg_mi_h", "wind_speed", 1_609.344 / 3_600),
            ("rain_in", "rain_total", 25.4),
        ):
            if field in sent:
                assert readings[quantity] == pytest.approx(sent[field] * factor), (line["id"], field)
                compared += 1
    assert compared >= 10


_TASMOTA = {"Humidity": "humidity", "Pressure": "pressure", "Illuminance": "illuminance", "CarbonDioxide": "co2"}


def test_tasmota_values_are_found() -> None:
    compared = 0
    for line in shared_messages("tasmota"):
        sent = line["payload"].get("StatusSNS", line["payload"])
        values = {(device.rpartition("/")[2], quantity): value for device, quantity, value in _readings(_decoded("tasmota", line))}
        for sensor, row in sent.items():
            if not isinstance(row, dict):
                continue
            for key, quantity in _TASMOTA.items():
                if key in row:
                    assert values[sensor, quantity] == row[key], line["id"]
                    compared += 1
            if isinstance(row.get("Temperature"), float) and sensor != "MLX90640":
                celsius = (row["Temperature"] - 32) / 1.8 if sent.get("TempUnit") == "F" else row["Temperature"]
                assert values[sensor, "temperature"] == pytest.approx(celsius), line["id"]
                compared += 1
    assert compared >= 15


def test_tasmota_meters_and_tags_are_found() -> None:
    lines = [(line, _decoded("tasmota", line)) for line in shared_messages("tasmota")]
    metered = [
        (line["payload"], found) for line, found in lines if "ENERGY" in json.dumps(line["payload"]) or "Yesterday" in line["payload"]
    ]
    assert metered
    for sent, found in metered:
        row = sent.get("StatusSNS", sent).get("ENERGY", sent)
        values = {quantity: value for _, quantity, value in _readings(found)}
        assert (values["energy"], values["power"], values["voltage"]) == (row["Total"], row["Power"], row["Voltage"])
    tags = [found for line, found in lines if "IBEACON" in line["payload"]]
    assert tags
    assert all(isinstance(one, Sighting) and len(one.heard) == 12 for found in tags for one in found)


def _decoded(form: str, line: dict[str, Any]) -> list[Observation]:
    return load(form).decode(message_of(line))


def test_shelly_voltages_and_powers_are_found() -> None:
    compared = 0
    for line in shared_messages("shelly_gen2_rpc"):
        sent = line["payload"]
        rows = sent.get("params", sent) if isinstance(sent, dict) else {}
        components = [row for row in [rows, *rows.values()] if isinstance(row, dict)] if isinstance(rows, dict) else []
        readings = [(quantity, value) for _, quantity, value in _readings(_decoded("shelly_gen2_rpc", line))]
        for row, (field, quantity) in itertools.product(components, (("voltage", "voltage"), ("apower", "power"), ("act_power", "power"))):
            if field in row:
                assert (quantity, row[field]) in readings, line["id"]
                compared += 1
    assert compared >= 8


def test_homie_states_and_values_are_found() -> None:
    kept = {line["topic"]: _decoded("homie", line) for line in shared_messages("homie")}
    assert kept["homie/5/super-car/engine/temperature"] == [Reading("super-car/engine", "temperature", 21.5)]
    assert kept["homie/5/super-car/$state"] == [Status("super-car", "init")]
    assert all(not found for topic, found in kept.items() if "/$" in topic and not topic.endswith(("$state", "uptime")))


# --- privacy ------------------------------------------------------------------------------------
def test_frigate_keeps_nothing_of_who_was_seen() -> None:
    """Messages hold names, faces and number plates, observations none of them."""
    told = [one for line in shared_messages("frigate") for one in _decoded("frigate", line)]
    assert told
    assert all(isinstance(one, (Status, Count)) for one in told)
    words = json.dumps([str(one) for one in told])
    assert not [secret for secret in ("John", "Bob", "ABC12345", "123ABC", "delivery", "mxklsc", "helmet") if secret in words]


# --- bounds -------------------------------------------------------------------------------------
@pytest.mark.parametrize("form", BINARY)
def test_large_payloads_are_refused_unread(form: str) -> None:
    message = next(case.message for case in cases_of(form) if isinstance(case.expected, list))
    with pytest.raises(DecodeError) as refusal:
        load(form).decode(Message(message.topic, message.payload * 4_000, 0))
    assert refusal.value.reason == "too_large"


def test_a_long_pack_of_plain_values_is_read_and_nested_keys_are_not() -> None:
    """Keys that share one hash cost the square of their number, so long payloads may hold plain ones only."""
    record = bytes.fromhex("a30066613a74656d70016343656c0214")
    plain = b"\x99\x01\x90" + record * 400
    assert len(load("senml_cbor").decode(Message("", plain, 0))) == 400
    keys = [b"\x8c" + bytes(signs) for signs in itertools.islice(itertools.product((0x20, 0x21), repeat=12), 4_000)]
    nested = b"\x81\xb9\x0f\xa0" + b"".join(key + b"\x00" for key in keys)
    with pytest.raises(DecodeError) as refusal:
        load("senml_cbor").decode(Message("", nested, 0))
    assert refusal.value.reason == "wrong_shape"


@pytest.mark.parametrize("form", BINARY)
@settings(max_examples=300)
@given(data=st.data())
def test_bytes_bent_in_several_places(form: str, data: st.DataObject) -> None:
    """Binary formats have no JSON to change: bytes are exchanged, dropped and doubled instead."""
    case = data.draw(st.sampled_from(cases_of(form)))
    payload = bytearray(case.message.payload)
    draw = random.Random(data.draw(st.integers(0, 2**32)))  # noqa: S311 - to be repeated, not to be secret
    for _ in range(draw.randrange(1, 6)):
        place = draw.randrange(len(payload) + 1)
        payload[place : place + draw.randrange(3)] = draw.randbytes(draw.randrange(4))
    try:
        observations = load(form).decode(Message(case.message.topic, bytes(payload), 0))
    except DecodeError:
        return
    assert [fault_of(one) for one in observations] == [None] * len(observations)


@pytest.mark.parametrize("depth", [2, 5, 29])
def test_xml_may_nest_as_it_likes_and_says_no_more(depth: int) -> None:
    inner = "<a>" * depth + "</a>" * depth
    payload = f'<sensml xmlns="urn:ietf:params:xml:ns:senml"><senml n="a:temp" u="Cel" v="21.5">{inner}</senml></sensml>'
    assert load("senml_xml").decode(Message("", payload.encode(), 0)) == [Reading("a:temp", "temperature", 21.5)]


# --- names, numbers and units -------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Temperature", NamedQuantity("temperature")),
        ("Outdoor Temperature", NamedQuantity("temperature")),
        ("temp_f", NamedQuantity("temperature", "°F")),
        ("windSpeed_km_h", NamedQuantity("wind_speed", "km/h")),
        ("wind-speed-kmh", NamedQuantity("wind_speed", "km/h")),
        ("PM2.5", NamedQuantity("pm2_5")),
        ("CO2", NamedQuantity("co2")),
        ("Battery Level", NamedQuantity("battery")),
        ("target_temperature", None),
        ("temperature_alarm", None),
        ("temperature of the cat", None),
        ("x" * 61, None),
        ("", None),
        ("½", None),
    ],
)
def test_names(name: str, meant: NamedQuantity | None) -> None:
    assert quantity_named(name) == meant


@pytest.mark.parametrize(
    ("quantity", "value", "unit", "amount"),
    [
        ("temperature", 50.9, "°F", 10.5),
        ("temperature", 300.15, "K", 27.0),
        ("pressure", 101.325, "kPa", 1_013.25),
        ("pressure", 29.92, "inHg", 1_013.207),
        ("wind_speed", 36, "km/h", 10.0),
        ("wind_speed", 10, "kn", 5.144444444),
        ("energy", 3_600_000, "J", 1.0),
        ("precipitation", 0.1, "in/h", 2.54),
        ("switch", True, None, 1.0),
        ("temperature", True, None, None),
        ("temperature", 20, "hPa", None),
        ("temperature", 20, "furlong", None),
        ("temperature", -999, None, None),
        ("humidity", 65_535, None, None),
        ("humidity", float("nan"), None, None),
        ("humidity", "40", None, None),
        ("mood", 1, None, None),
    ],
)
def test_units(quantity: str, value: object, unit: str | None, amount: float | None) -> None:
    found = canonical_amount(quantity, value, unit)
    assert found == (None if amount is None else pytest.approx(amount, rel=1e-5))


@given(
    st.sampled_from(["temperature", "humidity", "pressure", "energy", "level", "wind_speed"]), st.sampled_from(sorted(UNITS)), st.floats()
)
def test_an_amount_is_possible_or_none(quantity: str, unit: str, value: float) -> None:
    amount = canonical_amount(quantity, value, unit)
    assert amount is None or in_range(quantity, amount)


@pytest.mark.parametrize("stated", ["21.5", "-3", "+4.", "1e3", "0", "1.276020076001e+09"])
def test_numbers(stated: str) -> None:
    assert decimal_or_none(stated) == float(stated)


@pytest.mark.parametrize("stated", ["", "nan", "inf", "1_000", "٣", "0x10", "1e", ".", "21,5", "1 2", "9" * 41, "1e9999", "--1"])
def test_what_is_no_number(stated: str) -> None:
    assert decimal_or_none(stated) is None

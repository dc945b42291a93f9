"""The bytes of LoRaWAN sensors: recognised only where they tell what they are, read fully where the model is named."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.types import Count, Position, Reading
from gateway.decoders.cayenne_lpp import decode_cayenne_lpp
from gateway.decoders.sensor_payloads import decode_payload
from gateway.decoders.wellformed import fault_of
from tests.kit.shared import shared_messages

DEVICE = "24e124136b000001"
# What ThingsBoard's converters call it -> our quantity and the factor between their unit and ours.
_NAMES: dict[str, tuple[str, float]] = {
    "air_humidity": ("humidity", 1),
    "relative_humidity": ("humidity", 1),
    "air_temperature": ("temperature", 1),
    "temperature": ("temperature", 1),
    "wind_speed": ("wind_speed", 1),
    "wind_direction": ("wind_direction", 1),
    "solar_radiation": ("solar_radiation", 1),
    "atmospheric_pressure": ("pressure", 10),
    "battery_voltage": ("voltage", 1),
}
_MODELS = ("DL-RHC", "DL-DS18", "DL-ATM22", "DL-ATM41")


def _decentlab(form: str) -> list[dict[str, Any]]:
    return [line for line in shared_messages(form) if line.get("device") in _MODELS]


@pytest.mark.parametrize("form", ["chirpstack_v4", "actility_thingpark"])
def test_real_decentlab_frames_with_their_model_named(form: str) -> None:
    lines = _decentlab(form)
    assert {line["device"] for line in lines} == set(_MODELS)
    for line in lines:
        said = line["payload"]
        payload = base64.b64decode(said["data"]) if "data" in said else bytes.fromhex(said["DevEUI_uplink"]["payload_hex"])
        found = {one.quantity: one.value for one in decode_payload(payload, 1, DEVICE, None, line["device"]) if isinstance(one, Reading)}
        values = line["expected"]["thingsboard_decode"]["telemetry"][0]["values"]
        expected = {_NAMES[name][0]: value * _NAMES[name][1] for name, value in values.items() if name in _NAMES}
        assert found == pytest.approx(expected), line["id"]


@pytest.mark.parametrize(
    ("port", "payload", "quantities"),
    [
        pytest.param(85, "01755c03673401046865", ["battery", "temperature", "humidity"], id="Milesight on its port"),
        pytest.param(7, "01755c03673401046865", [], id="Milesight on another port"),
        pytest.param(None, "03673401046865", [], id="Milesight without a port: as Cayenne 1331 degrees"),
        pytest.param(5, "0100e20229", ["temperature", "humidity"], id="Elsys"),
        pytest.param(85, "0100e20229", ["temperature", "humidity"], id="Elsys on a port that was set"),
        pytest.param(5, "046700c8", ["temperature"], id="Cayenne where Elsys speaks"),
        pytest.param(1, "02023d0003815e0c15", ["voltage"], id="Decentlab without its model"),
        pytest.param(1, "02023d0003815e3c15", [], id="Decentlab with a battery of 15 V"),
        pytest.param(1, "02023d0000815e0c15", [], id="Decentlab without a part"),
        pytest.param(1, "03023d0003815e0c15", [], id="Decentlab of another version"),
        pytest.param(2, "a86661", [], id="a parking sensor that looks like Cayenne"),
        pytest.param(85, "", [], id="nothing"),
        pytest.param(85, "0175", [], id="cut off behind the type"),
        pytest.param(85, "01", [], id="cut off behind the channel"),
        pytest.param(85, "017563" * 100, [], id="longer than LoRaWAN carries"),
    ],
)
def test_a_format_is_recognised_by_port_and_form(port: int | None, payload: str, quantities: list[str]) -> None:
    found = decode_payload(bytes.fromhex(payload), port, DEVICE, 7)
    assert [one.quantity for one in found if isinstance(one, Reading)] == quantities
    assert {one.at_ms for one in found if isinstance(one, Reading)} <= {7}


def test_people_counters_of_milesight() -> None:
    found = decode_payload(bytes.fromhex("05cc030002000dcc2c012b0108cc010004000fe301000200"), 85, DEVICE, None)
    assert [(one.what, one.count) for one in found if isinstance(one, Count)] == [
        ("people_in", 3),
        ("people_out", 2),
        ("people_in_total", 300),
        ("people_out_total", 299),
        ("people_in_line_2", 1),
        ("people_out_line_2", 4),
        ("people_region_1", 1),
        ("people_region_2", 0),
        ("people_region_3", 2),
        ("people_region_4", 0),
    ]


def test_every_type_of_cayenne() -> None:
    payload = bytes.fromhex("000001010100020200640302006404650140056601066700ff0768640871000100020003097327940a86000100020003")
    found = decode_cayenne_lpp(payload + bytes.fromhex("0b8806765ff2960a0003e8"), DEVICE, None)
    assert found == [
        Reading(DEVICE, "illuminance", 320),
        Reading(DEVICE, "occupancy", 1),
        Reading(DEVICE, "temperature", 25.5),
        Reading(DEVICE, "humidity", 50),
        Reading(DEVICE, "pressure", 1013.2),
        Position(DEVICE, 42.3519, -87.9094),
    ]


@pytest.mark.parametrize(
    "payload", ["", "01", "0167", "016701", "01ff00", "0168c9", "01880fffff0000000000ff", "0167000a0167000a", "00" * 243]
)
def test_what_is_no_cayenne(payload: str) -> None:
    assert decode_cayenne_lpp(bytes.fromhex(payload), DEVICE, None) is None


@given(st.binary(max_size=260), st.none() | st.sampled_from([1, 2, 5, 85]), st.none() | st.sampled_from([*_MODELS, "x"]))
def test_any_bytes_give_possible_observations(payload: bytes, port: int | None, model: str | None) -> None:
    found = decode_payload(payload, port, DEVICE, None, model)
    assert [fault_of(one) for one in found] == [None] * len(found)

"""Payloads of LoRaWAN sensors: recognised only in self-describing formats, read in full where the model is named."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.types import Count, Position, Reading
from gateway.decoders.conformance.wellformed import fault_of
from gateway.decoders.lorawan.cayenne_lpp import decode_cayenne_lpp
from gateway.decoders.lorawan.payloads import decode_payload
from gateway.decoders.values.people import people
from tests.kit.shared import shared_messages

DEVICE = "24e124136b000001"
# ThingsBoard's name of a value -> our quantity and the factor between the units.
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
# The makers' own example frames of further models (their decoders print the same values).
_EXAMPLES: dict[str, tuple[str, dict[str, float]]] = {
    "dl-sht35": ("02030e000364a079b10c60", {"temperature": 23.788, "humidity": 47.536, "voltage": 3.168}),
    "DL-PM": (
        "021b50000f0c25002500270027002701f50107012c012d012d012d67bd618dbd10",
        {"voltage": 3.109, "pm1": 3.7, "pm2_5": 3.9, "pm10": 3.9, "temperature": 24.357, "humidity": 41.633, "pressure": 968},
    ),
    "DL-IAM": (
        "020bbd007f0b926a515d48bc4e0262006981c7000093d4000b0111",
        {"voltage": 2.962, "temperature": 27.678, "humidity": 36.438, "pressure": 964.12, "co2": 455},
    ),
    "DL-IAM without its carbon dioxide": (
        "020bbd006f0b926a515d48bc4e02620069000b0111",
        {"voltage": 2.962, "temperature": 27.678, "humidity": 36.438, "pressure": 964.12},
    ),
    "DL-LP8P": (
        "020578000f67bd618d1cedbd1081d981f4895b0bd80bb50000959895390c25",
        {"temperature": 24.357, "humidity": 41.633, "pressure": 968, "co2": 473, "voltage": 3.109},
    ),
    "DL-ATM41G2": (
        "025ef80003805c000080008000803484b3803680e78086a60181d680ed81c9809f8000117000010adc",
        {"solar_radiation": 9.2, "rain_total": 70, "wind_speed": 0.52, "wind_direction": 120.3, "temperature": 23.1}
        | {"pressure": 972.9, "humidity": 47, "voltage": 2.78},
    ),
    "DL-MBX": ("02012f000304d200010bb1", {"distance": 1.234, "voltage": 2.993}),
    "DL-LID": ("0211c90003119b117611bc119e118a119411a811a81194006401990abd", {"distance": 4.507, "voltage": 2.749}),
    "DL-5TM": ("02023b0003003702710c60", {"probe_temperature": 22.5, "voltage": 3.168}),
    "DL-PR26": ("02016700033e8060170c7f", {"probe_temperature": 25.671875, "voltage": 3.199}),
    "DL-RHC of another length": ("02023b0003003702710c60", {"voltage": 3.168}),
    "nobody's, and a battery that is not the last": ("020bbd007f0b926a515d48bc4e0262006981c7000093d4000b0bb8", {}),
}


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


@pytest.mark.parametrize("name", _EXAMPLES)
def test_decentlabs_own_examples(name: str) -> None:
    frame, expected = _EXAMPLES[name]
    found = decode_payload(bytes.fromhex(frame), 1, DEVICE, None, name.partition(" ")[0])
    assert {one.quantity: one.value for one in found if isinstance(one, Reading)} == pytest.approx(expected, abs=1e-3)


def test_the_channels_and_depths_of_one_device_are_its_parts() -> None:
    pulses = decode_payload(bytes.fromhex("02198f0007000402580bf0000100000258dece00000c33"), 1, DEVICE, None, "DL-DLR2-010")
    assert pulses == [
        Count(DEVICE, "pulses", 4),
        Reading(DEVICE, "tally", 68_592),
        Count(f"{DEVICE}/2", "pulses", 0),
        Reading(f"{DEVICE}/2", "tally", 57_038),
        Reading(DEVICE, "voltage", 3.123),
    ]
    frame = "020b50000309018a8c09438a9809278a920b3c8aa50c9c8a8c11e08aa500000000000000000b3b"
    soil = decode_payload(bytes.fromhex(frame), 1, DEVICE, None, "DL-SMTP")
    assert [one.device for one in soil if isinstance(one, Reading)] == [DEVICE, *(f"{DEVICE}/{depth}" for depth in range(2, 7)), DEVICE]
    leaning = decode_payload(bytes.fromhex("03d4000001005046"), 85, DEVICE, None)
    assert [(one.device, one.value) for one in leaning if isinstance(one, Reading)] == [
        (DEVICE, 0),
        (f"{DEVICE}/2", 0),
        (f"{DEVICE}/3", 90),
    ]


@pytest.mark.parametrize(
    ("port", "payload", "quantities"),
    [
        pytest.param(85, "01755c03673401046865", ["battery", "temperature", "humidity"], id="Milesight on its port"),
        pytest.param(7, "01755c03673401046865", [], id="Milesight on another port"),
        pytest.param(None, "03673401046865", [], id="Milesight without a port: as Cayenne 1331 degrees"),
        pytest.param(5, "0100e20229", ["temperature", "humidity"], id="Elsys"),
        pytest.param(85, "0100e20229", ["temperature", "humidity"], id="Elsys on a port that was set"),
        pytest.param(5, "0d0112000b000001001900ff", ["input", "leak", "tally", "probe_temperature"], id="Elsys' inputs, pulses and probes"),
        pytest.param(85, "037b0a00058e00060101070100", ["gauge_pressure", "gas_alarm", "switch", "switch"], id="Milesight's pipes and gas"),
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
    assert found == [
        people(DEVICE, 3, "passed", "in"),
        people(DEVICE, 2, "passed", "out"),
        people(DEVICE, 300, "total", "in"),
        people(DEVICE, 299, "total", "out"),
        people(f"{DEVICE}/line-2", 1, "passed", "in"),
        people(f"{DEVICE}/line-2", 4, "passed", "out"),
        *(people(f"{DEVICE}/region-{region}", count, "present") for region, count in enumerate((1, 0, 2, 0), 1)),
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

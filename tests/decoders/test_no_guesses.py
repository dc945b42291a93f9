"""Values that sensors did not measure: guesses from bytes, error frames, and units that nothing states."""

from __future__ import annotations

import pytest

from gateway.core.types import Count, Observation, Reading
from gateway.decoders.bluetooth.frames import frame_of
from gateway.decoders.bluetooth.other_brands import decode as decode_other_brands
from gateway.decoders.lorawan.payloads import decode_payload
from gateway.decoders.lorawan.uplink import Uplink, uplink_observations
from gateway.decoders.values.decoded_objects import observations_in

DEVICE = "24e124aabbccdd01"


def _values(observations: list[Observation]) -> dict[str, float]:
    return {one.quantity: one.value for one in observations if isinstance(one, Reading)}


@pytest.mark.parametrize(
    ("payload", "model", "values"),
    [
        pytest.param("017564055b0501", "WS302", {"battery": 100}, id="an unknown entry ends the list of a named model"),
        pytest.param("017564055b0501", None, {}, id="without the model it means another layout"),
        pytest.param("0498b80b00000000", "CT101", {}, id="not an illuminance of Elsys"),
        pytest.param("0a0001", "WT101", {}, id="not pulses of Elsys"),
        pytest.param("03670000046aff", None, {}, id="without the model nothing of a list that is not whole"),
        pytest.param("0175ff03671401", None, {}, id="without the model every value must be possible"),
        pytest.param("0175ff03671401", "EM300-TH", {"temperature": 27.6}, id="with the model an impossible one is a missing sensor"),
        pytest.param("07c9a800", "WS513", {"current": 0.168}, id="milliamperes of a plug"),
    ],
)
def test_milesights_port(payload: str, model: str | None, values: dict[str, float]) -> None:
    found = decode_payload(bytes.fromhex(payload), 85, DEVICE, None, model)
    assert _values(found) == values
    assert not [one for one in found if isinstance(one, Count)]


@pytest.mark.parametrize(
    ("payload", "model", "values"),
    [
        ("030001", "WS301", {"contact": 0}),
        ("030001", "Milesight WS301", {"contact": 0}),
        ("060000", "EM300-MCS", {"contact": 1}),
        ("050001", "EM300-ZLD", {"leak": 1}),
        ("030001", "VS340", {"occupancy": 1}),
        ("050001", "AM308", {"occupancy": 1}),
        ("030001", "WS999", {"input": 1}),
        ("030001", None, {"input": 1}),
    ],
)
def test_the_model_decides_what_an_input_is(payload: str, model: str | None, values: dict[str, float]) -> None:
    assert _values(decode_payload(bytes.fromhex(payload), 85, DEVICE, None, model)) == values


def test_elsys_on_another_port_needs_the_model() -> None:
    assert decode_payload(bytes.fromhex("0502"), 85, DEVICE, None) == []
    assert decode_payload(bytes.fromhex("0502"), 9, DEVICE, None, "ERS") == [Count(DEVICE, "motions", 2, None)]


@pytest.mark.parametrize(("state", "occupancy"), [(0, 0.0), (1, 1.0), (2, 1.0)])
def test_occupancy_of_elsys(state: int, occupancy: float) -> None:
    assert _values(decode_payload(bytes((0x11, state)), 5, DEVICE, None)) == {"occupancy": occupancy}


@pytest.mark.parametrize("model", ["ATM22", "DL-ATM22", "dl-atm22"])
def test_decentlabs_models_with_and_without_prefix(model: str) -> None:
    payload = bytes.fromhex("02023d0003" + "8064" + "8b00" + "8000" + "8108" + "8000" * 4 + "0c15")
    assert _values(decode_payload(payload, 1, DEVICE, None, model))["temperature"] == 26.4


def test_bytes_add_only_what_the_object_lacks() -> None:
    sent = bytes.fromhex("01756403824408" + "030001")
    named = Uplink(DEVICE, None, {"battery": 92, "distance": 2116, "magnet_status": "open"}, sent, 85, model="EM310-UDL")
    assert _values(uplink_observations(named)) == {"battery": 92, "contact": 0, "distance": 2.116}
    assert _values(uplink_observations(named._replace(model=None))) == {"battery": 92, "contact": 0}
    assert _values(uplink_observations(named._replace(model=None, decoded={"unknown": 1}))) == {}


@pytest.mark.parametrize(
    ("decoded", "values"),
    [
        ({"door": "open"}, {"contact": 0}),
        ({"magnet_status": "close"}, {"contact": 1}),
        ({"leakage_status": "leak"}, {"leak": 1}),
        ({"pir": "trigger"}, {"occupancy": 1}),
        ({"socket_status": "off"}, {"switch": 0}),
        ({"door": "ajar"}, {}),
        ({"occupancy": 2}, {"occupancy": 1}),
        ({"occupancy": 0, "motion": 1}, {"occupancy": 0}),
        ({"motion": 1}, {"occupancy": 1}),
        ({"current": 168}, {}),
        ({"current_mA": 168}, {"current": 0.168}),
        ({"distance": 2116}, {}),
        ({"soil": {"temperature": 12.5}}, {"probe_temperature": 12.5}),
        ({"air": {"temperature": 12.5}}, {"temperature": 12.5}),
        ({"rainfall_total": 1.23}, {"rain_total": 1.23}),
        ({"messages": [{"measurementId": 4097, "measurementValue": 21.4}, {"measurementId": "4101", "measurementValue": 99660}]},
         {"temperature": 21.4, "pressure": 996.6}),
        ({"messages": [[{"measurementId": "3000", "measurementValue": 86}], 7]}, {"battery": 86}),
        ({"messages": [{"measurementId": "9" * 5_000, "measurementValue": 86}, {"measurementId": [4097]}]}, {}),
    ],
)  # fmt: skip
def test_objects_of_decoder_scripts(decoded: object, values: dict[str, float]) -> None:
    assert _values(observations_in(DEVICE, decoded, None)) == values


@pytest.mark.parametrize("rows", [("c2f1001d022c",), ("c2f1001d022c", "c2e1001d022c")])
def test_of_several_collected_values_none_is_current(rows: tuple[str, ...]) -> None:
    structures = b"".join(bytes((7, 0xFF)) + bytes.fromhex(row) for row in rows) + bytes((13, 9)) + b"TP357 (2142)"
    frame = frame_of(structures)
    parsed = decode_other_brands(frame, {})
    found = None if parsed is None else [(one.quantity, one.value) for one in parsed.readings]
    assert found == (None if len(rows) > 1 else [("temperature", 24.1), ("humidity", 29.0), ("battery", 100.0)])

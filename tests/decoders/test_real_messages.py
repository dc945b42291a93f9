"""Real messages of the formats, collected from their publishers and from live devices (shared data).

Each is decoded, or refused where it is marked so, and the values that its source states are found in our observations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.core.quantities import in_range
from gateway.core.types import Observation, Position, Reading, Sighting, Status
from gateway.decoders.bluetooth.beacons import ibeacon
from gateway.decoders.bluetooth.ruuvi import decode_ruuvi
from gateway.decoders.conformance.wellformed import fault_of
from gateway.decoders.contract import DecodeError
from gateway.decoders.registry import by_topic, load
from tests.decoders.expected import message_of
from tests.decoders.expected_ble import CUT_OFF
from tests.decoders.formats import COLLECTED, UNCOLLECTED
from tests.kit.shared import shared_messages, shared_path

# Topics that do not identify the format: it has to be configured, or another decoder reads them equally well.
_AMBIGUOUS: dict[str, str] = {
    "shellies/plus1pm/online": "both generations say so in the same words, and the first one's decoder reads it alike",
    "shellyplus1-441793ab3fb4/status": "a filter would take the status of every other product as well",
}


def _decoded(form: str) -> list[tuple[dict[str, Any], list[Observation]]]:
    decoder = load(form)
    return [(line, decoder.decode(message_of(line))) for line in shared_messages(form) if not line.get("negative")]


@pytest.mark.parametrize("form", COLLECTED)
def test_each_is_decoded_or_refused_as_marked(form: str) -> None:
    lines = shared_messages(form)
    assert lines
    decoder = load(form)
    wrong: list[str] = []
    for line in lines:
        try:
            faults = [fault for one in decoder.decode(message_of(line)) if (fault := fault_of(one))]
        except DecodeError as error:
            if not line.get("negative") and line["id"] not in CUT_OFF:
                wrong.append(f"{line['id']}: refused: {error}")
            continue
        if line.get("negative"):
            wrong.append(f"{line['id']}: must be refused")
        wrong += [f"{line['id']}: {fault}" for fault in faults]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("form", COLLECTED)
def test_their_topics_tell_the_format(form: str) -> None:
    decoder = load(form)
    if not decoder.topics:
        return  # without default topics
    topics = {line["topic"] for line in shared_messages(form) if line["topic"]} - set(_AMBIGUOUS)
    assert [topic for topic in topics if by_topic(topic) is not decoder] == []


def test_formats_without_captured_messages_are_known() -> None:
    folder = shared_path("data/messages")
    assert [form for form in UNCOLLECTED if (folder / f"{form}.jsonl").exists()] == []


def test_owntracks_positions() -> None:
    for line, observations in _decoded("owntracks"):
        sent = line["payload"]
        if sent["_type"] in ("location", "transition") and "lat" in sent:
            (position,) = observations
            assert isinstance(position, Position)
            assert (position.latitude_deg, position.longitude_deg) == (sent["lat"], sent["lon"])
            assert position.at_ms == int(sent["tst"]) * 1_000
        else:
            assert observations == []


def test_espresense_rooms_ids_and_distances() -> None:
    for line, (observation,) in _decoded("espresense"):
        expected = line["expected"]
        room = expected.get("room") or expected["node_id"]
        if isinstance(observation, Status):
            assert observation.device == room
            continue
        assert isinstance(observation, Sighting)
        assert observation.hearer == room
        assert observation.heard == expected.get("id", line["payload"]["id"])
        assert observation.distance_m == expected["distance"]
        assert observation.rssi_dbm == line["payload"]["rssi"]


def test_minew_beacons() -> None:
    for line, observations in _decoded("minew_gateway_json"):
        sightings = [one for one in observations if isinstance(one, Sighting)]
        assert sum(one.heard.startswith("iBeacon:") for one in sightings) == line["expected"]["n_beacons"]
        if "gateway_mac" in line["expected"]:
            assert {one.hearer for one in sightings} == {line["expected"]["gateway_mac"].lower()}


def test_zigbee2mqtt_devices() -> None:
    for line, observations in _decoded("zigbee2mqtt"):
        assert {one.device for one in observations if isinstance(one, (Reading, Status))} == {line["expected"]["device"]}


def test_ruuvi_gateway_tags_and_its_own_decoding() -> None:
    for line, observations in _decoded("ruuvi_gateway"):
        data = line["payload"].get("data")
        tags = data["tags"] if isinstance(data, dict) else {}
        heard = {one.heard for one in observations if isinstance(one, Sighting)}
        assert heard >= {mac.replace(":", "").lower() for mac in tags}
        readings = {(one.device, one.quantity): one.value for one in observations if isinstance(one, Reading)}
        for mac, tag in tags.items():
            for quantity in ("temperature", "humidity", "voltage"):
                if quantity in tag:
                    assert readings[mac.replace(":", "").lower(), quantity] == pytest.approx(tag[quantity])


def _first_number(text: Any) -> float | None:
    """`24.3` of `"24.3 C"`, and `None` of the specification's `"NAN"`."""
    if text is None or str(text).lower() == "nan":
        return None
    return float(str(text).split(maxsplit=1)[0])


_STATED: dict[str, tuple[tuple[str, ...], Callable[[float], float]]] = {
    "temperature": (("temperature", "Temperature"), lambda value: value),
    "humidity": (("humidity", "Humidity"), lambda value: value),
    "pressure": (("pressure", "Pressure"), lambda value: value / 100 if value > 2_000 else value),
    "voltage": (("Voltage", "battery"), lambda value: value / 1_000 if value > 100 else value),
    "co2": (("co2",), lambda value: value),
    "pm2_5": (("pm_2_5",), lambda value: value),
    "voc_index": (("voc",), lambda value: value),
    "nox_index": (("nox",), lambda value: value),
    "illuminance": (("luminosity",), lambda value: value),
}


def test_ruuvi_measurements() -> None:
    compared = 0
    for line in shared_messages("ruuvi_mfgdata"):
        ruuvi = decode_ruuvi(bytes.fromhex(line["payload_hex"]))
        if ruuvi is None:
            continue  # a documented vector of format C5 that begins with 5, for which it is too short
        readings = {one.quantity: one.value for one in ruuvi.readings}
        for quantity, (names, convert) in _STATED.items():
            stated = next((_first_number(line["expected"][name]) for name in names if name in line["expected"]), None)
            if stated is not None and in_range(quantity, convert(stated)):
                assert readings[quantity] == pytest.approx(convert(stated), rel=1e-3), (line["id"], quantity)
                compared += 1
            elif any(name in line["expected"] for name in names):
                assert quantity not in readings, (line["id"], quantity)
    assert compared >= 20


def test_ibeacons() -> None:
    lines = shared_messages("ibeacon_mfgdata")
    assert lines
    for line in lines:
        said = ibeacon(bytes.fromhex(line["payload_hex"]))
        if line.get("negative"):
            assert said is None, line["id"]
        else:
            expected = line["expected"]
            assert said is not None
            assert said.id == f"iBeacon:{expected['uuid']}-{expected['major']}-{expected['minor']}"
            assert said.tx_power_dbm == expected["tx_power"]

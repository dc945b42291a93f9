"""Formats that the config declares: mappings, their faults at check, and the preview."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.build import build_sources
from gateway.commands.decode.preview import Preview
from gateway.config import ConfigError, load_sources
from gateway.core.types import Message, Observation, Position, Reading, Sighting, Status
from gateway.decoders.contract import DecodeError
from gateway.decoders.mapping.decode import time_ms
from gateway.decoders.values.people import people
from gateway.runtime.router import Router
from gateway.runtime.sources import Installed

# One source for each product without a decoder of its own, as its publication states the messages.
PRODUCTS = """
[[sources]]  # ESPHome: one number or word for each topic
topic = "esphome/+/sensor/+/state"
speaker = "esphome/{device}/#"
[sources.mapping]
form = "number"
[[sources.mapping.values]]
topic = "esphome/+/sensor/temperature/state"
quantity = "temperature"
[[sources.mapping.values]]
topic = "esphome/+/sensor/presence_target_count/state"
count = "present"

[[sources]]
topic = "esphome/+/binary_sensor/+/state"
speaker = "esphome/{device}/#"
[sources.mapping]
form = "text"
[[sources.mapping.values]]
topic = "esphome/+/binary_sensor/presence/state"
quantity = "occupancy"
words = { ON = 1, OFF = 0 }

[[sources]]  # Meshtastic's JSON
topic = "msh/+/2/json/+/+"
bridge = true
[sources.mapping]
device = "/from"
time = "/timestamp"
latitude = "/payload/latitude_i"
longitude = "/payload/longitude_i"
degrees = 1e-7
values = [
  { at = "/payload/temperature", quantity = "temperature", missing = [0] },
  { at = "/payload/relative_humidity", quantity = "humidity", missing = [0] },
  { at = "/payload/barometric_pressure", quantity = "pressure", missing = [0] },
]

[[sources]]  # Victron's Venus OS
topic = "N/+/battery/+/Soc"
speaker = "N/{portal}/battery/{instance}/Soc"
[sources.mapping]
values = [{ at = "/value", quantity = "battery", unit = "%" }]

[[sources]]  # ThingsBoard's gateway API: device -> list of telemetry
topic = "v1/gateway/telemetry"
bridge = true
[sources.mapping]
each = "/sensors"
device = "/name"
time = "/ts"
values = [{ at = "/values/temperature", quantity = "temperature", unit = "°F" }]

[[sources]]  # ble2mqtt, MOKO and April Brother: a list of advertisements
topic = "moko/+/scan"
speaker = "moko/{gateway}/#"
[sources.mapping]
each = "/data"
heard = "/mac"
rssi = "/rssi"

[[sources]]  # a counter that sends CSV: time; in; out
topic = "counters/+"
speaker = "counters/{door}"
[sources.mapping]
form = "csv"
delimiter = ";"
time = "0"
values = [{ at = "1", count = "total", direction = "in" }, { at = "2", count = "total", direction = "out" }]
"""
AT_MS = 1_749_214_958_000
MESSAGES: tuple[tuple[str, Any, list[Observation]], ...] = (
    ("esphome/hall/sensor/temperature/state", "21.5", [Reading("hall", "temperature", 21.5)]),
    ("esphome/hall/sensor/presence_target_count/state", "2", [people("hall", 2, "present")]),
    ("esphome/hall/sensor/uptime/state", "300", [Status("hall")]),
    ("esphome/hall/binary_sensor/presence/state", "ON", [Reading("hall", "occupancy", 1.0)]),
    (
        "msh/EU_868/2/json/LongFast/!da741900",
        {
            "from": 3665041664,
            "timestamp": 1749214958,
            "payload": {"barometric_pressure": 0, "temperature": 25.94, "relative_humidity": 61.31},
        },
        [Reading("3665041664", "temperature", 25.94, AT_MS), Reading("3665041664", "humidity", 61.31, AT_MS)],
    ),
    (
        "msh/US/2/json/LongFast/!7efeee00",
        {"from": 2130636288, "payload": {"latitude_i": 407128000, "longitude_i": -740060000}, "timestamp": 1749214958},
        [Position("2130636288", 40.7128, -74.006, at_ms=AT_MS)],
    ),
    ("N/c0619ab1/battery/0/Soc", {"value": 54.0}, [Reading("c0619ab1/0", "battery", 54.0)]),
    (
        "v1/gateway/telemetry",
        {"sensors": [{"name": "A", "ts": AT_MS, "values": {"temperature": 50}}]},
        [Reading("A", "temperature", 10.0, AT_MS)],
    ),
    ("moko/gw1/scan", {"data": [{"mac": "AA:BB:CC:00:00:01", "rssi": -60}, {"mac": "x"}]}, [Sighting("gw1", "aabbcc000001", -60.0)]),
    (
        "counters/north",
        "2026-09-21T13:33:20Z; 12 ;9",
        [people("north", 12, "total", "in", 1_789_997_600_000), people("north", 9, "total", "out", 1_789_997_600_000)],
    ),
)


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Router:
    path = tmp_path_factory.mktemp("mapping") / "sources.toml"
    path.write_text(PRODUCTS, "utf-8")
    file = load_sources(path)
    return Router(build_sources(file.sources, file.codecs), Installed(anchors=("gw1",)))


def _bytes(payload: Any) -> bytes:
    return payload.encode() if isinstance(payload, str) else json.dumps(payload).encode()


@pytest.mark.parametrize(("topic", "payload", "expected"), MESSAGES)
def test_products_without_a_decoder(router: Router, topic: str, payload: Any, expected: list[Observation]) -> None:
    assert router.decode(Message(topic, _bytes(payload), 0)) == expected


@pytest.mark.parametrize(
    ("mapping", "topic", "payload", "reason"),
    [
        ('values = [{ at = "/t", quantity = "temperature" }]', "a/x", {"t": 999}, "out_of_range"),
        ('values = [{ at = "/t", quantity = "temperature", missing = [-999] }]', "a/x", {"t": -999}, "out_of_range"),
        ('values = [{ at = "/t", quantity = "temperature" }]', "a/x", "{", "not_json"),
        ('form = "number"\nvalues = [{ quantity = "temperature" }]', "a/x", "\x00", "out_of_range"),
    ],
)
def test_an_impossible_message_is_refused(tmp_path: Path, mapping: str, topic: str, payload: Any, reason: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(f'[[sources]]\ntopic = "a/+"\nspeaker = "a/{{d}}"\n[sources.mapping]\n{mapping}\n', "utf-8")
    (source,) = build_sources(load_sources(path).sources, ())
    with pytest.raises(DecodeError) as refusal:
        source.decoder.decode(Message(topic, _bytes(payload), 0))
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    ("lines", "line", "said"),
    [
        ('values = [{ at = "temperature", quantity = "temperature" }]', 5, "no JSON pointer: write it as /temperature"),
        ('[[sources.mapping.values]]\nat = "/t"\nquantity = "temprature"', 5, "did you mean 'temperature'?"),
        ('[[sources.mapping.values]]\nat = "/t"\nquantity = "temperature"\nunit = "kPa"', 5, "'kPa' is no unit of temperature"),
        ('[[sources.mapping.values]]\nat = "/t"\nquantity = "distance"\nunit = "mmm"', 5, "did you mean 'mm'?"),
        ('values = [{ at = "/user/email", quantity = "tally" }]', 5, "is about a person"),
        ('values = [{ at = "/imei", quantity = "tally" }]', 5, "'imei' is about a person"),
        ('values = [{ at = "/t" }]', 5, "either a quantity or a count"),
        ('[[sources.mapping.values]]\nat = "/t"\nquantity = "temperature"\nunits = "K"', 8, "did you mean 'unit'?"),
        ('form = "csv"\nvalues = [{ at = "/t", quantity = "temperature" }]', 4, "no column of CSV"),
        ("", 4, "it reads nothing"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_line(tmp_path: Path, lines: str, line: int, said: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(f'[[sources]]\ntopic = "a/+"\nspeaker = "a/{{d}}"\n[sources.mapping]\n{lines}\n', "utf-8")
    with pytest.raises(ConfigError) as fault:
        load_sources(path)
    assert said in str(fault.value)
    found = re.search(r"s\.toml:(\d+): ", str(fault.value))
    assert found is not None
    assert abs(int(found[1]) - line) <= 1, str(fault.value)


@pytest.mark.parametrize("source", ['topic = "a"', 'topic = "a"\ndecoder = "senml_json"\n[sources.mapping]\nvalues = []'])
def test_a_source_has_one_way_of_reading(tmp_path: Path, source: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(f"[[sources]]\n{source}\n", "utf-8")
    with pytest.raises(ConfigError):
        load_sources(path)


def test_the_preview_names_what_a_row_does_not_find_and_follows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    head = '[[sources]]\ntopic = "a/+"\nspeaker = "a/{d}"\n[sources.mapping]\n'
    path.write_text(head + 'values = [{ at = "/temperatur", quantity = "temperature" }]\n', "utf-8")
    preview = Preview(path)
    line = json.dumps({"topic": "a/hall", "payload": {"temperature": 20.5}}).encode()
    assert [one["type"] for one in json.loads(preview.line(line))["observations"]] == ["status"]
    assert preview.hints() == ["a/+: values[0]: this message has nothing at '/temperatur'; did you mean '/temperature'?"]
    path.write_text(head + 'values = [{ at = "/temperature", quantity = "temperature" }]\n\n', "utf-8")
    found = json.loads(preview.line(line))["observations"]
    assert [(one["device"], one["value"]) for one in found] == [("hall", 20.5)]
    assert preview.hints() == []
    path.write_text(head + "values = 3\n\n\n", "utf-8")
    assert "s.toml:5" in json.loads(preview.line(line))["error"]["detail"]
    assert json.loads(preview.line(b'{"topic": "b/1", "payload": "x"}'))["error"]["reason"] in ("wrong_source", "unknown_topic")


@pytest.mark.parametrize(
    ("stated", "at_ms"),
    [(1749214958, AT_MS), (AT_MS, AT_MS), ("1749214958", AT_MS), ("2025-06-06T13:02:38Z", AT_MS), ("soon", None), (None, None)],
)
def test_times_of_any_form(stated: object, at_ms: int | None) -> None:
    assert time_ms(stated) == at_ms

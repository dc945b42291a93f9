"""Another distribution adds a parser of advertisements and a decoder, without a change of ours."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from gateway.decoders import plugins
from gateway.decoders.bluetooth import bleparser_brands
from gateway.decoders.bluetooth.frames import Frame
from gateway.decoders.contract import NO_KEYS
from gateway.decoders.registry import BrokenDecoderError

MODULE = """
from gateway.core.types import Status
from gateway.decoders.contract import Decoder
from gateway.decoders.plugins import Parser
from gateway.decoders.values.measurements import Parsed, possible_readings


def parse(frame, keys):
    for data in frame.of_company(0xFFFE):
        return Parsed(possible_readings([("temperature", data[0] / 2)]))
    return None


PARSER = Parser("aaa_outside", parse)
DECODER = Decoder("outside", ("outside/+",), lambda message: [Status(message.topic.rpartition("/")[2])])
"""
ENTRY_POINTS = """[wayside.advertisements]
aaa_outside = outside_package:PARSER
[wayside.decoders]
outside = outside_package:DECODER
"""
PROGRAM = """
import sys
from gateway.commands.decode import decode_line
for line in sys.stdin.buffer:
    print(decode_line(line).decode())
"""
SOMETHING = "not a parser"


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """The installed parsers are read once; a test that changes them clears the cache."""
    yield
    plugins.parsers.cache_clear()


def _install(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    found = [EntryPoint(name, value, plugins.GROUP) for name, value in points]
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point for point in found if point.group == group])
    plugins.parsers.cache_clear()


def test_a_package_from_outside_is_found(tmp_path: Path) -> None:
    about = tmp_path / "outside_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "outside_package.py").write_text(MODULE)
    lines = [
        {"decoder": "cassia_scan", "payload": {"rssi": -50, "adData": "04fffeff2a", "bdaddrs": [{"bdaddr": "E3:75:CF:00:00:01"}]}},
        {"topic": "outside/door", "payload": "x"},
    ]
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input="\n".join(json.dumps(line) for line in lines),
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).resolve().parents[2]}"},
        capture_output=True,
        text=True,
        check=True,
    )
    scan, door = (json.loads(line) for line in run.stdout.splitlines())
    assert scan["observations"][1] | {"at_ms": None} == {
        "type": "reading",
        "device": "e375cf000001",
        "quantity": "temperature",
        "value": 21.0,
        "at_ms": None,
    }
    assert (door["decoder"], door["observations"][0]["device"]) == ("outside", "door")


def test_ours_is_declared() -> None:
    assert bleparser_brands.PARSER in plugins.parsers()


def test_what_is_no_parser_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, ("mine", f"{__name__}:SOMETHING"))
    with pytest.raises(BrokenDecoderError, match="is not a Parser"):
        plugins.parsers()


def test_a_parser_under_another_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, ("mine", "gateway.decoders.bluetooth.bleparser_brands:PARSER"))
    with pytest.raises(BrokenDecoderError, match="named 'mine'"):
        plugins.parsers()


def test_without_the_library_brands_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = Frame("a4c1380283f4", services=(("181a", bytes.fromhex("f4830238c1a4a9066911b60b58f70d")),))
    found = bleparser_brands.parse(frame, NO_KEYS)
    assert found is not None
    assert {one.quantity: one.value for one in found.readings}["temperature"] == 17.05
    monkeypatch.setitem(sys.modules, "bleparser", None)
    bleparser_brands._library.cache_clear()
    try:
        assert bleparser_brands.parse(frame, NO_KEYS) is None
    finally:
        bleparser_brands._library.cache_clear()

"""Messages of real devices and of publishers' test suites (shared data): no observation may be invented.

An observation is invented where the line excludes it, where the line expects another value of that quantity, or where
no value of the publisher's own decoder is that number. Values that are missing are no inventions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from gateway.commands.decode import decode_line
from tests.kit.shared import shared_path

_SENT = ("topic", "payload", "payload_hex", "mac", "bindkey", "aes_key", "rssi", "service_uuid", "local_name", "decoder")
_OF_THE_LINK = frozenset({"rssi", "snr", "link_quality"})
# Flags that publishers name by texts (open, leak, occupied): compared only where the line states the number.
_FLAGS = frozenset({"contact", "input", "leak", "occupancy", "switch", "light", "moving", "vibration", "battery_low", "tamper"})
_OF_CONVERTERS = frozenset({"akenza", "thingsboard"})  # their converters leave values out, so only names in common are compared
_SCALES = (1, 1_000, 100, 10, 1e-1, 1e-2, 1e-3)  # lx and klx, mm and m, kPa and hPa, V and mV, of one value
_SETS = ("hand", "milesight", "akenza", "thingsboard", "bluetooth-devices")


@cache
def _lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in shared_path("field/messages.jsonl").read_text(encoding="utf-8").splitlines()]


def _observed(line: dict[str, Any]) -> list[dict[str, Any]]:
    """The observations of one line as `wayside decode` prints them; none where the message is refused."""
    sent = {key: line[key] for key in _SENT if line.get(key) is not None}
    observations: list[dict[str, Any]] = json.loads(decode_line(json.dumps(sent).encode())).get("observations", [])
    return observations


def _inventions(line: dict[str, Any]) -> Iterator[str]:
    expected = line["expected"] if isinstance(line["expected"], dict) else {"contains": line["expected"]}
    rows = expected.get("contains", [])
    observed = _observed(line)
    for one in observed:
        if any(_is_within(row, one) for row in expected.get("must_not_contain", [])):
            yield f"excluded: {one}"
        if one["type"] == "count" and line["set"] == "milesight" and not _is_stated(one["count"], line["expected"]["maker"]):
            yield f"not of its source: {one}"
        if one["type"] != "reading" or one["quantity"] in _OF_THE_LINK:
            continue
        stated = [row["value"] for row in rows if row.get("quantity") == one["quantity"]]
        values = [other["value"] for other in observed if other.get("quantity") == one["quantity"]]
        if stated and not any(_is_near(found, value) for found in values for value in stated):
            yield f"expected {stated}: {one}"
        source = _source(line, one["quantity"])
        if stated or source is None or one["quantity"] in _FLAGS:
            continue
        if not any(_is_stated(found, source) for found in (values if line["set"] in _OF_CONVERTERS else [one["value"]])):
            yield f"not of its source: {one}"


def _source(line: dict[str, Any], quantity: str) -> object:
    """The values that a reading of `quantity` may come from; `None` where the line states none."""
    expected = line["expected"]
    if line["set"] == "milesight":
        return expected["maker"]
    if line["set"] == "bluetooth-devices":
        return expected
    if line["set"] in _OF_CONVERTERS and isinstance(expected, dict):
        return expected if any(name.lower().startswith(quantity) for name in expected) else None
    return None


def _is_within(row: dict[str, Any], one: dict[str, Any]) -> bool:
    return all(one.get(key) == value for key, value in row.items())


def _is_near(found: float, stated: float) -> bool:
    return math.isclose(found, stated, rel_tol=0.02, abs_tol=0.06)


def _is_stated(found: float, source: object) -> bool:
    return any(_is_near(found, value * scale) for value in _numbers(source) for scale in _SCALES)


def _numbers(source: object) -> Iterator[float]:
    if isinstance(source, dict | list):
        for value in source.values() if isinstance(source, dict) else source:
            yield from _numbers(value)
    elif isinstance(source, bool):
        yield float(source)
    else:
        try:
            yield float(str(source))
        except ValueError:
            return


@pytest.mark.parametrize("name", _SETS)
def test_nothing_is_invented(name: str) -> None:
    lines = [(number, line) for number, line in enumerate(_lines(), 1) if line["set"] == name]
    assert len(lines) > 100 or name == "hand"
    assert [f"{number} {line['format']}: {fault}" for number, line in lines for fault in _inventions(line)] == []


def test_a_missing_sensors_value_would_be_found() -> None:
    line = {**next(line for line in _lines() if line["set"] == "milesight" and _observed(line)), "expected": {"maker": {}, "contains": []}}
    invented = {one["quantity"] for one in _observed(line) if one["type"] == "reading"} - _OF_THE_LINK - _FLAGS
    assert len([*_inventions(line)]) >= len(invented) > 0

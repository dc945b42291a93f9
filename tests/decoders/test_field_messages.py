"""Messages of real devices and of publishers' test suites (shared data): no observation may be invented."""

from __future__ import annotations

import pytest

from tests.decoders.field import FLAGS, OF_THE_LINK, SETS, inventions, is_aside, lines, observed, verdict


@pytest.mark.parametrize("name", SETS)
def test_nothing_is_invented(name: str) -> None:
    chosen = [(number, line) for number, line in enumerate(lines(), 1) if line["set"] == name]
    assert len(chosen) > 100 or name == "hand"
    assert [f"{number} {line['format']}: {fault}" for number, line in chosen for fault in inventions(line)] == []


def test_a_missing_sensors_value_would_be_found() -> None:
    line = {**next(line for line in lines() if line["set"] == "milesight" and observed(line)), "expected": {"maker": {}, "contains": []}}
    invented = {one["quantity"] for one in observed(line) if one["type"] == "reading"} - OF_THE_LINK - FLAGS
    assert len([*inventions(line)]) >= len(invented) > 0
    assert verdict(line) == "wrong"


def test_a_third_of_the_models_is_put_aside() -> None:
    assert 0.25 < sum(map(is_aside, lines())) / len(lines()) < 0.42

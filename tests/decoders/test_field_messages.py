"""Messages of real devices and of publishers' test suites (shared data): no observation may be invented."""

from __future__ import annotations

import pytest

from tests.decoders.field import FLAGS, OF_THE_LINK, SETS, inventions, is_aside, lines, observed, reason, verdict


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


@pytest.mark.parametrize(
    ("format_", "why"),
    [
        ("lorawan_raw/abeeway/badgeTracker", "its envelope is read, its bytes are not"),
        ("lorawan_raw/adnexo/ax-opto", "the values that it states have no quantity here"),
        ("ble/thermopro-ble", "refused: unknown_kind"),
    ],
)
def test_an_unsupported_line_has_its_reason(format_: str, why: str) -> None:
    unsupported = [line for line in lines() if line["format"] == format_ and not is_aside(line) and verdict(line) == "unsupported"]
    assert any(reason(line).startswith(why) for line in unsupported)


def test_an_error_frame_is_right_without_a_value_and_wrong_with_one() -> None:
    line = next(line for line in lines() if line["set"] == "bluetooth-devices" and set(line["expected"].values()) == {"error"})
    assert verdict(line) == "right"
    measured = next(
        other
        for other in lines()
        if other["set"] == "bluetooth-devices" and "temperature" in {one.get("quantity") for one in observed(other)}
    )
    assert verdict({**measured, "expected": line["expected"]}) == "wrong"

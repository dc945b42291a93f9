"""Expected values of real messages are found in our observations, and each miss is explained."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from gateway.core.types import Observation, Position, Reading
from gateway.decoders.registry import load
from tests.decoders.expected import NOT_KEPT, SHARE_MIN, Tally, holds_value, message_of, reason_for, tally
from tests.decoders.formats import COLLECTED, FORMATS
from tests.kit.shared import shared_path


@cache
def tally_of(form: str) -> Tally:
    """The comparison of a format, made once."""
    decoder = load(form)

    def decode(line: dict[str, Any]) -> list[Observation]:
        return decoder.decode(message_of(line))

    return tally(form, decode)


@pytest.mark.parametrize("form", COLLECTED)
def test_expected_values_are_found(form: str) -> None:
    found = tally_of(form)
    assert found.share >= SHARE_MIN or not found.missed, f"{found.share:.1%} of {form}; missed:\n" + "\n".join(found.missed[:40])


def test_enough_is_expected_to_mean_something() -> None:
    shared_path("data/messages")
    total = sum(tally_of(form).matched for form in COLLECTED)
    assert total >= 200, f"only {total} expected values were matched: are the messages still read?"


@pytest.mark.parametrize("form", [form for form in NOT_KEPT if form in FORMATS])
def test_explanations_are_still_needed(form: str) -> None:
    assert tally_of(form).explained > 0, f"nothing is missed any more: take the rows of {form} off NOT_KEPT"


def test_a_value_is_not_found_by_accident() -> None:
    observations: list[Observation] = [Reading("a/b", "temperature", 21.5), Position("c", 52.5, 13.4)]
    assert holds_value(observations, 21.5)
    assert holds_value(observations, "a/b")
    assert not holds_value(observations, 21.6)
    assert not holds_value(observations, "b")
    assert not holds_value(observations, None)
    assert not holds_value([], 0)


def test_a_reason_is_for_its_path_alone() -> None:
    assert reason_for("sparkplug_b", "DCMD.Boolean")
    assert reason_for("sparkplug_b", "DDATA.Boolean") is None
    assert reason_for("espresense", "id") is None

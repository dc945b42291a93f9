"""The condition for the desk names sources of sensors only: in a quiet street the silence of the others shows who was away."""

from __future__ import annotations

import pytest

from gateway.build_condition import of_sensors
from gateway.decoders.registry import load
from gateway.runtime.sources import source
from gateway.runtime.tallies import Tally


@pytest.mark.parametrize(
    ("topic", "decoder", "count"),
    [("zigbee2mqtt/#", "zigbee2mqtt", 1), ("espresense/devices/#", "espresense", 0), ("owntracks/#", "owntracks", 0)],
)
def test_sources_that_place_people_are_left_out(topic: str, decoder: str, count: int) -> None:
    tally = Tally(source(topic, load(decoder)))
    assert [*of_sensors([tally])] == [tally] * count


def test_a_source_narrowed_to_readings_count() -> None:
    tally = Tally(source("espresense/#", load("espresense"), kinds=("reading",)))
    assert [*of_sensors([tally])] == [tally]

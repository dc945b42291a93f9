"""Condition and metrics name sources of sensors only: in a quiet street the silence of the others shows who was away."""

from __future__ import annotations

import pytest

from gateway.decoders.contract import Kind
from gateway.decoders.registry import load
from gateway.runtime.sources import source
from gateway.runtime.tallies import Tally


def _is_of_sensors(topic: str, decoder: str, *kinds: Kind) -> bool:
    return Tally(source(topic, load(decoder), kinds=kinds or None)).is_of_sensors


@pytest.mark.parametrize(("topic", "decoder"), [("espresense/devices/#", "espresense"), ("owntracks/#", "owntracks")])
def test_a_source_that_places_people_is_not_one_of_sensors(topic: str, decoder: str) -> None:
    assert not _is_of_sensors(topic, decoder)


def test_a_source_that_only_measures_is() -> None:
    assert _is_of_sensors("zigbee2mqtt/#", "zigbee2mqtt")
    assert _is_of_sensors("espresense/#", "espresense", "reading")

"""Real messages of smart-city platforms and LoRaWAN networks: the expected values are found in our observations."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gateway.core.types import Message, Observation, Sighting
from gateway.decoders.conformance.wellformed import fault_of
from gateway.decoders.registry import by_topic, load
from tests.decoders.expected import SHARE_MIN, tally
from tests.decoders.expected_city import CLAIMS_CITY, NOT_KEPT_CITY
from tests.kit.shared import shared_messages

FORMATS = (*sorted(CLAIMS_CITY), "sensorthings")


def _decoded(form: str, line: dict[str, Any]) -> list[Observation]:
    return load(form).decode(Message(line["topic"] or "", json.dumps(line["payload"]).encode(), 0))


@pytest.mark.parametrize("form", FORMATS)
def test_what_their_sources_say_is_found(form: str) -> None:
    found = tally(form, lambda line: _decoded(form, line))
    assert found.matched > 0
    assert found.share >= SHARE_MIN, "\n".join(found.missed)


@pytest.mark.parametrize("form", sorted(NOT_KEPT_CITY))
def test_each_explanation_still_explains_something(form: str) -> None:
    missed: set[str] = set()
    for line in shared_messages(form):
        observations = _decoded(form, line)
        missed |= {path for path, holds in CLAIMS_CITY[form](line) if not holds(observations)}
    stale = [pattern for pattern in NOT_KEPT_CITY[form] if not any(re.fullmatch(pattern, path) for path in missed)]
    assert not stale


@pytest.mark.parametrize("form", FORMATS)
def test_all_are_decoded_and_none_sights_anybody(form: str) -> None:
    """None of these is marked to be refused. A LoRaWAN gateway receives over kilometres, so there is no sighting."""
    lines = shared_messages(form)
    assert lines
    observations = [one for line in lines for one in _decoded(form, line)]
    assert [fault_of(one) for one in observations] == [None] * len(observations)
    assert not any(isinstance(one, Sighting) for one in observations)


@pytest.mark.parametrize("form", FORMATS)
def test_their_topics_tell_the_format(form: str) -> None:
    topics = {line["topic"] for line in shared_messages(form) if line["topic"]}
    assert all(by_topic(topic) is load(form) for topic in topics)


def test_a_device_keeps_its_id_on_every_network() -> None:
    """The same sensor, registered on three networks, is one device."""
    devices = {
        getattr(one, "device", None)
        for form in ("chirpstack_v4", "loriot", "ttn_v3")
        for line in shared_messages(form)
        if line.get("device") == "AM102"
        for one in _decoded(form, line)
    }
    assert devices == {"1000000000000001"}

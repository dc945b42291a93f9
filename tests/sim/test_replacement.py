"""People who are replaced: the street stays as full, each person is another one, and without replacement nothing changes."""

from __future__ import annotations

import json

from firmware_sim.message import Message
from firmware_sim.scenario import load
from firmware_sim.street.street import Street


def messages(stay_s: float | None, until_ms: int, walkers: int = 12) -> tuple[Street, list[tuple[int, Message]]]:
    """Everything that a street publishes, with its time."""
    found: list[tuple[int, Message]] = []
    street = Street(
        load("street"),
        seed=1,
        start_ms=1_790_000_000_000,
        publish=lambda message: found.append((street.loop.now_ms, message)),
        walkers=walkers,
        stay_s=stay_s,
    )
    street.run_until(until_ms)
    return street, found


def speakers(found: list[tuple[int, Message]], from_ms: int, until_ms: int) -> set[str]:
    """The phones that state a consent or a sighting within a time."""
    return {
        message.topic.split("/")[4]
        for at_ms, message in found
        if from_ms <= at_ms < until_ms and message.format == "wayside_v1" and "/phone-" in message.topic
    }


def test_after_two_stays_everyone_is_somebody_else() -> None:
    street, found = messages(60.0, 240_000)
    before, after = speakers(found, 0, 60_000), speakers(found, 130_000, 240_000)
    assert len(before) >= 8
    assert len(after) >= 8
    assert not before & after
    here = [walker for walker in street.walkers if not walker.has_left(240.0 * 20.0)]
    assert len(here) == 12
    assert len({walker.number for walker in street.walkers}) == len(street.walkers) > 36


def test_a_new_person_consents_before_anything_else() -> None:
    _, found = messages(60.0, 200_000)
    first: dict[str, str] = {}
    for _, message in found:
        if message.format == "wayside_v1" and "/phone-" in message.topic:
            *_, device, kind = message.topic.split("/")
            if kind in {"consent", "sighting"}:
                first.setdefault(device, kind)
    assert len(first) > 24
    assert set(first.values()) == {"consent"}


def test_nobody_withdraws_by_leaving() -> None:
    """A person who leaves keeps the consent, so the gateway keeps the rows that the results need."""
    _, found = messages(60.0, 200_000)
    withdrawn = {message.topic for _, message in found if message.kind == "consent" and not json.loads(message.payload)["purposes"]}
    assert len(withdrawn) <= 2, "the scenario lets a few people withdraw"


def test_without_replacement_the_street_is_the_same() -> None:
    _, plain = messages(None, 30_000)
    _, replaced = messages(60.0, 30_000)
    assert plain == replaced

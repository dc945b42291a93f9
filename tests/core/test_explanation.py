"""The sentence for the person: deterministic, without figures, settings or other people."""

from __future__ import annotations

import re

import pytest

from gateway.core.attributes.schema import parse
from gateway.core.explanation import sentence, time_of_day, to_person
from gateway.core.policy.decision import Decision
from gateway.core.policy.gates import CHOSEN, REASONS, STEPS, Reason
from gateway.core.types import Occasion

SCHEMA = parse(
    {
        "categories": ["coffee"],
        "currency": "EUR",
        "attributes": [
            {"name": "coffees", "about": "person", "dtype": "number", "unit": "1", "purposes": ["offers"]}
            | {"title": "how often you buy coffee", "history": {"of": "purchases", "fold": "count"}},
            {"name": "temperature", "about": "place", "dtype": "number", "unit": "Cel", "title": "the temperature"}
            | {"reading": {"quantity": "temperature"}},
            {
                "name": "walk",
                "about": "offer",
                "dtype": "number",
                "unit": "min",
                "title": "the short way",
                "between": {"field": "walk_min"},
            },
            {"name": "hour", "about": "moment", "dtype": "number", "unit": "h", "title": "the hour", "clock": {"field": "hour"}},
            {"name": "noise", "about": "place", "dtype": "number", "unit": "dB", "reading": {"quantity": "noise"}},
        ],
    }
)


def decided(offer: str | None = "flat-white", reason: Reason = CHOSEN.reason, occasion: Occasion = "entered") -> Decision:
    return Decision("gw.1", "s1", "food-court", occasion, 0, offer, reason, ())


def test_an_offer_has_its_place_time_and_the_attributes_that_raised_it() -> None:
    effects = [("hour", 0.4), ("coffees", 0.2), ("noise", 0.1), ("walk", -0.1), ("temperature", 0.05)]
    told = sentence(decided(), 12, effects, SCHEMA)
    assert (
        told
        == "You got this because you came to the food court at lunch time, and because of how often you buy coffee and the temperature."
    )
    assert sentence(decided(occasion="dwelled"), 20, [], SCHEMA) == "You got this because you stayed at the food court in the evening."
    assert (
        sentence(decided(occasion="requested"), 9, [], None)
        == "You got this because you asked for an offer at the food court in the morning."
    )
    assert sentence(decided(occasion="event"), 9, [], None) == "You got this because you were at the food court in the morning."
    assert sentence(decided(), 12, effects, None) == "You got this because you came to the food court at lunch time."


def test_at_most_two_attributes_are_named() -> None:
    told = sentence(decided(), 9, [("walk", 0.3), ("coffees", 0.2), ("temperature", 0.1)], SCHEMA)
    assert told.endswith("in the morning, and because of the short way and how often you buy coffee.")


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("cap_person_day", "You got no offer because you have had the maximum number of offers for one day."),
        ("no_consent", "You got no offer because you have not consented to offers, or the consent has expired."),
        ("cool_down", "You got no offer because your last offer was too recent."),
        ("not_here", "You got no offer. The one that came closest was left out because it is not for this zone."),
        ("propensity_low", "You got no offer. The one that came closest was left out because you are too unlikely to take the offer."),
        (
            "refused",
            "You got no offer. The one that came closest was left out because you dismissed this offer within the policy's period.",
        ),
    ],
)
def test_silence_has_its_reason(reason: str, told: str) -> None:
    (known,) = (one for one in STEPS if one == reason)
    assert sentence(decided(None, known), 12, [("coffees", 1.0)], SCHEMA) == told


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_can_be_addressed_to_the_person(reason: Reason) -> None:
    text = to_person(REASONS[reason])
    assert text
    assert not re.search(r"the person|`|_|\(|\byou (has|is|was|\w+[^su]s)\b", text), text


def test_every_hour_has_a_time_of_day() -> None:
    found = [time_of_day(hour) for hour in range(24)]
    assert (found[4], found[5], found[11], found[13], found[14], found[17], found[18], found[22], found[23]) == (
        "at night",
        "in the morning",
        "at lunch time",
        "at lunch time",
        "in the afternoon",
        "in the afternoon",
        "in the evening",
        "in the evening",
        "at night",
    )


def test_a_title_is_no_part_of_the_definition() -> None:
    """States of history and rows of a log survive a new title."""
    (coffees, *_) = SCHEMA.attributes
    renamed = parse({"categories": ["coffee"], "currency": "EUR", "attributes": [{**_as_table(), "title": "your coffees"}]})
    assert renamed.attributes[0].digest == coffees.digest


def _as_table() -> dict[str, object]:
    table = {"name": "coffees", "about": "person", "dtype": "number", "unit": "1", "purposes": ["offers"]}
    return table | {"history": {"of": "purchases", "fold": "count"}}

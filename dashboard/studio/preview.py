"""The wordings of an offer as a person sees these: on the phone, on a screen and on the person's page, in each language.

A text that is being edited may be wrong, so a wording that does not fit its shape is left out; the check names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from gateway.core.creatives import PLACEMENTS, Creative, PlacementName, attention_faults, choose_creative

PLACES: tuple[tuple[str, PlacementName, str], ...] = (
    ("phone", "notification", "on the phone"),
    ("screen", "screen", "on a screen"),
    ("page", "notification", "on the person's page"),
)
"""Class of the picture, the placement that bounds it, and its label."""


class Sight(NamedTuple):
    """One picture: its class and label, the wording, the bounds of its placement, and the reason why it does not fit."""

    look: str
    label: str
    title: str
    body: str
    title_chars_max: int
    body_chars_max: int
    fault: str


class Preview(NamedTuple):
    """The pictures in one language; an empty language is the default wording."""

    language: str
    sights: list[Sight]


def previews(title: str, body: str, creatives: Iterable[Mapping[str, Any]]) -> list[Preview]:
    """A preview of the default wording, and one for each language that a wording has."""
    known = {one.name: one for one in map(_creative, creatives) if one is not None}
    languages = dict.fromkeys(("", *(one.language for one in known.values() if one.language)))
    return [Preview(language, [_sight(place, title, body, known, language) for place in PLACES]) for language in languages]


def _sight(place: tuple[str, PlacementName, str], title: str, body: str, known: Mapping[str, Creative], language: str) -> Sight:
    look, placement, label = place
    row = PLACEMENTS[placement]
    chosen = known.get(choose_creative(tuple(known.values()), row.channel, language or None))
    shown, below = (chosen.title, chosen.body) if chosen else (title, body)
    fault = next((text for _, text in attention_faults(shown, below, placement)), "")
    return Sight(look, label, shown, below, row.title_chars_max, row.body_chars_max, fault)


def _creative(table: Mapping[str, Any]) -> Creative | None:
    try:
        return msgspec.convert(dict(table), Creative)
    except (msgspec.ValidationError, TypeError, ValueError):
        return None

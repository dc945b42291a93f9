"""Wordings of an offer that put a person under pressure: false urgency, false scarcity, confirm-shaming.

The kinds are those of Mathur et al. 2019, Dark Patterns at Scale, table 1. A list of phrases finds the usual wordings in English and German
and no others, so it reminds an approver and does not replace one.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Kind = Literal["urgency", "scarcity", "confirm-shaming"]


class Pressure(NamedTuple):
    """A phrase that puts pressure on a person, as it stands in the text."""

    kind: Kind
    phrase: str


_PHRASES: tuple[tuple[Kind, str], ...] = (
    ("urgency", r"hurry|last chance|act now|only today|today only|ends (?:soon|today|tonight)|don'?t miss|running out"),
    ("urgency", r"nur heute|letzte chance|beeil\w*|jetzt zugreifen|nicht verpassen|endet (?:bald|heute)"),
    ("scarcity", r"only \d+ left|almost (?:gone|sold out)|selling fast|in high demand|while (?:stocks?|supplies) lasts?"),
    ("scarcity", r"nur noch \d+|fast (?:weg|ausverkauft)|hohe nachfrage|solange der vorrat reicht"),
    ("confirm-shaming", r"no,? (?:thanks,? )?i (?:don'?t|do not|would rather|hate|prefer)"),
    ("confirm-shaming", r"nein,? (?:danke,? )?ich (?:will|möchte|zahle|mag)"),
)
_FOUND = tuple((kind, re.compile(rf"\b(?:{phrases})\b", re.IGNORECASE)) for kind, phrases in _PHRASES)


def pressure(text: str) -> Pressure | None:
    """The first phrase of the table in `text`, or None."""
    for kind, pattern in _FOUND:
        match = pattern.search(text)
        if match is not None:
            return Pressure(kind, match.group())
    return None

"""Creatives: the wordings of an offer by placement and language, and the attention that a placement has for one message.

The time to read a wording is counted at the mean speed of silent reading of non-fiction (238 a minute: Brysbaert 2019, Journal
of Memory and Language 109).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

WORDS_PER_S = 4.0
CREATIVES_MAX = 32
DEFAULT = "default"
"""Name of the wording that every offer has."""
PlacementName = Literal["notification", "message", "counter", "screen"]
Language = Annotated[str, Meta(pattern=r"\A[a-z]{2,3}\Z", description='a language code (ISO 639), such as "de"')]


class Placement(NamedTuple):
    """A place in which one message is shown: its channel, and the most that a person takes in there."""

    channel: str
    title_chars_max: int
    body_chars_max: int
    glance_s_max: float


PLACEMENTS: Mapping[PlacementName, Placement] = {
    "notification": Placement("phone", 80, 240, 15.0),
    "counter": Placement("reply", 60, 120, 8.0),
    "message": Placement("webhook", 60, 100, 15.0),  # together the 160 characters of one SMS
    "screen": Placement("screen", 40, 80, 6.0),  # read in passing
}
"""Placement -> its row."""


class Creative(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wording for one placement (None: any) and one language (None: any)."""

    title: Annotated[str, Meta(min_length=1, max_length=80)]
    body: Annotated[str, Meta(max_length=240)] = ""
    placement: PlacementName | None = None
    language: Language | None = None

    @property
    def name(self) -> str:
        """The name under which a trigger carries it, such as `notification/de`."""
        return f"{self.placement or '*'}/{self.language or '*'}"


def choose_creative(creatives: tuple[Creative, ...], channel: str, language: str | None) -> str:
    """The name of the wording for a channel and a person's language, or DEFAULT. The language counts for more than the placement."""
    named = {one.name for one in creatives}
    placement = next(name for name, row in PLACEMENTS.items() if row.channel == channel)
    spoken = [f"{placement}/{language}", f"*/{language}"] if language is not None else []
    return next((name for name in (*spoken, f"{placement}/*") if name in named), DEFAULT)


def glance_s(title: str, body: str) -> float:
    """Seconds to read a wording."""
    return len(f"{title} {body}".split()) / WORDS_PER_S


def attention_faults(title: str, body: str, placement: PlacementName | None) -> Iterator[tuple[str, str]]:
    """(field, fault) of each bound that a wording exceeds in a placement; without one, the bounds of a notification."""
    name = placement or "notification"
    row = PLACEMENTS[name]
    for field, text, most in (("title", title, row.title_chars_max), ("body", body, row.body_chars_max)):
        if len(text) > most:
            yield field, f"{len(text)} characters; a {name} has room for {most}"
    seconds = glance_s(title, body)
    if seconds > row.glance_s_max:
        yield "body", f"takes {seconds:g} s to read with its title; a {name} has the attention of {row.glance_s_max:g} s"

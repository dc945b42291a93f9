"""One plain sentence for the person: why an offer came, or why none came. The same decision gives the same sentence.

It names place, time of day and the attributes that raised the propensity most, by title in the schema; no figures, and no other
people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.core.policy.gates import GATES, REASONS, Reason

if TYPE_CHECKING:
    from gateway.core.attributes.schema import Schema
    from gateway.core.policy.decision import Decision
    from gateway.core.types import Occasion

NAMED_MAX = 2  # attributes in one sentence
TIMES_OF_DAY = ((5, "at night"), (11, "in the morning"), (14, "at lunch time"), (18, "in the afternoon"), (23, "in the evening"))
"""Hour before which it is that time; from the last one on it is night again."""
_VERBS: Mapping[Occasion, str] = {
    "entered": "came to",
    "dwelled": "stayed at",
    "left": "left",
    "purchased": "bought something at",
    "requested": "asked for an offer at",
}
_TO_ALL = frozenset(gate.reason for gate in GATES if gate.scope == "all")
_ADDRESSED = (
    ("the person's", "your"),
    ("the person has", "you have"),
    ("the person is", "you are"),
    ("the person belongs", "you belong"),
    ("the person", "you"),
)


def sentence(decision: Decision, hour: int, effects: Sequence[tuple[str, float]], schema: Schema | None) -> str:
    """The sentence for a decision at a local `hour`; `effects` are changes of the propensity by attribute, the largest first."""
    if decision.offer is None:
        return _of_silence(decision.reason)
    place = decision.zone.replace("-", " ").replace("_", " ")
    causes = _titles(effects, schema) if schema is not None else []
    because = f", and because of {' and '.join(causes)}" if causes else ""
    return f"You got this because you {_VERBS.get(decision.occasion, 'were at')} the {place} {time_of_day(hour)}{because}."


def time_of_day(hour: int) -> str:
    """A local hour, 0 to 23, in plain language."""
    return next((text for before, text in TIMES_OF_DAY if hour < before), "at night")


def to_person(meaning: str) -> str:
    """The meaning of a reason, addressed to the person and without names of settings."""
    text = re.sub(r" \([^)]*\)", "", meaning).replace("`", "")
    for third, second in _ADDRESSED:
        text = text.replace(third, second)
    return re.sub(r"^the offer ", "it ", text)


def _of_silence(reason: Reason) -> str:
    cause = to_person(REASONS[reason])
    if reason in _TO_ALL:
        return f"You got no offer because {cause}."
    return f"You got no offer. The one that came closest was left out because {cause}."


def _titles(effects: Sequence[tuple[str, float]], schema: Schema) -> list[str]:
    """Titles of the attributes that raised the propensity; the time and the occasion are in every sentence already."""
    found = [schema.attribute(name) for name, change in effects if change > 0.0]
    return [one.title for one in found if one is not None and one.title and one.about not in {"moment", "occasion"}][:NAMED_MAX]

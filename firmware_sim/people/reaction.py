"""The reaction of a person to an offer: which answers the phone sends, and when."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

SHOWN_MS = (50, 250)
THINKING_MS = (500, 3000)
OPENS_WITHOUT_ACCEPTING = 0.4  # share of the people without acceptance that open the offer and dismiss it
DISMISSES_UNSEEN = 0.4  # share of the remaining people that dismiss it unopened; the others ignore it
QUEUE_S = (20.0, 60.0)  # queueing time in street seconds
PHONE_AFTER_MS = (200, 800)  # between the sale at the till and the phone's answer


class Reaction(NamedTuple):
    """Answers with delays after the delivery in ms, in order; `settled_ms` is the delay of the last one."""

    answers: tuple[tuple[int, str], ...]
    settled_ms: int
    accepts: bool


class Errand(NamedTuple):
    """The way to the shop after accepting: queueing time in street seconds, and the delay of the phone's answer after the sale in ms."""

    queue_s: float
    phone_after_ms: int


def react(acceptance: float, chance: Random) -> Reaction:
    """The reaction at this true probability of acceptance."""
    shown_ms = chance.randint(*SHOWN_MS)
    settled_ms = shown_ms + chance.randint(*THINKING_MS)
    accepts = chance.random() < acceptance
    opens, dismisses = chance.random() < OPENS_WITHOUT_ACCEPTING, chance.random() < DISMISSES_UNSEEN
    answers = [(shown_ms, "shown")]
    if accepts or opens:
        answers.append(((shown_ms + settled_ms) // 2, "opened"))
    if accepts:
        answers.append((settled_ms, "accepted"))
    elif opens or dismisses:
        answers.append((settled_ms, "dismissed"))
    return Reaction(tuple(answers), settled_ms, accepts)


def errand(redeeming_share: float, chance: Random) -> Errand | None:
    """The way to the shop, or None if the accepted offer is not redeemed."""
    if chance.random() >= redeeming_share:
        return None
    return Errand(chance.uniform(*QUEUE_S), chance.randint(*PHONE_AFTER_MS))

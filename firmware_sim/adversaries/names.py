"""Names of the adversaries, for scenarios and command lines."""

from __future__ import annotations

from typing import Literal, get_args

from firmware_sim import draws

AdversaryName = Literal["claimer", "replayer", "cloner", "flooder", "spoofer"]
NAMES: tuple[AdversaryName, ...] = get_args(AdversaryName)
PREFIX = "mallory"
"""How the names of all adversaries' devices begin."""


def drawn(seed: int) -> tuple[AdversaryName, ...]:
    """The adversaries of a seed: each in two of three seeds, and at least one."""
    chance = draws.generator(seed, "adversaries")
    return tuple(name for name in NAMES if chance.random() < 2 / 3) or (chance.choice(NAMES),)

"""Figures of a rig, and what they broke."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

Progress = Callable[[str], None]
"""Called after each round, with the name of what it did."""


def quiet(_name: str) -> None:
    """No progress."""


class Report(NamedTuple):
    """`figures` by name, and one sentence for each bound that does not hold."""

    figures: dict[str, float]
    broken: tuple[str, ...] = ()

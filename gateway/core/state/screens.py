"""Programmes of screens: the offers that each screen shows in turn, and their slots with the proof of play. No row names a person."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from gateway.core.state.slices import SliceChanges

Basis = Literal["group", "house"]
"""Whether a programme was chosen for the people present as a group, or without regard to people."""


class Slot(msgspec.Struct, frozen=True):
    """One offer in the programme of a screen, from `at_ms` on; it is shown for `seconds` each time."""

    id: str
    screen: str
    zone: str
    offer: str
    at_ms: int
    basis: Basis
    seconds: int


class Programme(msgspec.Struct, frozen=True):
    """The slots that a screen shows in turn until `until_ms`. `turn` counts the programmes of the screen since the start."""

    slots: tuple[Slot, ...]
    until_ms: int
    turn: int = 0


class ScreensChanges(SliceChanges):
    """New `slots`; plays and seconds by slot that a screen has `played`; `programmes` by screen, to publish after the commit."""

    DURABLE: ClassVar[frozenset[str]] = frozenset({"slots", "played"})
    VOLATILE: ClassVar[frozenset[str]] = frozenset({"programmes"})

    slots: list[Slot] = msgspec.field(default_factory=list)
    played: dict[str, tuple[int, float]] = msgspec.field(default_factory=dict)
    programmes: dict[str, Programme] = msgspec.field(default_factory=dict)


class ScreensState:
    """The present programme of each screen; after a start there is none, so each is planned anew."""

    def __init__(self) -> None:
        self.programmes: dict[str, Programme] = {}

    def accept(self, changes: ScreensChanges) -> None:
        """Apply committed changes."""
        self.programmes.update(changes.programmes)

    def rebase(self, step_ms: int) -> None:
        """Move the ends of the programmes with the clock."""
        self.programmes = {screen: msgspec.structs.replace(one, until_ms=one.until_ms + step_ms) for screen, one in self.programmes.items()}

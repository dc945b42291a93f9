"""The state of learning from answers: the learner's values by key, and how well its propensities hold.

No row is about a person; the effects of one person are in the person's context.
"""

from __future__ import annotations

from typing import ClassVar

from gateway.core.learning.health import Health
from gateway.core.learning.state import LearnedState
from gateway.core.state.slices import SliceChanges


class LearningChanges(SliceChanges):
    """`learned` has the changed keys, or everything if the state `begun` anew with this basis (see `gateway.core.learning.begin`)."""

    DURABLE: ClassVar[frozenset[str]] = frozenset({"learned", "health", "begun"})

    learned: LearnedState | None = None
    health: Health | None = None
    begun: str | None = None


class LearningState:
    """`basis` identifies the predictors and offers that the state is for; empty before the first decision with learning."""

    def __init__(self, learned: LearnedState | None = None, health: Health | None = None, basis: str = "") -> None:
        self.learned = learned or LearnedState()
        self.health = health or Health()
        self.basis = basis

    def accept(self, changes: LearningChanges) -> None:
        """Apply committed changes."""
        if changes.begun is not None:
            self.learned, self.basis = LearnedState(), changes.begun
        if changes.learned is not None:
            self.learned = self.learned.plus(changes.learned)
        if changes.health is not None:
            self.health = changes.health

    def rebase(self, step_ms: int) -> None:
        """Nothing to move: knowledge fades by the times of the answers, and one that lies in the future counts as the latest."""

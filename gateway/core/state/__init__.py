"""The state of a gateway in slices, and the changes of one batch to it.

`advance` (see `gateway.core.engine`) never changes the state: it reads through to it and writes into `Changes`. When these are safely
stored they are accepted, so after a failed commit memory and disk still agree.

A new kept thing is one slice: a file here with its changes and, if it lives in memory, its state; a field of `Changes` (and of `State`);
a file in `gateway/adapters/store/` and an SQL file in its `schema/`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from gateway.core.state.budgets import BudgetsChanges, BudgetsState, Reservation
from gateway.core.state.claims import ClaimsChanges, ClaimsState
from gateway.core.state.clock import ClockChanges, ClockState
from gateway.core.state.counts import Closing, CountsChanges, CountsState
from gateway.core.state.coupons import CouponsChanges
from gateway.core.state.decisions import DecisionsChanges, Proposed, Trigger
from gateway.core.state.facts import FactRow, FactsChanges
from gateway.core.state.history import HistoryChanges
from gateway.core.state.incidents import IncidentsChanges, IncidentsState
from gateway.core.state.learning import LearningChanges, LearningState
from gateway.core.state.occasions import OccasionsChanges, OccasionsState
from gateway.core.state.outcomes import OutcomesChanges, OutcomesState, Window
from gateway.core.state.people import PeopleChanges, PeopleState
from gateway.core.state.register import RegisterChanges
from gateway.core.state.replies import RepliesChanges
from gateway.core.state.retention import RetentionChanges, RetentionState
from gateway.core.state.screens import ScreensChanges, ScreensState
from gateway.core.state.sensors import SensorsChanges, SensorsState
from gateway.core.state.slices import SliceChanges
from gateway.core.state.visits import PresenceKey, Visit, VisitsChanges, VisitsState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.core.context import SubjectContext
    from gateway.core.discards import Discard

__all__ = [
    "BudgetsState",
    "Changes",
    "ClaimsState",
    "ClockState",
    "Closing",
    "CountsState",
    "FactRow",
    "IncidentsState",
    "LearningState",
    "OccasionsState",
    "OutcomesState",
    "PeopleState",
    "PresenceKey",
    "Proposed",
    "Reservation",
    "RetentionState",
    "ScreensState",
    "SensorsState",
    "State",
    "Trigger",
    "Visit",
    "VisitsState",
    "Window",
]


class Changes:
    """The changes of one batch, a slice each; a slice exists once it is used, and iterating yields (name, slice) of those.

    `totals` and `discarded` count the batch's observations for the status: kept == received - discarded.
    """

    people: PeopleChanges
    facts: FactsChanges
    visits: VisitsChanges
    history: HistoryChanges
    decisions: DecisionsChanges
    budgets: BudgetsChanges
    outcomes: OutcomesChanges
    learning: LearningChanges
    counts: CountsChanges
    sensors: SensorsChanges
    retention: RetentionChanges
    register: RegisterChanges
    claims: ClaimsChanges
    replies: RepliesChanges
    coupons: CouponsChanges
    occasions: OccasionsChanges
    incidents: IncidentsChanges
    clock: ClockChanges
    screens: ScreensChanges

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.discarded: Counter[Discard] = Counter()

    def __getattr__(self, name: str) -> SliceChanges:
        """Make a slice at its first use; most batches touch two of them."""
        if name not in SLICES:
            raise AttributeError(name)
        part = SLICES[name]()
        setattr(self, name, part)
        return part

    def __iter__(self) -> Iterator[tuple[str, SliceChanges]]:
        return iter([(name, part) for name, part in self.__dict__.items() if name in SLICES])

    @property
    def is_durable(self) -> bool:
        """Whether the batch needs a commit before it is acknowledged."""
        return any(part.is_durable for _, part in self)

    def forget(self, person: SubjectContext) -> None:
        """Remove the batch's changes about a person who withdrew, and delete the person's rows in the commit."""
        self.people.contexts[person.subject] = None
        self.outcomes.forgotten.append(person.subject)
        for _, part in self:
            part.forget(person)


SLICES: dict[str, type[SliceChanges]] = {
    "people": PeopleChanges,
    "facts": FactsChanges,
    "visits": VisitsChanges,
    "history": HistoryChanges,
    "decisions": DecisionsChanges,
    "budgets": BudgetsChanges,
    "outcomes": OutcomesChanges,
    "learning": LearningChanges,
    "counts": CountsChanges,
    "sensors": SensorsChanges,
    "retention": RetentionChanges,
    "register": RegisterChanges,
    "claims": ClaimsChanges,
    "replies": RepliesChanges,
    "coupons": CouponsChanges,
    "occasions": OccasionsChanges,
    "incidents": IncidentsChanges,
    "clock": ClockChanges,
    "screens": ScreensChanges,
}
"""All slices by name, in the order in which they are stored."""


class State(msgspec.Struct):
    """The state in memory, a slice each; facts, decisions and the history log live in the store only. Used by the writer thread."""

    people: PeopleState
    visits: VisitsState
    budgets: BudgetsState
    outcomes: OutcomesState
    learning: LearningState
    counts: CountsState
    sensors: SensorsState
    retention: RetentionState
    claims: ClaimsState
    occasions: OccasionsState
    incidents: IncidentsState
    clock: ClockState
    screens: ScreensState

    def accept(self, changes: Changes) -> None:
        """Apply changes that were committed, or that needed no commit."""
        for name, part in changes:
            if name in self.__struct_fields__:
                getattr(self, name).accept(part)

    def rebase(self, step_ms: int) -> None:
        """Move every moment in memory by the step of the clock."""
        for name in self.__struct_fields__:
            getattr(self, name).rebase(step_ms)

"""Outcomes of proposals: a window opens with each intended decision, collects answers, visits and a purchase, and closes once.

A window of a person of the holdout collects the same, apart from answers, so both groups can be compared. A window is closed
OUTCOME_GRACE_MS after its horizon, so that answers and purchases on the way still count.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from gateway.core import limits
from gateway.core.ends import Ends
from gateway.core.learning.types import Known
from gateway.core.policy.decision import Arm
from gateway.core.state.slices import SliceChanges
from gateway.core.types import AnswerKind, Occasion

if TYPE_CHECKING:
    from gateway.core.context import SubjectContext

OutcomeKind = Literal["redeemed", "accepted", "dismissed", "opened", "shown", "none"]


class Window(msgspec.Struct, frozen=True):
    """The outcome of a decision so far. Its horizon ends at `until_ms`.

    `visited` is whether the person dwelled in `shop` before, `amount_minor` the purchase that redeemed the offer. `known` is the input of
    learning, if the decision was weighed, with the digest of its `predictors`, the learned `propensity` and the `score` of the model.
    """

    subject: str
    offer: str
    shop: str
    zone: str
    occasion: Occasion
    arm: Arm
    until_ms: int
    answer: AnswerKind | None = None
    visited: bool = False
    amount_minor: int = 0
    known: Known | None = None
    predictors: str = ""
    propensity: float = 0.0
    score: float = 0.0


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of one decision, of a window that closed at `closed_at_ms`."""

    closed_at_ms: int
    outcome: OutcomeKind
    visited: bool
    amount_minor: int


class OutcomesChanges(SliceChanges):
    """`windows` that opened or changed, and outcomes of those that `closed`, by decision id; subjects that are `forgotten`.

    Windows of `dropped` decisions end without an outcome.
    """

    DURABLE: ClassVar[frozenset[str]] = frozenset({"windows", "closed", "dropped"})
    VOLATILE: ClassVar[frozenset[str]] = frozenset({"forgotten"})

    windows: dict[str, Window] = msgspec.field(default_factory=dict)
    closed: dict[str, Outcome] = msgspec.field(default_factory=dict)
    dropped: list[str] = msgspec.field(default_factory=list)
    forgotten: list[str] = msgspec.field(default_factory=list)

    def forget(self, person: SubjectContext) -> None:
        """Open no window of this batch; the store deletes the person's rows together with the decisions."""
        self.windows = {decision: window for decision, window in self.windows.items() if window.subject != person.subject}


class OutcomesState:
    """Open windows by decision id.

    `hears_from_ms` is the time since which messages arrive, None without a connection: then no window is due. None closes sooner than
    OUTCOME_GRACE_MS after it, because answers may be waiting at the broker.
    """

    def __init__(self, windows: Mapping[str, Window] | None = None, now_ms: int = 0) -> None:
        """Restore open windows."""
        self.hears_from_ms: int | None = now_ms
        self._restore(windows or {})

    def of(self, subject: str) -> list[str]:
        """Decision ids of the subject's open windows, in the order of opening."""
        return list(self._by_subject.get(subject, ()))

    def accept(self, changes: OutcomesChanges) -> None:
        """Apply committed changes."""
        for decision, window in changes.windows.items():
            self._keep(decision, window)
        for decision in (*changes.closed, *changes.dropped):
            self._drop(decision)
        for subject in changes.forgotten:
            for decision in self.of(subject):
                self._drop(decision)

    def rebase(self, step_ms: int) -> None:
        """Move the ends of all windows with the clock, so that a set clock closes none."""
        if self.hears_from_ms is not None:
            self.hears_from_ms += step_ms
        self._restore({id_: msgspec.structs.replace(one, until_ms=one.until_ms + step_ms) for id_, one in self.open.items()})

    def next_due_ms(self) -> int | None:
        """The earliest time at which a window is to be closed, or None."""
        first_ms = self._ends.first_ms()
        return self._due_ms(first_ms) if first_ms is not None and self.hears_from_ms is not None else None

    def due(self, now_ms: int) -> list[str]:
        """Decision ids of windows to close, the earliest first, at most OUTCOME_ROWS_MAX."""
        next_ms = self.next_due_ms()
        if next_ms is None or next_ms > now_ms:
            return []
        return list(islice(self._ends.until(now_ms - limits.OUTCOME_GRACE_MS), limits.OUTCOME_ROWS_MAX))

    def _due_ms(self, until_ms: int) -> int:
        return max(until_ms, self.hears_from_ms or 0) + limits.OUTCOME_GRACE_MS

    def _restore(self, windows: Mapping[str, Window]) -> None:
        self.open: dict[str, Window] = {}
        self._by_subject: dict[str, dict[str, None]] = {}
        self._ends = Ends(self.open)
        for decision, window in windows.items():
            self._keep(decision, window)

    def _keep(self, decision: str, window: Window) -> None:
        if decision not in self.open:
            self._ends.add(window.until_ms, decision)
            self._by_subject.setdefault(window.subject, {})[decision] = None
        self.open[decision] = window

    def _drop(self, decision: str) -> None:
        window = self.open.pop(decision, None)
        if window is None:
            return
        theirs = self._by_subject[window.subject]
        theirs.pop(decision)
        if not theirs:
            del self._by_subject[window.subject]

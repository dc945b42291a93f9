"""The decision log as columns: intended offers with outcomes, and silences by zone and hour. Nothing here names a person."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gateway.core.site import local

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from gateway.adapters.store.reader import LoggedDecision
    from gateway.core.attributes.read import ReadPlan
    from gateway.core.attributes.schema import Attribute
    from gateway.core.measure.rates import Floats, Ints
    from gateway.core.policy.decision import Decision

TAKEN = ("accepted", "redeemed")


class Row(NamedTuple):
    """An intended offer. `person` is a number of this reading; `propensity` is None if the log has none; `closed_at_ms` as in the log."""

    person: int
    offer: str
    at_ms: int
    is_sent: bool
    answer: str
    propensity: float | None
    closed_at_ms: int | None
    visited: bool
    amount_minor: int

    @property
    def is_taken(self) -> bool:
        """Whether the offer was accepted or redeemed."""
        return self.answer in TAKEN


class Scored(NamedTuple):
    """A decision for which offers were scored: the person, the segment, and whether an offer was intended."""

    person: int
    segment: str
    is_offered: bool


class Rows(NamedTuple):
    """The columns of a log. `silences` counts decisions without an intended offer by (zone, local hour, reason).

    `arms` has the arm of each person with an intended offer (True: held out), and `mixed` the number of people in both. `policies` counts
    decisions by version of the policy. `segments` is parallel to `intended`, "" where the log states none.
    """

    first_ms: int
    last_ms: int
    decisions: int
    people: int
    intended: list[Row]
    segments: list[str]
    scored: list[Scored]
    silences: Counter[tuple[str, int, str]]
    arms: dict[int, bool]
    mixed: int
    policies: Counter[str]

    @property
    def days(self) -> float:
        """Days from the first decision to the last."""
        return (self.last_ms - self.first_ms) / 86_400_000

    def sent(self) -> list[Row]:
        """The intended offers that were sent."""
        return [row for row in self.intended if row.is_sent]


def read_rows(log: Iterable[LoggedDecision], plan: ReadPlan, timezone: ZoneInfo, by: Attribute | None) -> Rows:
    """The columns of a log; segments are the values of the category `by` of a person. Raises ValueError for an empty log."""
    intended: list[Row] = []
    segments: list[str] = []
    scored: list[Scored] = []
    silences: Counter[tuple[str, int, str]] = Counter()
    policies: Counter[str] = Counter()
    held: dict[int, set[bool]] = {}
    people: set[int] = set()
    first_ms = last_ms = -1
    for one in log:
        decision = one.decision
        people.add(one.person)
        policies[decision.policy] += 1
        first_ms, last_ms = decision.at_ms if first_ms < 0 else first_ms, decision.at_ms
        segment = _segment(decision, plan, by)
        if decision.intended is None or decision.arm == "undelivered":
            silences[decision.zone, local(decision.at_ms, timezone).hour, decision.arm or decision.reason] += 1
        else:
            is_sent = decision.arm == "sent"
            held.setdefault(one.person, set()).add(not is_sent)
            propensity = next((each.propensity for each in decision.candidates if each.offer == decision.intended), None)
            answer = one.answer or ""
            outcome = one.closed_at_ms, one.visited, one.amount_minor
            intended.append(Row(one.person, decision.intended, decision.at_ms, is_sent, answer, propensity, *outcome))
            segments.append(segment)
        if segment:
            scored.append(Scored(one.person, segment, decision.intended is not None))
    if not people:
        raise ValueError("the log has no decision")
    mixed = sum(len(arms) > 1 for arms in held.values())
    arms = {person: True in arms for person, arms in held.items()}
    decisions = silences.total() + len(intended)
    return Rows(first_ms, last_ms, decisions, len(people), intended, segments, scored, silences, arms, mixed, policies)


def numbered(values: Iterable[int]) -> Ints:
    """Integers as an array, (n,)."""
    return np.fromiter(values, dtype=np.int64)


def amounts(values: Iterable[float]) -> Floats:
    """Numbers as an array, (n,)."""
    return np.fromiter(values, dtype=np.float64)


def _segment(decision: Decision, plan: ReadPlan, by: Attribute | None) -> str:
    """The value of a category in the row that was scored, or "" without one."""
    if by is None or decision.columns != plan.digest:
        return ""
    row = next((each.row() for each in decision.candidates if each.features), None)
    if row is None:
        return ""
    return next((value for column, value in zip(by.columns, by.values, strict=True) if row[plan.columns.index(column)] == 1.0), "")

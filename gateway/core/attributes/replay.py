"""Replay of a history log: the values of a person's attributes just before each decision, by the gateway's own functions.

A decision states how many facts its scored attributes rest on. The replay folds that many facts of the exported log and reads the values
at the time of the decision. Values about the place, moment and offer are not in the log and stay as scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.attributes.aggregators import State
from gateway.core.attributes.history import Stated
from gateway.core.attributes.log import FoldedFact, LogRow
from gateway.core.attributes.read import ReadPlan
from gateway.core.types import Purpose

_LINE = msgspec.json.Decoder(LogRow)


class PastDecision(NamedTuple):
    """A decision of the log: the number of facts before it, its time, the offer's category, and the row that was scored."""

    facts: int
    at_ms: int
    category: str | None
    row: NDArray[np.float32]


class IncompleteLogError(ValueError):
    """The log does not begin with the person's first fact (retention, or a later consent to learning), or lacks one."""


class Replay:
    """The history of one person, fact by fact."""

    def __init__(self, plan: ReadPlan) -> None:
        """Start without any fact."""
        self._plan = plan
        self._folded = 0
        self._history: dict[str, State] = {}
        self._told: dict[str, Stated] = {}
        self._purposes: tuple[Purpose, ...] = ()

    def fold(self, logged: LogRow) -> None:
        """Fold the next fact. Raises IncompleteLogError if it is not the next one."""
        if logged.number != self._folded + 1:
            raise IncompleteLogError(f"fact {logged.number} follows fact {self._folded}")
        self._folded, history = logged.number, self._plan.history
        body = logged.body
        if isinstance(body, FoldedFact):
            self._history = history.fold(self._history, self._purposes, body.fact, logged.at_ms)
            return
        self._purposes = body.purposes
        stated = history.stated(body.told, body.purposes)
        self._told = history.stated(self._told, body.purposes) | stated
        self._history = history.renewed(self._history, body.purposes, stated, logged.at_ms)

    @property
    def person(self) -> tuple[Mapping[str, Stated], Mapping[str, State], tuple[Purpose, ...]]:
        """Stated values, states of history attributes and purposes, as a request holds them."""
        return self._told, self._history, self._purposes

    def numbers(self, at_ms: int) -> NDArray[np.float64]:
        """The numbers of the person at a time, as `ReadPlan.person_numbers`."""
        return self._plan.person_numbers(self._told, self._history, self._purposes, at_ms)


def replayed_rows(plan: ReadPlan, log: Sequence[LogRow], decisions: Iterable[PastDecision]) -> Iterator[NDArray[np.float32]]:
    """For each decision, in the order of its facts, the scored row with every value of the person worked out again.

    Raises IncompleteLogError if the log lacks a fact that a decision rests on.
    """
    replay, at = Replay(plan), 0
    for decision in decisions:
        while at < decision.facts:
            if at >= len(log):
                raise IncompleteLogError(f"the decision rests on {decision.facts} facts, the log has {len(log)}")
            replay.fold(log[at])
            at += 1
        yield plan.person_row(decision.row, replay.numbers(decision.at_ms), decision.category)


def logged_facts(lines: Iterable[bytes]) -> dict[str, list[LogRow]]:
    """The facts of each person in the lines of `facts.jsonl`. Raises ValueError for a line that is no fact."""
    found: dict[str, list[LogRow]] = {}
    for line in lines:
        try:
            row = _LINE.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"a line of the history log is no fact ({str(error)[:120]})") from error
        found.setdefault(row.subject, []).append(row)
    return found

"""Everything that is kept of one person: the same values for the page, for the export, and for the operator's desk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import msgspec

from gateway.core.attributes.log import LogRow
from gateway.core.context import SubjectContext, Wishes
from gateway.core.policy.decision import Decision
from gateway.core.records import HourCounts, OfferCounts
from gateway.core.state import Visit
from gateway.core.state.register import Grant
from gateway.core.types import AnswerKind


class People(Protocol):
    """Reads about people; see `gateway.adapters.store.reader.Reader`."""

    def subject_of(self, identifier: str) -> str | None:
        """The subject of a device, tag or page."""

    def person(self, subject: str) -> SubjectContext | None:
        """The context of a subject."""

    def grants(self, subject: str) -> list[Grant]:
        """The grants of a person in the consent register."""

    def presences(self, subject: str) -> list[tuple[str, int, int]]:
        """Zones in which the person is, with the times of entering and of the newest observation."""

    def visits(self, subject: str) -> Iterator[Visit]:
        """Ended visits."""

    def answered(self, subject: str, since_ms: int) -> list[tuple[Decision, AnswerKind | None]]:
        """The decisions for a person with the answers, the newest first."""

    def facts(self, subject: str) -> list[tuple[str, int, str | None, str | None, str | None, int | None, str | None]]:
        """The facts of a person and of the person's decisions."""

    def history(self, subject: str) -> Iterator[LogRow]:
        """The history log."""

    def contacts_used(self, subject: str) -> dict[str, int]:
        """By table of counts: the person's contacts that count today."""

    def shown_records(self) -> list[HourCounts | OfferCounts]:
        """The newest released counts, with their noise."""


class Stay(msgspec.Struct, frozen=True):
    """A visit, or with `left_ms` None the present one."""

    zone: str
    entered_ms: int
    left_ms: int | None = None
    confidence: float | None = None
    observations: int | None = None


class Considered(msgspec.Struct, frozen=True):
    """An offer that a decision considered: the reason of its place, and the probability that the person takes it, if it was scored."""

    offer: str
    reason: str
    propensity: float | None


class Decided(msgspec.Struct, frozen=True):
    """A decision for the person; `offer` is None for silence, and `intended` the offer that would have been sent to the holdout.

    `considered` are the offers that are in the log, the chosen one first.
    """

    id: str
    at_ms: int
    zone: str
    occasion: str
    offer: str | None
    intended: str | None
    reason: str
    answer: str | None
    policy: str
    considered: tuple[Considered, ...]


class Fact(msgspec.Struct, frozen=True):
    """A consent, wish, request, answer or purchase."""

    kind: str
    at_ms: int
    zone: str | None
    decision: str | None
    detail: str | None
    amount_minor: int | None
    reason: str | None


class Logged(msgspec.Struct, frozen=True):
    """A row of the history log, `body` as JSON values."""

    number: int
    at_ms: int
    body: Any


class Kept(msgspec.Struct, frozen=True):
    """All rows of a person as of one time. `attributes` are the states that offers are chosen by, `learned` the person's own effects."""

    at_ms: int
    subject: str
    identifiers: tuple[str, ...]
    keys: tuple[str, ...]
    consents: tuple[Grant, ...]
    wishes: Wishes | None
    presences: tuple[Stay, ...]
    visits: tuple[Stay, ...]
    decisions: tuple[Decided, ...]
    facts: tuple[Fact, ...]
    stated: Mapping[str, Any]
    attributes: Mapping[str, Any]
    learned: Any
    history: tuple[Logged, ...]
    contacts_waiting: Mapping[str, int]

    @property
    def rows(self) -> dict[str, int]:
        """Number of rows by table, without those that have none."""
        return {name: count for name in TABLES if (count := len(getattr(self, name)))}


TABLES = (
    "identifiers",
    "keys",
    "consents",
    "presences",
    "visits",
    "decisions",
    "facts",
    "stated",
    "attributes",
    "history",
    "contacts_waiting",
)
"""Fields of `Kept` that hold rows."""


def kept(people: People, person: SubjectContext, now_ms: int) -> Kept:
    """All that is kept of a person at `now_ms`."""
    subject = person.subject
    return Kept(
        at_ms=now_ms,
        subject=subject,
        identifiers=person.tags,
        keys=(*person.irks, *person.eid_keys),
        consents=tuple(people.grants(subject)),
        wishes=person.wishes,
        presences=tuple(Stay(zone, entered_ms) for zone, entered_ms, _ in people.presences(subject)),
        visits=tuple(Stay(one.zone, one.entered_ms, one.left_ms, one.confidence, one.observations) for one in people.visits(subject)),
        decisions=tuple(decided(*one) for one in people.answered(subject, 0)),
        facts=tuple(Fact(*row) for row in people.facts(subject)),
        stated=dict(person.told),
        attributes={name: msgspec.to_builtins(state) for name, state in person.history.items()},
        learned=msgspec.to_builtins(person.learned),
        history=tuple(Logged(row.number, row.at_ms, msgspec.to_builtins(row.body)) for row in people.history(subject)),
        contacts_waiting=people.contacts_used(subject),
    )


def decided(decision: Decision, answer: AnswerKind | None) -> Decided:
    """A decision of the log with the answer that stands."""
    return Decided(
        decision.id,
        decision.at_ms,
        decision.zone,
        decision.occasion,
        decision.offer,
        decision.intended,
        decision.reason,
        answer,
        decision.policy,
        tuple(Considered(one.offer, one.reason, one.propensity) for one in decision.candidates),
    )

"""The rows of an export: visits, decisions, answers and purchases of each person who consented to learning, under pseudonyms.

A pseudonym is a hash under a key that is drawn for one export and then dropped, so it can be found neither in the database nor in another
export. People come in the order of their pseudonyms, so that the order of the database is not exported.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from gateway.core.attributes.log import FoldedFact, LogRow
from gateway.core.attributes.schema import Schema
from gateway.core.types import Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.adapters.store.reader import Reader
    from gateway.core.attributes.read import ReadPlan
    from gateway.core.policy.decision import Decision

PSEUDONYM_BYTES = 8


class Description(msgspec.Struct, frozen=True):
    """Names of the scored columns, digest of the definitions, schema, and time zone of the site."""

    columns: tuple[str, ...]
    digest: str
    schema: Schema
    timezone: str


class VisitRow(NamedTuple):
    """An ended visit; `kind` is the kind of place, `confidence` the probability of the presence."""

    entered_ms: int
    left_ms: int
    zone: str
    kind: str | None
    confidence: float


class DecisionRow(NamedTuple):
    """An offer that was proposed, or silence (without offer, kind, propensity and features).

    `arm` is `sent`, `held_out` or empty, `intended` the chosen offer in both arms, `policy` its version. The seed is not exported:
    it would name the row of the database.

    `features` are the values that the model scored, in the order of its columns; None for unknown ones, and for another model's columns.
    `facts` is the number of facts of the history log behind the scored values.
    """

    id: str
    at_ms: int
    zone: str
    offer: str | None
    kind: str | None
    propensity: float | None
    p_select: float
    features: tuple[float | None, ...] | None
    facts: int
    arm: str
    intended: str | None
    policy: str


class AnswerRow(NamedTuple):
    """An answer to a decision; `kind` is shown, opened, accepted, dismissed or redeemed."""

    decision: str
    at_ms: int
    kind: str


class PurchaseRow(NamedTuple):
    """A purchase in which the offer of a decision was redeemed; `kind` is its category, `items` its lines, if the till stated them."""

    id: str
    decision: str
    at_ms: int
    zone: str
    kind: str
    amount_minor: int | None
    items: tuple[Item, ...]


class PersonRows(NamedTuple):
    """All rows of one person, each list in the order of time."""

    subject: str
    visits: list[VisitRow]
    decisions: list[DecisionRow]
    answers: list[AnswerRow]
    purchases: list[PurchaseRow]
    facts: list[LogRow]


class Totals:
    """Number of people, of interactions by type, and of purchases."""

    def __init__(self) -> None:
        """Start at zero."""
        self.subjects = 0
        self.purchases = 0
        self.interactions: Counter[str] = Counter()


def read_people(reader: Reader, kinds: dict[str, str], plan: ReadPlan, now_ms: int) -> Iterator[PersonRows]:
    """The rows of everyone whose consent covers learning at `now_ms`; `kinds` is the kind of place by zone, `plan` the active model's."""
    key = secrets.token_bytes(32)

    def pseudonym(name: str) -> str:
        return hashlib.blake2b(name.encode(), key=key, digest_size=PSEUDONYM_BYTES).hexdigest()

    for name, subject in sorted((pseudonym(subject), subject) for subject in reader.learnable(now_ms)):
        facts = list(reader.offer_facts(subject))
        log = [msgspec.structs.replace(row, subject=name) for row in reader.history(subject)]
        categories = {row.body.fact.offer: row.body.fact.category for row in log if isinstance(row.body, FoldedFact)}
        yield PersonRows(
            name,
            [
                VisitRow(visit.entered_ms, visit.left_ms, visit.zone, kinds.get(visit.zone) or None, round(visit.confidence, 4))
                for visit in reader.visits(subject)
            ],
            [_decision(decision, pseudonym(decision.id), plan, categories) for decision in reader.decisions(subject)],
            [AnswerRow(pseudonym(fact.decision), fact.at_ms, fact.detail) for fact in facts if fact.kind == "answer"],
            [
                PurchaseRow(
                    pseudonym(f"{fact.decision} {number}"),
                    pseudonym(fact.decision),
                    fact.at_ms,
                    fact.zone,
                    fact.detail or "",
                    fact.amount_minor,
                    fact.items,
                )
                for number, fact in enumerate(facts)
                if fact.kind == "purchase"
            ],
            log,
        )


def counted(people: Iterable[PersonRows], totals: Totals) -> Iterator[PersonRows]:
    """`people` again; each person is added to `totals`."""
    for person in people:
        totals.subjects += 1
        totals.purchases += len(person.purchases)
        totals.interactions.update(decision_type(decision) for decision in person.decisions)
        totals.interactions.update(answer.kind for answer in person.answers)
        totals.interactions += Counter(visit=len(person.visits), purchase=len(person.purchases))
        yield person


def decision_type(decision: DecisionRow) -> str:
    """The type of interaction: proposed, or silent without an offer."""
    return "silent" if decision.offer is None else "proposed"


def _decision(decision: Decision, name: str, plan: ReadPlan, categories: dict[str | None, str | None]) -> DecisionRow:
    """`categories` is the category by offer, of the history log: the campaign of that day may not exist any more."""
    if decision.arm == "undelivered":  # as if it had been silent
        decision = msgspec.structs.replace(decision, offer=None, intended=None, arm="")
    chosen = next((candidate for candidate in decision.candidates if candidate.offer == decision.offer), None)
    arm = decision.arm, decision.intended, decision.policy
    if chosen is None:
        return DecisionRow(name, decision.at_ms, decision.zone, None, None, None, decision.p_select, None, decision.facts, *arm)
    known = [None if math.isnan(value) else value for value in chosen.row().tolist()]
    scored = tuple(known) if decision.columns == plan.digest else None
    kind = categories.get(chosen.offer)
    return DecisionRow(
        name, decision.at_ms, decision.zone, chosen.offer, kind, chosen.propensity, decision.p_select, scored, decision.facts, *arm
    )

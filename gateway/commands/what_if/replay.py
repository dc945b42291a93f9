"""The logged moments again, in order of time, with another campaign: the real decision core, and history replayed from the log.

A moment is replayed if the log holds the person's whole history, which is kept of people who consented to learning. Attributes of the
history are those of the past as it was. Caps, silences and budgets follow from the offers of this replay; the holdout and the contacts
by other gateways are those of the log. The answer to an offer is known where the log has the same offer at the same moment; any other is
drawn, by the id of the decision, from the answers that the log has to the offer, or to all offers if it has none.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from gateway.commands.results.rows import TAKEN
from gateway.commands.what_if.here import STALE_MS, dwell_s_of, here_of
from gateway.core import limits
from gateway.core.attributes.replay import IncompleteLogError, Replay
from gateway.core.context import Contact, SubjectContext, ZoneContext, weightier
from gateway.core.neighbours import elsewhere_of
from gateway.core.policy.choose import decide
from gateway.core.policy.prepared import DecisionRequest
from gateway.core.types import AnswerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gateway.adapters.store.reader import OfferFact, Reader
    from gateway.core.attributes.log import LogRow
    from gateway.core.attributes.read import ReadPlan
    from gateway.core.policy.choose import Scorer
    from gateway.core.policy.decision import Decision
    from gateway.core.site import Site

NO_HISTORY = "the person's history is not in the log as a whole (no consent to learning, or older than the retention)"
HOUR_MS = 3_600_000


class Moment(NamedTuple):
    """One logged moment: the number of the person, the logged decision, its answer, whether its window is closed, and the decision now."""

    person: int
    before: Decision
    answer: AnswerKind | None
    is_closed: bool
    after: Decision


class Replayed(NamedTuple):
    """The moments in order of time, and the number of those that were left out, by reason."""

    moments: list[Moment]
    left_out: Counter[str]


class _Person:
    """The history of one person up to the moment reached, and the offers of this replay."""

    def __init__(
        self,
        number: int,
        log: list[LogRow],
        answers: list[OfferFact],
        elsewhere: list[tuple[int, str, str, str]],
        plan: ReadPlan,
        *,
        is_held: bool,
    ) -> None:
        self.number, self.is_held = number, is_held
        self._elsewhere = elsewhere
        self._log, self._folded, self._replay = log, 0, Replay(plan)
        self._answers, self._heard = answers, 0
        self._standing: dict[str, AnswerKind] = {}
        self._contacts: list[tuple[Contact, bool]] = []

    def add(self, contact: Contact, *, is_logged: bool) -> None:
        """Add an offer; one that `is_logged` gets the answers of the log."""
        self._contacts.append((contact, is_logged))

    def at(self, decision: Decision) -> SubjectContext:
        """The context just before a decision. Raises IncompleteLogError."""
        while self._folded < decision.facts:
            if self._folded >= len(self._log):
                raise IncompleteLogError(f"the decision rests on {decision.facts} facts, the log has {len(self._log)}")
            self._replay.fold(self._log[self._folded])
            self._folded += 1
        told, history, purposes = self._replay.person
        contacts = self._answered(decision.at_ms)
        elsewhere = elsewhere_of(row for row in self._elsewhere if row[0] < decision.at_ms)
        person = SubjectContext("", "", purposes, "", 0, told=told, history=history, facts=decision.facts)
        return msgspec.structs.replace(person, contacts=contacts, elsewhere=elsewhere)

    def _answered(self, now_ms: int) -> tuple[Contact, ...]:
        """The newest offers with the answers up to now."""
        while self._heard < len(self._answers) and self._answers[self._heard].at_ms <= now_ms:
            fact = self._answers[self._heard]
            kind = msgspec.convert(fact.detail, AnswerKind)
            self._standing[fact.decision] = weightier(self._standing.get(fact.decision), kind)
            self._heard += 1
        newest = self._contacts[-limits.CONTACTS_KEPT_MAX :]
        return tuple(
            msgspec.structs.replace(one, answer=self._standing.get(one.decision)) if is_logged else one for one, is_logged in newest
        )


class _Budgets:
    """Amounts that this replay has used: reserved until the validity ends, then spent if the offer was accepted."""

    def __init__(self, site: Site) -> None:
        self._offers = {offer.id: offer for offer in site.campaign.offers if offer.budget_minor is not None}
        self._spent: Counter[str] = Counter()
        self._open: list[tuple[int, str, bool]] = []

    def used(self, now_ms: int) -> dict[str, int]:
        """Minor units by offer with a budget, reserved ones in full."""
        for ended in [one for one in self._open if one[0] <= now_ms]:
            self._open.remove(ended)
            self._spent[ended[1]] += self._offers[ended[1]].cost_minor if ended[2] else 0
        reserved = Counter(offer for _, offer, _ in self._open)
        return {id_: self._spent[id_] + reserved[id_] * offer.cost_minor for id_, offer in self._offers.items()}

    def reserve(self, offer: str, now_ms: int, *, is_taken: bool) -> None:
        """Reserve for an offer; the amount is released after the validity unless it `is_taken`."""
        known = self._offers.get(offer)
        if known is not None:
            self._open.append((now_ms + int(known.expiry_hours * HOUR_MS), offer, is_taken))


def replayed(
    reader: Reader, site: Site, scorer: Scorer, logged: ReadPlan, since_ms: int, now_ms: int, step: Callable[[], None]
) -> Replayed:
    """Decide every moment of the log since `since_ms` again at `site`; `logged` is the plan of the logged rows, `step` is called for each.

    `now_ms` is the time at which consents must stand.
    """
    subjects = reader.learnable(now_ms)
    outcomes = [reader.answers(subject) for subject in subjects]
    people = [_known(reader, number, subject, site) for number, subject in enumerate(subjects)]
    pending = sorted(((one, person) for person, decisions in people for one in decisions), key=lambda item: (item[0].at_ms, item[0].id))
    found = Replayed([], Counter())
    budgets, latest, answers = _Budgets(site), _Latest(logged), _Answers(pending, outcomes)
    for before, person in pending:
        latest.learn(before)
        if before.at_ms < since_ms:
            if before.intended is not None and before.arm != "undelivered":
                person.add(Contact(before.id, before.intended, before.at_ms, is_sent=before.arm == "sent"), is_logged=True)
            continue
        step()
        try:
            subject = person.at(before)
        except IncompleteLogError:
            found.left_out[NO_HISTORY] += 1
            continue
        dwell_s = latest.dwell_s(before, site)
        used = budgets.used(before.at_ms)
        place = before.zone, before.occasion, before.at_ms, site, dwell_s
        request = DecisionRequest(subject, *place, used, seed=before.seed, held_out=person.is_held)
        after = decide(request, latest.here(before), scorer, before.id)
        answer, is_closed = outcomes[person.number].get(before.id), before.id in outcomes[person.number]
        if after.intended is not None and not (after.intended == before.intended and before.arm == "undelivered"):
            is_logged = after.intended == before.intended
            drawn = None if is_logged or person.is_held else answers.drawn(after.intended, before.id)
            contact = Contact(before.id, after.intended, before.at_ms, drawn, is_sent=not person.is_held)
            person.add(contact, is_logged=is_logged)
            if after.offer is not None:
                budgets.reserve(after.offer, before.at_ms, is_taken=(answer if is_logged else drawn) in TAKEN)
        found.moments.append(Moment(person.number, before, answer, is_closed, after))
    return found


def _known(reader: Reader, number: int, subject: str, site: Site) -> tuple[_Person, list[Decision]]:
    decisions = [one for one in reader.decisions(subject) if one.zone in site.zones]
    answers = [fact for fact in reader.offer_facts(subject) if fact.kind == "answer"]
    is_held = any(one.arm == "held_out" for one in decisions)
    return _Person(number, list(reader.history(subject)), answers, reader.elsewhere(subject), site.plan, is_held=is_held), decisions


class _Answers:
    """The answers of the log to the offers that were sent, of closed windows."""

    def __init__(self, pending: Iterable[tuple[Decision, _Person]], outcomes: Sequence[Mapping[str, AnswerKind | None]]) -> None:
        self._all: list[AnswerKind | None] = []
        self._by_offer: defaultdict[str, list[AnswerKind | None]] = defaultdict(list)
        for decision, person in pending:
            if decision.offer is not None and decision.id in outcomes[person.number]:
                answer = outcomes[person.number][decision.id]
                self._all.append(answer)
                self._by_offer[decision.offer].append(answer)

    def drawn(self, offer: str, decision: str) -> AnswerKind | None:
        """One of the answers to an offer; the same for the same decision."""
        known = self._by_offer.get(offer) or self._all or [None]
        return known[int.from_bytes(hashlib.blake2b(decision.encode(), digest_size=8).digest(), "big") % len(known)]


class _Latest:
    """The sensor values of each zone at the newest moment with scored offers."""

    def __init__(self, plan: ReadPlan) -> None:
        self._plan = plan
        self._known: dict[str, tuple[int, ZoneContext]] = {}

    def learn(self, decision: Decision) -> None:
        """Take the values of a decision with scored offers."""
        row = next((one.row() for one in decision.candidates if one.features), None)
        if row is not None and decision.columns == self._plan.digest:
            self._known[decision.zone] = decision.at_ms, here_of(row, self._plan, decision.at_ms)

    def here(self, decision: Decision) -> ZoneContext:
        """The values at a decision; those of an earlier one in the zone where no offer was scored."""
        at_ms, here = self._known.get(decision.zone, (0, ZoneContext()))
        return here if decision.at_ms - at_ms <= STALE_MS else ZoneContext()

    def dwell_s(self, decision: Decision, site: Site) -> float:
        """Seconds since the person entered: those of the row, else the least ones of the occasion."""
        row = next((one.row() for one in decision.candidates if one.features), None)
        known = dwell_s_of(row, self._plan) if row is not None and decision.columns == self._plan.digest else None
        return (site.presence.dwell_ms / 1_000 if decision.occasion == "dwelled" else 0.0) if known is None else known

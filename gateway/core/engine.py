"""advance(): reading it top to bottom is reading the product.

A batch of observations goes in, with the world as it is, the moment, and three things the engine may
ask: the store (what was committed), the model (how likely), and chance (fresh ids). Out comes one
`Changes`: what to commit, and then whom to tell. Nothing is changed on the way.

Every observation ends in exactly one of two ways, `kept` or `discarded` with a reason:
received == kept + discarded{reason}.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.core import context as contexts
from gateway.core import limits, presence, privacy
from gateway.core.consent import consented, forget
from gateway.core.context import Contact, SubjectContext
from gateway.core.draft import Draft, Draw
from gateway.core.policy.choose import Scorer, decide
from gateway.core.policy.gates import DecisionRequest
from gateway.core.ports import Repository
from gateway.core.presence import Presence, Step, Transition
from gateway.core.privacy import CounterKey, GatewayCounters
from gateway.core.site import Site, fix_in
from gateway.core.types import (
    Answer,
    Consent,
    Count,
    Fact,
    Observation,
    Occasion,
    Position,
    Purchase,
    Reading,
    Sighting,
    Status,
    TimePassed,
)
from gateway.core.world import Changes, FactRow, Place, State, Trigger


def advance(
    site: Site, state: State, batch: Sequence[Observation], now_ms: int, repository: Repository, scorer: Scorer, draw: Draw
) -> Changes:
    """Fold a batch of observations at the moment `now_ms`; see the file's head."""
    turn = _Batch(site, state, now_ms, repository, scorer, draw)
    turn.resolve(batch)
    for observation in batch:
        discarded = turn.fold(observation)
        if discarded is None:
            turn.out.counts["kept"] += 1
        else:
            turn.out.discarded[discarded] += 1
    turn.count_triggers()
    return turn.out


class _Batch(Draft):
    """One batch, observation by observation."""

    def __init__(self, site: Site, state: State, now_ms: int, repository: Repository, scorer: Scorer, draw: Draw) -> None:
        super().__init__(site, state, now_ms, repository, draw)
        self.scorer = scorer

    def fold(self, observation: Observation) -> str | None:
        """Fold one observation; the reason if it was discarded."""
        match observation:
            case Sighting():
                return self._sighting(observation)
            case Position():
                return self._position(observation)
            case Reading() | Count():
                return self._measured(observation)
            case Purchase() | Answer() | Consent():
                return self._fact(observation)
            case TimePassed():
                return self._time_passed()
            case Status():
                return None

    # --- the sightings lane: folded in memory, committed only when it changes something -------------

    def _sighting(self, sighting: Sighting) -> str | None:
        """Either end may be the fixed one: a scanner of ours hears a tag, or a phone hears a beacon of ours."""
        heard_ms = None
        zone = self.site.anchors.get(sighting.hearer)
        if zone is not None:
            anchor, subject = sighting.hearer, self.subject_heard(sighting.heard)
        else:
            anchor = sighting.heard
            zone = self.site.anchors.get(anchor)
            if zone is None:
                return "unmapped_anchor"
            subject = self.subject_of(sighting.hearer)
        if sighting.at_ms is not None and (subject is not None or anchor == sighting.hearer):
            heard_ms = self.moment(sighting.hearer, sighting.at_ms)
            if self._is_late(heard_ms):
                return "late"
        if subject is None:
            return "not_consented"
        rules, before = self.site.presence, self.presence((subject, zone))
        step = presence.heard(before, subject, zone, anchor, sighting.rssi_dbm, self.now_ms, rules, heard_ms)
        if step[1] is not None:
            step, losers = presence.arbitrate(step, self.elsewhere(subject, zone), self.now_ms, rules)
            for loser in losers:
                self._step((subject, loser.zone), loser, presence.ended(loser, rules))
        self._step((subject, zone), before, step)
        return None

    def _position(self, position: Position) -> str | None:
        """A fix counts for every zone with an outline; a vague one near an edge says nothing either way.

        Where the phone says itself that it crossed a zone's edge, that word stands instead.
        """
        subject = self.subject_of(position.device)
        if subject is None:
            return "not_consented"
        at_ms = self.moment(position.device, position.at_ms)
        if self._is_late(at_ms):
            return "late"
        for zone in self.site.fix_zones:
            known = fix_in(zone, position)
            if known is not None:
                place, before = (subject, zone.id), self.presence((subject, zone.id))
                self._step(place, before, presence.fixed(before, subject, zone.id, *known, self.now_ms, self.site.presence, at_ms))
        return None

    def _measured(self, measured: Reading | Count) -> str | None:
        """What a sensor told counts from when it was measured; a counter's report from when it came, with all since the last one."""
        zone = self.site.devices.get(measured.device)
        if zone is None:
            return "unmapped_device"
        here = self.place(zone)
        if isinstance(measured, Reading):
            at_ms = self.moment(measured.device, measured.at_ms)
            if contexts.is_outdated(measured.quantity, at_ms, self.now_ms):
                return "late"
            self.out.places[zone] = contexts.reading(here, measured.quantity, measured.value, at_ms)
            return None
        if measured.what != "people":
            return "unused_count"  # nothing reads how many cars or birds passed, and a device may name as many kinds as it likes
        self.out.places[zone] = contexts.counted(here, measured.device, measured.count, self.now_ms)
        return None

    # --- presence changes, and the moments at which an offer may be chosen --------------------------

    def _step(self, place: Place, before: Presence | None, step: Step) -> None:
        after, transition = step
        subject = self.context(place[0]) if transition is not None else None
        if transition is not None and not self.may_see(place[0]):
            # Their word no longer covers presence: the visit ends here, and that they were heard is forgotten.
            was_in = before is not None and before.entered_ms is not None
            after, transition = None, msgspec.structs.replace(transition, kind="left") if was_in else None
        if transition is not None:
            self._transition(transition, subject)
        if after is not before:
            self.out.presences[place] = after

    def _transition(self, transition: Transition, subject: SubjectContext | None) -> None:
        """Write a change of presence down, and ask for an offer if somebody came or stayed."""
        self.tell(transition)
        if transition.kind == "left" or subject is None:
            return
        self._decide(subject, transition.zone, transition.kind)
        kind = self.site.zones[transition.zone].kind
        if transition.kind == "dwelled" and kind is not None:
            self.out.contexts[subject.subject] = contexts.visited(self.context(subject.subject) or subject, kind, self.now_ms)

    def _decide(self, subject: SubjectContext, zone: str, occasion: Occasion) -> None:
        moment = DecisionRequest(subject, zone, occasion, self.now_ms, self.site)
        decision = decide(moment, self.here(zone), self.scorer, f"{self.site.gateway}.{self.draw()}")
        self.out.decisions.append(decision)
        self.out.counts["decisions"] += 1
        if decision.offer is None:
            return
        self.out.contexts[subject.subject] = contexts.contacted(subject, Contact(decision.id, decision.offer, self.now_ms))
        expires_at_ms = self.now_ms + self.site.campaign.policy.trigger_expiry_s * 1000
        if subject.consent_expires_at_ms is not None:
            expires_at_ms = min(expires_at_ms, subject.consent_expires_at_ms)
        self.out.triggers.append(Trigger(decision.id, subject.device, decision.offer, zone, expires_at_ms))

    def count_triggers(self) -> None:
        """Count the offers of this batch that go out: one for somebody who said no in the same batch does not."""
        for trigger in self.out.triggers:
            self.out.counts["triggers"] += 1
            owner = self.subject_of(trigger.device)
            subject = self.context(owner) if owner is not None else None
            if subject is not None:
                self._count(subject, CounterKey(trigger.zone, trigger.offer, "trigger"))

    # --- the facts lane: once each, and on the disk before anyone is thanked -------------------------

    def _fact(self, fact: Fact) -> str | None:
        if fact.envelope in self.out.facts or self.repository.is_known(fact.envelope):
            return "repeated"
        row, reason = self._fact_row(fact)
        if row is None:
            return reason
        self.out.facts[fact.envelope] = row
        self.out.counts["facts"] += 1
        return None

    def _fact_row(self, fact: Fact) -> tuple[FactRow | None, str]:
        """What is kept of a fact, or why nothing is."""
        match fact:
            case Purchase():
                return self._purchase(fact)
            case Answer():
                return self._answer(fact)
            case Consent():
                return consented(self, fact)

    def _purchase(self, purchase: Purchase) -> tuple[FactRow | None, str]:
        zone = self.site.devices.get(purchase.envelope.device)
        if zone is None:
            return None, "unmapped_device"
        return FactRow(
            purchase.envelope,
            "purchase",
            self.now_ms,
            zone=zone,
            decision=purchase.decision,
            detail=purchase.kind,
            amount_minor=purchase.amount_minor,
        ), ""

    def _answer(self, answer: Answer) -> tuple[FactRow | None, str]:
        """An answer counts only from the person to whom the offer went."""
        if not answer.decision.startswith(f"{self.site.gateway}."):
            return None, "other_gateway"
        proposed = self.repository.proposed(answer.decision)
        subject = self.context(proposed.subject) if proposed else None
        if proposed is None or subject is None:
            return None, "unknown_decision"
        if subject.device != answer.envelope.device:
            return None, "not_theirs"
        if contexts.has_expired(subject.consent_expires_at_ms, self.now_ms):
            return None, "not_consented"
        standing = contexts.greater(self.out.answers.get(answer.decision, proposed.answer), answer.kind)
        self.out.contexts[subject.subject] = contexts.answered(subject, answer.decision, standing)
        self.out.answers[answer.decision] = standing
        self._count(subject, CounterKey(proposed.zone, proposed.offer, answer.kind))
        self.out.counts[answer.kind] += 1
        row = FactRow(answer.envelope, "answer", self.now_ms, subject.subject, proposed.zone, answer.decision, answer.kind)
        return row, ""

    # --- time ----------------------------------------------------------------------------------------

    def _time_passed(self) -> str | None:
        for present in self.state.due(self.now_ms):
            place = (present.subject, present.zone)
            before = self.presence(place)
            if before is not None and before.due_at_ms <= self.now_ms:
                # A yes that has run out ends a visit within one silence, even while they are heard.
                rules, may_see = self.site.presence, self.may_see(present.subject)
                self._step(place, before, presence.expire(before, self.now_ms, rules) if may_see else presence.ended(before, rules))
        for subject in self.repository.expired(self.now_ms):
            person = self.context(subject)
            if person is not None and contexts.has_expired(person.consent_expires_at_ms, self.now_ms):
                forget(self, person)
        self._purge()
        self._close_window()
        return None

    def _purge(self) -> None:
        """What has been kept for long enough goes, a slice at a time; never by a clock that cannot be right."""
        if self.now_ms < max(self.state.purge_at_ms, self.site.clock_floor_ms):
            return
        cuts = self.site.retention.cuts(self.now_ms)
        if self.repository.is_outdated(cuts):
            self.out.purge = cuts
        self.out.purge_at_ms = self.now_ms + (limits.PURGE_AGAIN_MS if self.out.purge else limits.PURGE_EVERY_MS)

    def _close_window(self) -> None:
        """Counts leave once their window is over; the first window opens when the clock can be right."""
        start_ms = privacy.window_start_ms(self.now_ms, self.site.window_ms)
        opened_ms = self.state.window_start_ms
        if self.now_ms < self.site.clock_floor_ms:
            return
        if opened_ms is not None and start_ms <= opened_ms <= start_ms + limits.CLOCK_BACK_MS_MAX:
            return  # a clock that was set back a little: the window is waited out, so that none is released twice
        backlog = self.repository.backlog()
        if self.repository.is_outbox_full():
            return  # no room to leave: the window goes on gathering, and nothing is lost but its fineness
        self.out.opened_window_ms = start_ms
        if opened_ms is None:
            return
        activity = GatewayCounters(**{name: self.state.activity[name] for name in GatewayCounters._fields})
        self.out.records = privacy.close_window(self.site, opened_ms, self.state.cells, activity, backlog, self.draw())
        self.out.closed_window_ms = opened_ms

    def _is_late(self, at_ms: int) -> bool:
        return self.now_ms - at_ms > limits.SIGHTING_AGE_MS_MAX

    def _count(self, subject: SubjectContext, cell: CounterKey) -> None:
        if contexts.allows(subject, "measurement", self.now_ms):
            self.out.cells[cell] += 1

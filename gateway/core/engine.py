"""advance(): read from top to bottom, it is the whole product.

Input: a batch of observations, the state, the time, and three ports: the repository (committed rows), the scorer (propensities)
and a source of fresh ids. Output: `Changes`, to be committed first and acted upon afterwards. The input is not changed.

Every observation ends in exactly one of two ways, `kept` or `discarded` with a reason: received == kept + discarded{reason}.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.core import claims, deciding, incidents, limits, occasions, outcomes, presence, schedule
from gateway.core import context as contexts
from gateway.core.attributes.aggregators import HistoryFact
from gateway.core.channels import CHANNELS, ChannelName
from gateway.core.consent import apply_consent, forget, repeat_receipt
from gateway.core.context import Contact, SubjectContext
from gateway.core.creatives import choose_creative
from gateway.core.discards import Discard
from gateway.core.learning.explore import in_holdout
from gateway.core.policy.choose import Scorer, decide
from gateway.core.policy.decision import Decision
from gateway.core.policy.prepared import DecisionRequest
from gateway.core.ports import Repository
from gateway.core.presence import Presence, Step, Transition
from gateway.core.privacy.contribution import count_sent
from gateway.core.privacy.release import catalogue
from gateway.core.privacy.tables import open_period
from gateway.core.redemptions import fold_redeemed, redeem_purchase
from gateway.core.requests import answer_request, repeat_answer
from gateway.core.site import EVERYWHERE, Site, fix_in
from gateway.core.state import Changes, Closing, FactRow, PresenceKey, Reservation, State, Trigger
from gateway.core.types import (
    Answer,
    Consent,
    Count,
    Event,
    Fact,
    Incident,
    Observation,
    Occasion,
    OfferRequest,
    Position,
    Purchase,
    Reading,
    Redeemed,
    Sighting,
    Status,
    TimePassed,
    WishList,
)
from gateway.core.unit_of_work import Draw, UnitOfWork
from gateway.core.wishes import apply_wishes, repeat_wishes

SEED_DIGITS = 13  # of a drawn id, the seed of its decision: 52 bits, which a double holds exactly


def advance(
    site: Site, state: State, batch: Sequence[Observation], now_ms: int, repository: Repository, scorer: Scorer, draw: Draw
) -> Changes:
    """The changes of a batch of observations at `now_ms`; see the head of this file."""
    work = _Batch(site, state, now_ms, repository, scorer, draw)
    work.resolve(batch)
    kept = 0
    for observation in batch:
        discarded = work.fold(observation)
        if discarded is None:
            kept += 1
        else:
            work.out.discarded[discarded] += 1
    if kept:
        work.out.totals["kept"] += kept
    work.count_triggers()
    return work.out


class _Batch(UnitOfWork):
    """One batch, observation by observation. The fold functions return the reason if they discard the observation."""

    def __init__(self, site: Site, state: State, now_ms: int, repository: Repository, scorer: Scorer, draw: Draw) -> None:
        super().__init__(site, state, now_ms, repository, draw)
        self.scorer = scorer

    def fold(self, observation: Observation) -> Discard | None:
        """Fold one observation into the changes."""
        match observation:
            case Sighting():
                return self._sighting(observation)
            case Position():
                return self._position(observation)
            case Reading() | Count():
                return self._measured(observation)
            case Purchase() | Answer() | Consent() | OfferRequest() | WishList() | Incident() | Event():
                return self._fact(observation)
            case TimePassed():
                return self._time_passed()
            case Redeemed():
                fold_redeemed(self, observation)
            case Status():
                pass
        return None

    # --- sightings: folded in memory, committed only when a visit changes -----------------------------------

    def _sighting(self, sighting: Sighting) -> Discard | None:
        """Fold a sighting; either an anchor scanner heard a tag, or a phone heard an anchor beacon."""
        observed_ms = None
        zone = self.site.anchors.get(sighting.hearer)
        if zone is not None:
            anchor, subject = sighting.hearer, self.subject_heard(sighting.heard)
            if self.site.claims.counters:
                claims.present(self, anchor, sighting.heard, sighting.rssi_dbm)
        else:
            anchor = sighting.heard
            zone = self.site.anchors.get(anchor)
            if zone is None:
                return Discard.UNMAPPED_ANCHOR
            subject = self.subject_of(sighting.hearer)
        if sighting.at_ms is not None and (subject is not None or anchor == sighting.hearer):
            observed_ms = self.moment(sighting.hearer, sighting.at_ms)
            if self._is_late(observed_ms):
                return Discard.LATE
        if subject is None:
            return Discard.NOT_CONSENTED
        rules, key = self.site.presence, (subject, zone)
        before = self.presence(key)
        step = presence.fold_sighting(before, subject, zone, anchor, sighting.rssi_dbm, self.now_ms, rules, observed_ms)
        if step[1] is None:  # nearly always
            if step[0] is not before:
                self._presences[key] = step[0]
            return None
        step, losers = presence.arbitrate(step, self.elsewhere(subject, zone), self.now_ms, rules)
        for loser in losers:
            self._step((subject, loser.zone), loser, presence.end(loser, rules))
        self._step(key, before, step)
        return None

    def _position(self, position: Position) -> Discard | None:
        """Fold a fix into every zone with an outline. A fix that is too vague near an edge changes nothing.

        A region crossing that the phone states itself takes precedence over its coordinates.
        """
        subject = self.subject_of(position.device)
        if subject is None:
            return Discard.NOT_CONSENTED
        at_ms = self.moment(position.device, position.at_ms)
        if self._is_late(at_ms):
            return Discard.LATE
        for zone in self.site.fix_zones:
            known = fix_in(zone, position)
            if known is not None:
                key, before = (subject, zone.id), self.presence((subject, zone.id))
                self._step(key, before, presence.fold_fix(before, subject, zone.id, *known, self.now_ms, self.site.presence, at_ms))
        return None

    def _measured(self, measured: Reading | Count) -> Discard | None:
        """Fold a reading at its stated time, or a counter's report at the time of its arrival."""
        zone = self.site.devices.get(measured.device)
        if zone is None:
            return Discard.UNMAPPED_DEVICE
        here = self.zone_context(zone)
        if isinstance(measured, Reading):
            at_ms = self.moment(measured.device, measured.at_ms)
            if contexts.is_outdated(measured.quantity, at_ms, self.now_ms):
                return Discard.LATE
            self.out.sensors.zones[zone] = contexts.with_reading(here, measured.quantity, measured.value, at_ms)
            occasions.measured(self, zone, measured.quantity)
            return None
        if measured.what != "people":
            return Discard.UNUSED_COUNT  # no feature reads other counts, and a device may report any number of kinds
        self.out.sensors.zones[zone] = contexts.with_count(here, measured.device, measured.count, self.now_ms)
        occasions.measured(self, zone, contexts.PEOPLE_PER_HOUR)
        return None

    # --- transitions, and the occasions at which an offer may be chosen -------------------------------------

    def _step(self, key: PresenceKey, before: Presence | None, step: Step) -> None:
        after, transition = step
        subject = self.context(key[0]) if transition is not None else None
        if transition is not None and not self.may_see(key[0]):
            # The consent no longer covers presence: the visit ends here, and an approach leaves no trace.
            was_in = before is not None and before.entered_ms is not None
            after, transition = None, msgspec.structs.replace(transition, kind="left") if was_in else None
        if transition is not None:
            self._transition(transition, subject)
        if after is not before:
            self._presences[key] = after

    def _transition(self, transition: Transition, subject: SubjectContext | None) -> None:
        """Record a transition, and decide on an offer; after leaving only if the campaign has offers for that."""
        self.record(transition)
        is_asked = transition.kind != "left" or ("left" in self.site.campaign.table.occasions_used and self.may_see(transition.subject))
        if subject is None or not is_asked:
            return
        if transition.kind == "dwelled":
            outcomes.fold_visit(self, subject.subject, transition.zone)
        fired = occasions.live(self, transition.zone) if transition.kind == "entered" else frozenset()
        dwell_s = max(0, self.now_ms - transition.entered_ms) / 1000
        self._decide(subject, transition.zone, transition.kind, dwell_s, fired=fired)
        if transition.kind == "dwelled":
            zone = self.site.zones[transition.zone]
            self.fold_history(subject.subject, HistoryFact("visits", self.now_ms, zone=zone.id, zone_kind=zone.kind))

    def request_decision(self, subject: SubjectContext, zone: str, channel: ChannelName = "reply") -> Decision:
        """The decision that a person, or a device at hand, asked for in a zone; the offer is logged as a contact."""
        return self._decide(subject, zone, "requested", self.dwell_s(subject.subject, zone), channel)

    def _decide_fired(self, subject: SubjectContext, zone: str, occasion: Occasion, fired: frozenset[str]) -> None:
        self._decide(subject, zone, occasion, self.dwell_s(subject.subject, zone), fired=fired)

    def _decide(
        self,
        subject: SubjectContext,
        zone: str,
        occasion: Occasion,
        dwell_s: float,
        channel: ChannelName = "phone",
        fired: frozenset[str] = frozenset(),
    ) -> Decision:
        used = {offer: self.used_minor(offer) for offer in self.site.campaign.table.budgeted}
        drawn = self.draw()
        request = DecisionRequest(
            subject,
            zone,
            occasion,
            self.now_ms,
            self.site,
            dwell_s,
            used,
            seed=int(drawn[:SEED_DIGITS], 16),
            held_out=in_holdout(self.site.holdout_salt, subject.device, self.site.campaign.policy.holdout),
            fired=fired,
            is_silent=incidents.is_silent(self, zone),
        )
        thought = deciding.deliberation(self, subject)
        decision = decide(request, self.here(zone), self.scorer, f"{self.site.gateway}.{drawn}", thought)
        if thought is not None:
            subject = deciding.fold_moment(self, subject, thought, decision)
        self.out.decisions.made.append(decision)
        self.out.totals["decisions"] += 1
        offer = self.site.campaign.offer(decision.intended or decision.offer or "")
        if offer is None:
            return decision
        if decision.arm:
            outcomes.open_window(self, decision, offer, thought.of(offer.id) if thought is not None else None)
        contact = Contact(decision.id, offer.id, self.now_ms, is_sent=decision.offer is not None)
        self.out.people.contexts[subject.subject] = contexts.with_contact(subject, contact)
        if decision.offer is None:
            return decision
        if offer.budget_minor is not None:
            until_ms = self.now_ms + int(offer.expiry_hours * 3_600_000)
            self.out.budgets.reserved[decision.id] = Reservation(offer.id, offer.cost_minor, until_ms)
        kind = self._zone_kind(zone)
        self.fold_history(subject.subject, HistoryFact("contacts", self.now_ms, offer.category, zone, kind, decision.offer, occasion))
        expires_at_ms = self.offer_expires_at_ms(subject, self.now_ms)
        if channel == "phone":
            channel = offer.channel
        creative = choose_creative(offer.creatives, channel, contexts.language(subject))
        trigger = Trigger(decision.id, subject.subject, channel, subject.device, decision.offer, creative, zone, expires_at_ms)
        if CHANNELS[channel].waits:
            self.out.decisions.triggers.append(trigger)
        else:
            self._count_trigger(trigger)
        return decision

    def count_triggers(self) -> None:
        """Count the triggers of this batch that will be sent: one that a withdrawal in the same batch stopped does not count."""
        if not self.out.totals["decisions"]:
            return
        for trigger in self.out.decisions.triggers:
            self._count_trigger(trigger)

    def _count_trigger(self, trigger: Trigger) -> None:
        self.out.totals["triggers"] += 1
        count_sent(self, trigger)

    # --- facts: once each, committed before they are acknowledged --------------------------------------------

    def _fact(self, fact: Fact | Event) -> Discard | None:
        if fact.envelope in self.out.facts.rows or self.repository.is_known(fact.envelope):
            if isinstance(fact, Consent):
                repeat_receipt(self, fact)
            elif isinstance(fact, OfferRequest):
                repeat_answer(self, fact)
            elif isinstance(fact, WishList):
                repeat_wishes(self, fact)
            return Discard.REPEATED
        row = self._fact_row(fact)
        if isinstance(row, Discard):
            return row
        self.out.facts.rows[fact.envelope] = row
        self.out.totals["facts"] += 1
        return None

    def _fact_row(self, fact: Fact | Event) -> FactRow | Discard:
        """The row to store, or the reason why the fact is discarded."""
        found: FactRow | Discard
        match fact:
            case Purchase():
                found = self._purchase(fact)
            case Answer():
                found = self._answer(fact)
            case Consent():
                found = apply_consent(self, fact)
            case OfferRequest():
                found = answer_request(self, fact, self.request_decision)
            case WishList():
                found = apply_wishes(self, fact)
            case Incident():
                found = incidents.apply_incident(self, fact)
            case Event():
                found = occasions.happened(self, fact)
        return found

    def _purchase(self, purchase: Purchase) -> FactRow | Discard:
        zone = self.site.devices.get(purchase.envelope.device)
        if zone is None:
            return Discard.UNMAPPED_DEVICE
        if purchase.coupon is not None and not redeem_purchase(self, purchase):
            purchase = msgspec.structs.replace(purchase, decision=None)  # a clash: still a sale, but no redemption
        self._fold_purchase(purchase, zone)
        return FactRow(
            purchase.envelope,
            "purchase",
            self.now_ms,
            zone=zone,
            decision=purchase.decision,
            detail=purchase.category,
            amount_minor=purchase.amount_minor,
            items=purchase.items,
        )

    def _fold_purchase(self, purchase: Purchase, zone: str) -> None:
        """A purchase belongs to a person only through the offer that was redeemed; all others are counted without a person."""
        proposed = self.repository.proposed(purchase.decision) if purchase.decision else None
        if proposed is None:
            return
        outcomes.fold_purchase(self, purchase)
        offer = self.site.campaign.offer(proposed.offer)
        category = purchase.category or (offer.category if offer else None)
        kind, amount = self._zone_kind(zone), purchase.amount_minor
        fact = HistoryFact("purchases", self.now_ms, category, zone, kind, proposed.offer, amount=amount)
        self.fold_history(proposed.subject, fact)
        person = self.context(proposed.subject)
        is_asked = "purchased" in self.site.campaign.table.occasions_used and zone in self.site.zones
        if person is not None and is_asked and self.may_see(proposed.subject):
            self._decide(person, zone, "purchased", self.dwell_s(proposed.subject, zone))

    def _zone_kind(self, zone: str) -> str | None:
        known = self.site.zones.get(zone)
        return known.kind if known else None

    def _answer(self, answer: Answer) -> FactRow | Discard:
        """An answer counts from the person's device or an installed device of the offer's zone, each kind once for an offer."""
        if not answer.decision.startswith(f"{self.site.gateway}."):
            return Discard.OTHER_GATEWAY
        proposed = self.repository.proposed(answer.decision)
        subject = self.context(proposed.subject) if proposed else None
        if proposed is None or subject is None:
            return Discard.UNKNOWN_DECISION
        offer = self.site.campaign.offer(proposed.offer)
        refused = self._refused_answer(answer, subject, proposed.zone, is_coupon=offer is not None and offer.coupon)
        if refused is not None:
            return refused
        standing = contexts.weightier(self.out.decisions.answers.get(answer.decision, proposed.answer), answer.kind)
        self.out.people.contexts[subject.subject] = contexts.with_answer(subject, answer.decision, standing)
        category, kind = offer.category if offer else None, self._zone_kind(proposed.zone)
        fact = HistoryFact("answers", self.now_ms, category, proposed.zone, kind, proposed.offer, answer=answer.kind)
        self.fold_history(subject.subject, fact)
        self.out.decisions.answers[answer.decision] = standing
        self.settle(answer.decision, standing)
        outcomes.fold_answer(self, answer.decision, answer.kind)
        self.out.totals[answer.kind] += 1
        return FactRow(answer.envelope, "answer", self.now_ms, subject.subject, proposed.zone, answer.decision, answer.kind)

    def _refused_answer(self, answer: Answer, subject: SubjectContext, zone: str, *, is_coupon: bool) -> Discard | None:
        device = answer.envelope.device
        if subject.device != device and self.site.devices.get(device) not in (zone, EVERYWHERE):
            return Discard.NOT_THEIRS
        if contexts.has_expired(subject.consent_expires_at_ms, self.now_ms):
            return Discard.NOT_CONSENTED
        if answer.kind == "redeemed" and is_coupon:
            return Discard.TILL_ONLY
        return Discard.REPEATED if answer.kind in self._answered(answer.decision) else None

    def _answered(self, decision: str) -> set[str | None]:
        """The kinds of the answers to an offer so far."""
        found = {row.detail for row in self.out.facts.rows.values() if row.kind == "answer" and row.decision == decision}
        return found | self.repository.answered(decision)

    # --- time --------------------------------------------------------------------------------------------------

    def _time_passed(self) -> Discard | None:
        visits = self.state.visits
        known_ms = visits.known_ms(self.now_ms)
        for present in visits.due(known_ms):
            key = (present.subject, present.zone)
            before = self.presence(key)
            if before is not None and before.due_at_ms <= known_ms:
                # An expired consent, or a zone that left the config, ends a visit within one silence, even while the person is heard.
                rules, lasts = self.site.presence, self.may_see(present.subject) and present.zone in self.site.zones
                after = presence.expire(before, known_ms, rules, visits.hears_from_ms) if lasts else presence.end(before, rules)
                self._step(key, before, after)
        incidents.end_incidents(self)
        occasions.end_events(self)
        occasions.pass_times(self)
        occasions.decide_waiting(self, self._decide_fired)
        for decision in self.state.budgets.due(self.now_ms):
            self.out.budgets.ended.setdefault(decision, False)
        outcomes.close_due(self)
        if self.now_ms >= self.state.retention.settles_ms:
            self._forget_expired()
        self._purge()
        self._close_window()
        return None

    def _forget_expired(self) -> None:
        """Delete the people whose consent has expired; it is not used from its expiry on, which a clock set right can undo."""
        for subject in self.repository.expired(self.now_ms):
            person = self.context(subject)
            if person is not None and contexts.has_expired(person.consent_expires_at_ms, self.now_ms):
                forget(self, person)

    def _purge(self) -> None:
        """Delete rows older than their retention, a bounded number at a time."""
        if self.now_ms < schedule.purge_due_ms(self.site, self.state):
            return
        cuts = self.site.retention.cuts(self.now_ms)
        if self.repository.is_outdated(cuts):
            self.out.retention.cuts = cuts
        pause_ms = limits.PURGE_AGAIN_MS if self.out.retention.cuts else limits.PURGE_EVERY_MS
        self.out.retention.next_ms = self.now_ms + pause_ms

    def _close_window(self) -> None:
        """Open the first window, or release the counts of a window that is over and open the next."""
        outbox_full = self.repository.is_outbox_full()
        if self.now_ms < schedule.window_due_ms(self.site, self.state, self.now_ms, outbox_full=outbox_full):
            return
        period = self.state.counts.period
        self.out.counts.opened = opened = open_period(self.now_ms, self.site.privacy, period)
        if period is not None:
            ends_day = opened.day_start_ms != period.day_start_ms
            self.out.counts.closing = Closing(period, ends_day, catalogue(self.site), self.draw())

    def _is_late(self, at_ms: int) -> bool:
        return self.now_ms - at_ms > limits.SIGHTING_AGE_MS_MAX

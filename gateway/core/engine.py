"""advance(): read from top to bottom, it is the whole product.

Input: a batch of observations, the state, the time, and three ports: the repository (committed rows), the scorer (propensities)
and a source of fresh ids. Output: `Changes`, to be committed first and acted upon afterwards. The input is not changed.

Every observation ends in exactly one of two ways, `kept` or `discarded` with a reason: received == kept + discarded{reason}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.core import (
    claims,
    deciding,
    delivery,
    footfall,
    incidents,
    limits,
    neighbours,
    occasions,
    outcomes,
    page_links,
    presence,
    schedule,
    screens,
    second_fact,
)
from gateway.core import context as contexts
from gateway.core.attributes.aggregators import HistoryFact
from gateway.core.channels import CHANNELS, ChannelName, is_page
from gateway.core.consent import apply_consent, forget, repeat_receipt
from gateway.core.context import Contact, SubjectContext
from gateway.core.creatives import choose_creative
from gateway.core.discards import Discard
from gateway.core.learning.explore import in_holdout
from gateway.core.offers import Offer
from gateway.core.policy.choose import Scorer, decide
from gateway.core.policy.decision import Decision
from gateway.core.policy.learned import Deliberation
from gateway.core.policy.prepared import DecisionRequest
from gateway.core.policy.slate import SINGLE, Slate, item_draw
from gateway.core.ports import Repository
from gateway.core.presence import CHECK_IN, Presence, Step, Transition
from gateway.core.privacy.contribution import count_sent
from gateway.core.privacy.release import catalogue
from gateway.core.privacy.tables import open_period
from gateway.core.redemptions import fold_redeemed, redeem_purchase
from gateway.core.requests import answer_request, repeat_answer
from gateway.core.site import EVERYWHERE, Site, fix_in, local, local_spans_ms
from gateway.core.state import Changes, Closing, FactRow, PresenceKey, Reservation, State, Trigger
from gateway.core.types import (
    Answer,
    CheckIn,
    Consent,
    Control,
    Count,
    Event,
    Fact,
    Incident,
    NeighbourContact,
    Observation,
    Occasion,
    OfferRequest,
    PageLink,
    Position,
    ProofOfPlay,
    Purchase,
    Reading,
    Redeemed,
    Sighting,
    Status,
    TimePassed,
    Undelivered,
    WishList,
)
from gateway.core.unit_of_work import Draw, UnitOfWork
from gateway.core.wishes import apply_control, apply_wishes, repeat_wishes

CHECK_IN_CONFIDENCE = 0.9  # a code can be passed on as a picture while it lasts
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
        self._anchors = site.anchors

    def fold(self, observation: Observation) -> Discard | None:
        """Fold one observation into the changes."""
        match observation:
            case Sighting():
                return self._sighting(observation)
            case Position() | CheckIn():
                return self._position(observation) if isinstance(observation, Position) else self._check_in(observation)
            case PageLink():
                return page_links.fold(self, observation)
            case Reading() | Count():
                return self._reading(observation) if isinstance(observation, Reading) else footfall.fold_count(self, observation)
            case (
                Purchase()
                | Answer()
                | Consent()
                | OfferRequest()
                | WishList()
                | Control()
                | Incident()
                | Event()
                | NeighbourContact()
                | ProofOfPlay()
            ):
                return self._fact(observation)
            case TimePassed():
                self._time_passed()
            case Redeemed():
                fold_redeemed(self, observation)
            case Undelivered():
                delivery.release(self, observation)
            case Status():
                second_fact.note_app(self, self.subject_of(observation.device))
        return None

    # --- sightings: folded in memory, committed only when a visit changes -----------------------------------

    def _sighting(self, sighting: Sighting) -> Discard | None:
        """Fold a sighting; either an anchor scanner heard a tag, or a phone heard an anchor beacon."""
        zone = self._anchors.get(sighting.hearer)
        if zone is not None:
            anchor, subject = sighting.hearer, self.subject_heard(sighting.heard)
            if self.site.claims.counters:
                claims.present(self, anchor, sighting.heard, sighting.rssi_dbm)
        else:
            anchor = sighting.heard
            zone = self._anchors.get(anchor)
            if zone is None:
                return Discard.UNMAPPED_ANCHOR
            subject = self.subject_of(sighting.hearer)
            second_fact.note_app(self, subject)
        if sighting.rssi_dbm > second_fact.IMPLAUSIBLE_DBM:
            return Discard.IMPLAUSIBLE
        observed_ms = None
        if sighting.at_ms is not None and (subject is not None or anchor == sighting.hearer):
            observed_ms = self.moment(sighting.hearer, sighting.at_ms)
            if self._is_late(observed_ms):
                return Discard.LATE
        if subject is None:
            if self.site.privacy.visitors and anchor == sighting.hearer and sighting.heard not in self.site.anchors:
                self.out.counts.heard.append((sighting.heard, zone))
            return Discard.NOT_CONSENTED
        if sighting.sent is not None and second_fact.is_replayed(self, sighting):
            return Discard.REPEATED
        self._fold_sighting(subject, zone, anchor, sighting.rssi_dbm, observed_ms)
        return None

    def _fold_sighting(self, subject: str, zone: str, anchor: str, rssi_dbm: float, observed_ms: int | None) -> None:
        rules, key = self.site.presence, (subject, zone)
        before = self.presence(key)
        step = presence.fold_sighting(before, subject, zone, anchor, rssi_dbm, self.now_ms, rules, observed_ms)
        if step[1] is None:  # nearly always
            if step[0] is not before:
                self._presences[key] = step[0]
            return
        if step[0] is not None:
            elsewhere = self.elsewhere(subject, zone)
            second_fact.note_movement(self, step[0], elsewhere)
            step, losers = presence.arbitrate(step, elsewhere, self.now_ms, rules)
            for loser in losers:
                self._step((subject, loser.zone), loser, presence.end(loser, rules))
        self._step(key, before, step)

    def _position(self, position: Position) -> Discard | None:
        """Fold a fix into every zone with an outline. A fix that is too vague near an edge changes nothing.

        A region crossing that the phone states itself takes precedence over its coordinates.
        """
        subject = self.subject_of(position.device)
        if subject is None:
            return Discard.NOT_CONSENTED
        second_fact.note_app(self, subject)
        at_ms = self.moment(position.device, position.at_ms)
        if self._is_late(at_ms):
            return Discard.LATE
        for zone in self.site.fix_zones:
            known = fix_in(zone, position)
            if known is not None:
                key, before = (subject, zone.id), self.presence((subject, zone.id))
                self._step(key, before, presence.fold_fix(before, subject, zone.id, *known, self.now_ms, self.site.presence, at_ms))
        return None

    def _check_in(self, stated: CheckIn) -> Discard | None:
        """Enter the zone of a scanned code, and leave the zone of an earlier one."""
        subject = self.subject_of(stated.device)
        if subject is None or not self.may_see(subject):
            return Discard.NOT_CONSENTED
        if stated.zone not in self.site.zones:
            return Discard.UNMAPPED_DEVICE
        for zone in self.site.zones:
            before, inside = self.presence((subject, zone)), zone == stated.zone
            if inside or (before is not None and CHECK_IN in before.samples):
                rules, now_ms = self.site.presence, self.now_ms
                step = presence.fold_fix(before, subject, zone, inside, CHECK_IN_CONFIDENCE, now_ms, rules, source=CHECK_IN)
                self._step((subject, zone), before, step)
        return None

    def _reading(self, reading: Reading) -> Discard | None:
        """Fold a reading at its stated time."""
        zone = self.site.devices.get(reading.device)
        if zone is None:
            return Discard.UNMAPPED_DEVICE
        at_ms = self.moment(reading.device, reading.at_ms)
        if contexts.is_outdated(reading.quantity, at_ms, self.now_ms):
            return Discard.LATE
        self.out.sensors.zones[zone] = contexts.with_reading(self.zone_context(zone), reading.quantity, reading.value, at_ms)
        occasions.measured(self, zone, reading.quantity)
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

    def request_slate(self, subject: SubjectContext, zone: str, most: int) -> list[Decision]:
        """The decisions that a person, or a device at hand, asked for in a zone; each offer is logged as a contact.

        The first one may be silent; the others, at most `most` in all, have an offer each.
        """
        made: list[Decision] = []
        slate = Slate(most)
        while len(made) < most:
            person = self.context(subject.subject) or subject
            decision = self._decide(person, zone, "requested", self.dwell_s(subject.subject, zone), "reply", slate=slate)
            offer = decision.intended or decision.offer
            if offer is not None or not made:
                made.append(decision)
            if offer is None:
                break
            contact = Contact(decision.id, offer, self.now_ms, is_sent=decision.offer is not None)
            drawn = slate.drawn or decision.id.rpartition(".")[2]
            slate = Slate(most, drawn, (*slate.contacts, contact))
        return made

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
        slate: Slate = SINGLE,
    ) -> Decision:
        used = {offer: self.used_minor(offer) for offer in self.site.campaign.table.budgeted}
        drawn = item_draw(slate.drawn, slate.position) if slate.position else self.draw()
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
            set_ms=self.state.clock.set_ms,
            is_unconfirmed=channel == "phone" and second_fact.is_missing(self, subject.subject),
            beside=slate.contacts,
        )
        thought = deciding.deliberation(self, subject)
        decision = decide(request, self.here(zone), self.scorer, f"{self.site.gateway}.{drawn}", thought)
        if slate.most > 1:
            first = f"{self.site.gateway}.{slate.drawn or drawn}"
            decision = msgspec.structs.replace(decision, slate=first, position=slate.position)
        offer = self.site.campaign.offer(decision.intended or decision.offer or "")
        if slate.position:
            thought = None  # no learning from lower positions
            if offer is None:
                return decision  # the slate is complete
        if thought is not None:
            subject = deciding.fold_moment(self, subject, thought, decision)
        self.out.decisions.made.append(decision)
        self.out.totals["decisions"] += 1
        if offer is not None:
            self._propose(subject, decision, offer, channel, thought)
        return decision

    def _propose(
        self, subject: SubjectContext, decision: Decision, offer: Offer, channel: ChannelName, thought: Deliberation | None
    ) -> None:
        """Open the window of an intended offer, count its contact, and reserve and send it unless the person is held out."""
        if decision.arm:
            outcomes.open_window(self, decision, offer, thought.of(offer.id) if thought is not None else None)
        contact = Contact(decision.id, offer.id, self.now_ms, is_sent=decision.offer is not None, steady_ms=decision.steady_ms)
        self.out.people.contexts[subject.subject] = contexts.with_contact(subject, contact)
        if decision.offer is None:
            return
        if offer.budget_minor is not None:
            until_ms = self.now_ms + int(offer.expiry_hours * 3_600_000)
            self.out.budgets.reserved[decision.id] = Reservation(offer.id, offer.cost_minor, until_ms)
        zone, occasion = decision.zone, decision.occasion
        kind = self._zone_kind(zone)
        self.fold_history(subject.subject, HistoryFact("contacts", self.now_ms, offer.category, zone, kind, decision.offer, occasion))
        expires_at_ms = self.offer_expires_at_ms(subject, self.now_ms)
        if channel == "phone":
            channel = "page" if is_page(subject.device) else offer.channel
        creative = choose_creative(offer.creatives, "phone" if channel == "page" else channel, contexts.language(subject))
        trigger = Trigger(decision.id, subject.subject, channel, subject.device, decision.offer, creative, zone, expires_at_ms)
        if CHANNELS[channel].waits:
            self.out.decisions.triggers.append(trigger)
        else:
            self._count_trigger(trigger)

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

    def _fact(self, fact: Fact | Event | NeighbourContact) -> Discard | None:
        if isinstance(fact, NeighbourContact) and fact.device == self.site.gateway:
            return None  # the broker returns own publications
        second_fact.note_app(self, self.subject_of(fact.envelope.device))
        if fact.envelope in self.out.facts.rows or self.repository.is_known(fact.envelope):
            if isinstance(fact, Consent):
                repeat_receipt(self, fact)
            elif isinstance(fact, OfferRequest):
                repeat_answer(self, fact)
            elif isinstance(fact, WishList):
                repeat_wishes(self, fact)
            return Discard.REPEATED
        row = _FACT_ROWS[type(fact)](self, fact)
        if isinstance(row, Discard):
            return row
        self.out.facts.rows[fact.envelope] = row
        self.out.totals["contacts_elsewhere" if isinstance(fact, NeighbourContact) else "facts"] += 1
        return None

    def purchase(self, purchase: Purchase) -> FactRow | Discard:
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

    def answer(self, answer: Answer) -> FactRow | Discard:
        """An answer counts from the person's device or an installed device of the offer's zone, each kind once for an offer."""
        if not answer.decision.startswith(f"{self.site.gateway}."):
            return neighbours.apply_answer(self, answer)
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
        return FactRow(
            answer.envelope, "answer", self.now_ms, subject.subject, proposed.zone, answer.decision, answer.kind, reason=answer.reason
        )

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

    def _time_passed(self) -> None:
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
        screens.plan(self, self.scorer)
        for decision in self.state.budgets.due(self.now_ms):
            self.out.budgets.ended.setdefault(decision, False)
        outcomes.close_due(self)
        if self.now_ms >= self.state.retention.settles_ms:
            self._forget_expired()
        self._purge()
        self._close_window()

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
        cuts = self.site.retention.cuts(self.now_ms, self.state.clock.set_ms)
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
        calendar = local_spans_ms(local(self.now_ms, self.site.timezone))
        self.out.counts.opened = opened = open_period(self.now_ms, self.site.privacy, calendar, period)
        if period is not None:
            self.out.counts.closing = Closing(
                *period.closed(opened), catalogue(self.site), self.draw(), dict(self.state.counts.visitors.fresh)
            )

    def _is_late(self, at_ms: int) -> bool:
        return self.now_ms - at_ms > limits.SIGHTING_AGE_MS_MAX


_FACT_ROWS: Mapping[type[Fact | Event | NeighbourContact], Callable[[_Batch, Any], FactRow | Discard]] = {
    Purchase: _Batch.purchase,
    Answer: _Batch.answer,
    Consent: apply_consent,
    OfferRequest: lambda batch, request: answer_request(batch, request, batch.request_slate),
    WishList: apply_wishes,
    Control: apply_control,
    Incident: incidents.apply_incident,
    Event: occasions.happened,
    ProofOfPlay: screens.fold_played,
    NeighbourContact: neighbours.apply_contact,
}
"""Kind of fact -> the row to store, or the reason for which the fact is discarded."""

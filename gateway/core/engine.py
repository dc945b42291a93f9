"""advance(): reading it top to bottom is reading the product.

A batch of observations goes in, with the world as it is, the moment, and three things the engine may
ask: the store (what was committed), the model (how likely), and chance (fresh ids). Out comes one
`Outcome`: what to commit, and then whom to tell. Nothing is changed on the way.

Every observation ends in exactly one of two ways, `kept` or `discarded` with a reason:
received == kept + discarded{reason}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from gateway.core import context as contexts
from gateway.core import limits, presence, privacy
from gateway.core.context import Contact, SubjectContext, ZoneContext
from gateway.core.policy.choose import Scorer, decide
from gateway.core.policy.gates import Moment
from gateway.core.presence import Presence, Step, Transition
from gateway.core.privacy import Activity, Cell
from gateway.core.street import EVERYWHERE, Street, fix_in
from gateway.core.types import (
    Answer,
    Consent,
    Count,
    Envelope,
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
from gateway.core.world import FactRow, Memory, Outcome, Place, Trigger, World

Draw = Callable[[], str]
"""A fresh random id: 16 lower-case hex digits. Tests hand in a seeded one."""


def advance(street: Street, world: World, batch: Sequence[Observation], now_ms: int, memory: Memory, scorer: Scorer, draw: Draw) -> Outcome:
    """Fold a batch of observations at the moment `now_ms`; see the file's head."""
    turn = _Turn(street, world, now_ms, memory, scorer, draw)
    for observation in batch:
        discarded = turn.fold(observation)
        if discarded is None:
            turn.out.counts["kept"] += 1
        else:
            turn.out.discarded[discarded] += 1
    return turn.out


class _Turn:
    """One batch's reading and writing: the world below, the outcome above."""

    def __init__(self, street: Street, world: World, now_ms: int, memory: Memory, scorer: Scorer, draw: Draw) -> None:
        self.street = street
        self.world = world
        self.now_ms = now_ms
        self.memory = memory
        self.scorer = scorer
        self.draw = draw
        self.out = Outcome()
        self.identities = len(world.identities)

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
        anchor, mover = sighting.hearer, sighting.heard
        zone = self.street.anchors.get(anchor)
        if zone is None:
            anchor, mover = mover, anchor
            zone = self.street.anchors.get(anchor)
            if zone is None:
                return "unmapped_anchor"
        if self._is_late(sighting.at_ms):
            return "late"
        subject = self._subject_of(mover)
        if subject is None:
            return "not_consented"
        rules, before = self.street.presence, self._presence((subject, zone))
        step = presence.heard(before, subject, zone, anchor, sighting.rssi_dbm, self.now_ms, rules, sighting.at_ms)
        if step[1] is not None:
            step, losers = presence.arbitrate(step, self._elsewhere(subject, zone), self.now_ms, rules)
            for loser in losers:
                self._step((subject, loser.zone), loser, presence.ended(loser, rules))
        self._step((subject, zone), before, step)
        return None

    def _elsewhere(self, subject: str, zone: str) -> list[Presence]:
        found = [self._presence((subject, other)) for other in self.street.zones if other != zone]
        return [present for present in found if present is not None]

    def _position(self, position: Position) -> str | None:
        """A fix counts for every zone with an outline; a vague one near an edge says nothing either way.

        Where the phone says itself that it crossed a zone's edge, that word stands instead.
        """
        subject = self._subject_of(position.device)
        if subject is None:
            return "not_consented"
        if self._is_late(position.at_ms):
            return "late"
        for zone in self.street.fix_zones:
            known = fix_in(zone, position)
            if known is not None:
                place, before = (subject, zone.id), self._presence((subject, zone.id))
                self._step(
                    place, before, presence.fixed(before, subject, zone.id, *known, self.now_ms, self.street.presence, position.at_ms)
                )
        return None

    def _measured(self, measured: Reading | Count) -> str | None:
        zone = self.street.devices.get(measured.device)
        if zone is None:
            return "unmapped_device"
        here = self._place_context(zone)
        if isinstance(measured, Reading):
            self.out.places[zone] = contexts.reading(here, measured.quantity, measured.value, self.now_ms)
            return None
        if measured.what != "people":
            return "unused_count"  # nothing reads how many cars or birds passed, and a device may name as many kinds as it likes
        self.out.places[zone] = contexts.counted(here, measured.device, measured.count, self.now_ms)
        return None

    # --- presence changes, and the moments at which an offer may be chosen --------------------------

    def _step(self, place: Place, before: Presence | None, step: Step) -> None:
        after, transition = step
        subject = self._context(place[0]) if transition is not None else None
        if transition is not None and not self._may_see(place[0]):
            # Their word no longer covers presence: the visit ends here, and that they were heard is forgotten.
            was_in = before is not None and before.entered_ms is not None
            after, transition = None, msgspec.structs.replace(transition, kind="left") if was_in else None
        if transition is not None:
            self._transition(transition, subject)
        if after is not before:
            self.out.presences[place] = after

    def _transition(self, transition: Transition, subject: SubjectContext | None) -> None:
        """Write a change of presence down, and ask for an offer if somebody came or stayed."""
        self.out.transitions.append(transition)
        self.out.counts[transition.kind] += 1
        if transition.kind == "left" or subject is None:
            return
        self._decide(subject, transition.zone, transition.kind)
        kind = self.street.zones[transition.zone].kind
        if transition.kind == "dwelled" and kind is not None:
            self.out.contexts[subject.subject] = contexts.visited(self._context(subject.subject) or subject, kind, self.now_ms)

    def _decide(self, subject: SubjectContext, zone: str, occasion: Occasion) -> None:
        moment = Moment(subject, zone, occasion, self.now_ms, self.street)
        decision = decide(moment, self._here(zone), self.scorer, f"{self.street.gateway}.{self.draw()}")
        self.out.decisions.append(decision)
        self.out.counts["decisions"] += 1
        if decision.offer is None:
            return
        self.out.contexts[subject.subject] = contexts.contacted(subject, Contact(decision.id, decision.offer, self.now_ms))
        expires_at_ms = self.now_ms + self.street.campaign.policy.trigger_expiry_s * 1000
        if subject.consent_expires_at_ms is not None:
            expires_at_ms = min(expires_at_ms, subject.consent_expires_at_ms)
        self.out.triggers.append(Trigger(decision.id, subject.device, decision.offer, zone, expires_at_ms))
        self.out.counts["triggers"] += 1
        self._count(subject, Cell(zone, decision.offer, "trigger"))

    # --- the facts lane: once each, and on the disk before anyone is thanked -------------------------

    def _fact(self, fact: Fact) -> str | None:
        if fact.envelope in self.out.facts or self.memory.is_known(fact.envelope):
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
                return self._consent(fact)

    def _purchase(self, purchase: Purchase) -> tuple[FactRow | None, str]:
        zone = self.street.devices.get(purchase.envelope.device)
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
        if not answer.decision.startswith(f"{self.street.gateway}."):
            return None, "other_gateway"
        proposed = self.memory.proposed(answer.decision)
        subject = self._context(proposed.subject) if proposed else None
        if proposed is None or subject is None:
            return None, "unknown_decision"
        if subject.device != answer.envelope.device:
            return None, "not_theirs"
        if contexts.has_expired(subject.consent_expires_at_ms, self.now_ms):
            return None, "not_consented"
        standing = contexts.greater(self.out.answers.get(answer.decision, proposed.answer), answer.kind)
        self.out.contexts[subject.subject] = contexts.answered(subject, answer.decision, standing)
        self.out.answers[answer.decision] = standing
        self._count(subject, Cell(proposed.zone, proposed.offer, answer.kind))
        self.out.counts[answer.kind] += 1
        row = FactRow(answer.envelope, "answer", self.now_ms, subject.subject, proposed.zone, answer.decision, answer.kind)
        return row, ""

    def _consent(self, consent: Consent) -> tuple[FactRow | None, str]:
        """Take a person's word; a word that has run out already is a no."""
        device = consent.envelope.device
        claimed = self._released(device)
        known = self._subject_of(device)
        before = self._context(known) if known else None
        if contexts.is_stale(before, consent) or self._said_no_later(consent.envelope):
            return None, "overtaken"
        if not consent.purposes or contexts.has_expired(consent.expires_at_ms, self.now_ms):
            return self._withdrawal(consent, before) if before or claimed else (None, "not_consented")
        room = limits.IDENTITIES_MAX - self.identities - (known is None)
        if room < 0:
            return None, "too_many_subjects"
        subject = before.subject if before else self.draw()
        tags = self._own_tags(consent, subject, room)
        for tag in before.tags if before else ():
            self._map(tag, None)
        for mover in (*tags, device):
            self._map(mover, subject)
        self.out.contexts[subject] = contexts.consented(before, subject, consent, tags, self.now_ms)
        if "presence" not in consent.purposes:
            self._end_visits(subject)
        if not contexts.may_be_offered(consent.purposes):
            self.out.triggers = [trigger for trigger in self.out.triggers if trigger.device != device]
        return FactRow(consent.envelope, "consent", self.now_ms, subject), ""

    def _withdrawal(self, consent: Consent, before: SubjectContext | None) -> tuple[FactRow | None, str]:
        """A no outranks everything: the person is forgotten in the same commit."""
        self.out.withdrawals[consent.envelope.device, consent.envelope.boot] = consent.envelope.seq
        if before is not None:
            self._forget(before)
        return FactRow(consent.envelope, "withdrawal", self.now_ms), ""

    def _forget(self, person: SubjectContext) -> None:
        for mover in (*person.tags, person.device):
            self._map(mover, None)
        self._end_visits(person.subject)
        # What this very batch decided for them is neither kept nor sent.
        self.out.decisions = [decision for decision in self.out.decisions if decision.subject != person.subject]
        self.out.triggers = [trigger for trigger in self.out.triggers if trigger.device != person.device]
        self.out.contexts[person.subject] = None

    def _said_no_later(self, envelope: Envelope) -> bool:
        """Whether a yes was on its way when a later no from the same start of the same device had already arrived."""
        no_seq = self.out.withdrawals.get((envelope.device, envelope.boot))
        if no_seq is None:
            no_seq = self.memory.withdrawn_seq(envelope)
        return no_seq is not None and envelope.seq < no_seq

    def _released(self, device: str) -> bool:
        """A device speaks for itself: if somebody else named it as a tag of theirs, that claim ends with its first word."""
        known = self._subject_of(device)
        claimer = self._context(known) if known else None
        if claimer is None or claimer.device == device:
            return False
        tags = tuple(tag for tag in claimer.tags if tag != device)
        self.out.contexts[claimer.subject] = msgspec.structs.replace(claimer, tags=tags)
        self._map(device, None)
        return True

    def _own_tags(self, consent: Consent, subject: str, room: int) -> tuple[str, ...]:
        """The radio ids that a person may claim: not somebody else's, not one of our own anchors, and as many as there is room for."""
        tags: list[str] = []
        for tag in dict.fromkeys(consent.tags if "presence" in consent.purposes else ()):
            owner = self._subject_of(tag)
            if tag in self.street.anchors or tag == consent.envelope.device or owner not in (None, subject):
                continue
            room -= owner is None
            if room < 0 or len(tags) == limits.TAGS_PER_SUBJECT_MAX:
                break
            tags.append(tag)
        return tuple(tags)

    def _map(self, mover: str, subject: str | None) -> None:
        self.identities += (subject is not None) - (self._subject_of(mover) is not None)
        self.out.identities[mover] = subject

    def _end_visits(self, subject: str) -> None:
        """Nobody is seen any longer who does not want to be."""
        for zone in self.street.zones:
            present = self._presence((subject, zone))
            if present is not None:
                self._step((subject, zone), present, presence.ended(present, self.street.presence))

    # --- time ----------------------------------------------------------------------------------------

    def _time_passed(self) -> str | None:
        for present in self.world.due(self.now_ms):
            place = (present.subject, present.zone)
            before = self._presence(place)
            if before is not None and before.due_at_ms <= self.now_ms:
                # A yes that has run out ends a visit within one silence, even while they are heard.
                rules, may_see = self.street.presence, self._may_see(present.subject)
                self._step(place, before, presence.expire(before, self.now_ms, rules) if may_see else presence.ended(before, rules))
        for subject in self.memory.expired(self.now_ms):
            person = self._context(subject)
            if person is not None and contexts.has_expired(person.consent_expires_at_ms, self.now_ms):
                self._forget(person)
        self._close_window()
        return None

    def _close_window(self) -> None:
        """Counts leave once their window is over; the first window opens when the clock can be right."""
        start_ms = privacy.window_start_ms(self.now_ms, self.street.window_ms)
        opened_ms = self.world.window_start_ms
        if self.now_ms < self.street.clock_floor_ms:
            return
        if opened_ms is not None and start_ms <= opened_ms <= start_ms + limits.CLOCK_BACK_MS_MAX:
            return  # a clock that was set back a little: the window is waited out, so that none is released twice
        backlog = self.memory.backlog()
        if self.memory.is_outbox_full():
            return  # no room to leave: the window goes on gathering, and nothing is lost but its fineness
        self.out.opened_window_ms = start_ms
        if opened_ms is None:
            return
        activity = Activity(**{name: self.world.activity[name] for name in Activity._fields})
        self.out.records = privacy.close_window(self.street, opened_ms, self.world.cells, activity, backlog, self.draw())
        self.out.closed_window_ms = opened_ms

    # --- reading through the outcome to the world ------------------------------------------------------

    def _subject_of(self, mover: str) -> str | None:
        if mover in self.out.identities:
            return self.out.identities[mover]
        return self.world.identities.get(mover)

    def _presence(self, place: Place) -> Presence | None:
        if place in self.out.presences:
            return self.out.presences[place]
        return self.world.presences.get(place)

    def _context(self, subject: str) -> SubjectContext | None:
        if subject in self.out.contexts:
            return self.out.contexts[subject]
        return self.memory.context(subject)

    def _place_context(self, zone: str) -> ZoneContext:
        return self.out.places.get(zone) or self.world.places.get(zone) or ZoneContext()

    def _here(self, zone: str) -> ZoneContext:
        """What is known of a zone: its own sensors, and where they are silent those of the whole site."""
        return contexts.together(self._place_context(EVERYWHERE), self._place_context(zone), self.now_ms)

    def _may_see(self, subject: str) -> bool:
        context = self._context(subject)
        return context is not None and contexts.allows(context, "presence", self.now_ms)

    def _is_late(self, at_ms: int | None) -> bool:
        return at_ms is not None and self.now_ms - at_ms > limits.SIGHTING_AGE_MS_MAX

    def _count(self, subject: SubjectContext, cell: Cell) -> None:
        if contexts.allows(subject, "measurement", self.now_ms):
            self.out.cells[cell] += 1

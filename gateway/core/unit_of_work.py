"""A unit of work: the reads and writes of one batch.

A read looks first at the batch's own changes, then at the state in memory or at the store. So a batch sees its own effects, and
neither state nor store is touched before the changes are committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from gateway.core import addresses, clocks, ephemeral, limits, presence
from gateway.core import context as contexts
from gateway.core.attributes.aggregators import HistoryFact
from gateway.core.attributes.log import ConsentFact, FoldedFact, LogRow
from gateway.core.context import SubjectContext, ZoneContext
from gateway.core.ephemeral import KEY_PREFIX
from gateway.core.ports import Repository
from gateway.core.presence import Presence, Transition
from gateway.core.site import EVERYWHERE, Site
from gateway.core.state import Changes, PresenceKey, State, Visit
from gateway.core.types import AnswerKind, Observation, Sighting

Draw = Callable[[], str]
"""Returns a fresh random id of 16 lower-case hex digits. Tests pass a seeded one."""


class UnitOfWork:
    """`out` are the changes so far; `identity_count` and `key_count` are the rows after the commit, so limits hold within a batch."""

    def __init__(self, site: Site, state: State, now_ms: int, repository: Repository, draw: Draw) -> None:
        """Start without changes."""
        self.site = site
        self.state = state
        self.now_ms = now_ms
        self.repository = repository
        self.draw = draw
        self.out = Changes()
        # Read for every sighting, so looked up once: the batch's own changes, and below them the state.
        self._identities, self._known_identities = self.out.people.identities, state.people.identities
        self._presences, self._known_presences = self.out.visits.presences, state.visits.presences
        self.identity_count = len(state.people.identities)
        self.key_count = len(state.people.keys)
        self._ephemeral = state.people.ephemeral

    # --- identity ------------------------------------------------------------------------------------------

    def subject_of(self, identifier: str) -> str | None:
        """The subject that a device or tag belongs to; None without consent."""
        changed = self._identities
        return changed[identifier] if identifier in changed else self._known_identities.get(identifier)

    def subject_heard(self, identifier: str) -> str | None:
        """The subject of a device, tag or private address that an anchor of this site heard.

        An address is looked up only if an anchor received it by radio; a device that states it as its id proves nothing.
        """
        changed = self._identities
        subject = changed[identifier] if identifier in changed else self._known_identities.get(identifier)
        if subject is None and self.state.people.keys:
            by_key = self._ephemeral.get(identifier)
            if by_key is not None:
                return self.owner_of_key(KEY_PREFIX + by_key)
            known = self.out.people.addresses.get(identifier) or self.state.people.addresses.get(identifier)
            return self.owner_of_key(known.key) if known is not None and known.key is not None else None
        return subject

    def owner_of_key(self, key: str) -> str | None:
        """The subject that an identity resolving key belongs to, or None."""
        changed = self.out.people.keys
        return changed[key] if key in changed else self.state.people.keys.get(key)

    def assign_identifier(self, identifier: str, subject: str | None) -> None:
        """Assign a device or tag to a subject; None removes the assignment."""
        self.identity_count += (subject is not None) - (self.subject_of(identifier) is not None)
        self.out.people.identities[identifier] = subject
        (self.out.sensors.silenced.add if subject is None else self.out.sensors.silenced.discard)(identifier)

    def assign_key(self, key: str, subject: str | None) -> None:
        """Assign an identity resolving key to a subject; None deletes it."""
        self.key_count += (subject is not None) - (self.owner_of_key(key) is not None)
        self.out.people.keys[key] = subject

    def resolve(self, batch: Sequence[Observation]) -> None:
        """Look up the private addresses of a whole batch at once, which is far cheaper than one by one."""
        people = self.state.people
        if not people.keys or people.cipher is None:
            return
        at = ephemeral.window(self.now_ms)
        if people.eid_keys and people.window != at:
            self._ephemeral = ephemeral.ids(people.eid_keys, at, people.cipher)
            self.out.people.ephemeral = at, self._ephemeral
        if not people.irks:
            return
        unknown: dict[str, None] = {}
        for observation in batch:
            if isinstance(observation, Sighting) and observation.hearer in self.site.anchors:
                known = people.addresses.get(observation.heard)
                if (known is None or known.until_ms <= self.now_ms) and addresses.is_resolvable(observation.heard):
                    unknown[observation.heard] = None
        tried = [identifier for identifier in unknown if identifier not in people.identities]
        tried = tried[: limits.ADDRESSES_TRIED_MAX]  # the rest is tried when it is heard next
        self.out.people.addresses.update(addresses.resolve(tried, people.irks, people.cipher, self.now_ms))

    def generation(self) -> int:
        """The number of withdrawals so far, this batch's included."""
        return self.state.people.generation + len({device for device, _ in self.out.facts.withdrawals})

    # --- contexts of people and zones -----------------------------------------------------------------------

    def context(self, subject: str) -> SubjectContext | None:
        """The context of a subject; None after a withdrawal."""
        changed = self.out.people.contexts
        return changed[subject] if subject in changed else self.repository.context(subject)

    def fold_history(self, subject: str, fact: HistoryFact) -> None:
        """Fold a fact into the person's attributes, and log it if the consent covers learning."""
        person = self.context(subject)
        if person is None or contexts.has_expired(person.consent_expires_at_ms, self.now_ms):
            return
        history = self.site.plan.history.fold(person.history, person.purposes, fact, self.now_ms)
        after = msgspec.structs.replace(person, history=history, facts=person.facts + 1)
        self.out.people.contexts[subject] = after
        self.log_history(after, FoldedFact(fact))

    def log_history(self, person: SubjectContext, body: ConsentFact | FoldedFact) -> None:
        """Append the person's newest fact to the history log, if the consent covers learning."""
        if contexts.may_be_remembered(person.purposes):
            self.out.history.rows.append(LogRow(person.subject, person.facts, self.now_ms, body))

    def may_see(self, subject: str) -> bool:
        """Whether the person's consent covers presence at this moment."""
        context = self.context(subject)
        return context is not None and contexts.allows(context, "presence", self.now_ms)

    def presence(self, key: PresenceKey) -> Presence | None:
        """The presence of a subject in, or on the way into, a zone."""
        changed = self._presences
        return changed[key] if key in changed else self._known_presences.get(key)

    def elsewhere(self, subject: str, zone: str) -> list[Presence]:
        """The subject's presences in all other zones."""
        found = [self.presence((subject, other)) for other in self.site.zones if other != zone]
        return [present for present in found if present is not None]

    def present(self, zone: str, since_ms: int | None = None) -> Iterator[str]:
        """The subjects in a zone, those that entered by `since_ms` if stated; the order is that of the presences in memory."""
        until_ms = self.now_ms if since_ms is None else since_ms
        begun = [key for key in self._presences if key not in self._known_presences]
        for key in (*self._known_presences, *begun):
            here = self.presence(key)
            if key[1] == zone and here is not None and here.entered_ms is not None and here.entered_ms <= until_ms:
                yield key[0]

    def dwell_s(self, subject: str, zone: str) -> float:
        """Seconds since the subject entered a zone; 0 if it is not there."""
        present = self.presence((subject, zone))
        return 0.0 if present is None or present.entered_ms is None else max(0, self.now_ms - present.entered_ms) / 1000

    def offer_expires_at_ms(self, person: SubjectContext, decided_ms: int) -> int:
        """Until when an offer may reach a person: the campaign's expiry, or the end of the consent if that is earlier."""
        expires_at_ms = decided_ms + self.site.campaign.policy.trigger_expiry_s * 1000
        return expires_at_ms if person.consent_expires_at_ms is None else min(expires_at_ms, person.consent_expires_at_ms)

    def zone_context(self, zone: str) -> ZoneContext:
        """The newest readings of a zone's own sensors."""
        return self.out.sensors.zones.get(zone) or self.state.sensors.zones.get(zone) or ZoneContext()

    def here(self, zone: str) -> ZoneContext:
        """The readings that hold in a zone: its own where fresh, otherwise those of the whole site."""
        return contexts.merged(self.zone_context(EVERYWHERE), self.zone_context(zone), self.now_ms)

    # --- budgets ---------------------------------------------------------------------------------------------

    def used_minor(self, offer: str) -> int:
        """Spent and reserved minor units of an offer, this batch's own reservations included; its releases count after the commit."""
        return self.state.budgets.used(offer) + sum(one.amount_minor for one in self.out.budgets.reserved.values() if one.offer == offer)

    def settle(self, decision: str, answer: AnswerKind) -> None:
        """Spend or release the reservation of a decision, if it is still open, as the standing answer demands."""
        if answer in {"shown", "opened"} or not (decision in self.state.budgets.reserved or decision in self.out.budgets.reserved):
            return
        self.out.budgets.ended[decision] = answer != "dismissed"

    # --- time ------------------------------------------------------------------------------------------------

    def moment(self, device: str, at_ms: int | None) -> int:
        """When an observation happened, by the gateway's clock: the stated time less the device's clock error, never in the future."""
        if at_ms is None or at_ms < self.site.clock_floor_ms:  # the device's clock was never set
            return self.now_ms
        before = self.out.sensors.clocks.get(device) or self.state.sensors.clocks.get(device)
        after = clocks.fold_lag(before, self.now_ms - at_ms, self.now_ms)
        if after is not before:
            self.out.sensors.clocks[device] = after
        return min(self.now_ms, at_ms + after.error_ms)

    # --- visits ----------------------------------------------------------------------------------------------

    def record(self, transition: Transition) -> None:
        """Record a transition; an ended visit is kept if the person consented to learning and its date can be right."""
        self.out.visits.transitions.append(transition)
        self.out.totals[transition.kind] += 1
        person = self.context(transition.subject) if transition.kind == "left" else None
        is_dated = transition.entered_ms >= self.site.clock_floor_ms
        if person is None or not is_dated or contexts.has_expired(person.consent_expires_at_ms, self.now_ms):
            return
        if contexts.may_be_remembered(person.purposes):
            times_ms = transition.entered_ms, transition.at_ms
            self.out.visits.ended.append(
                Visit(transition.subject, transition.zone, *times_ms, transition.confidence, transition.observations)
            )

    def end_visits(self, subject: str) -> None:
        """End all open visits of a subject."""
        for zone in self.site.zones:
            present = self.presence((subject, zone))
            if present is not None:
                self.out.visits.presences[subject, zone], left = presence.end(present, self.site.presence)
                if left is not None:
                    self.record(left)

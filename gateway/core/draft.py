"""One batch's reading and writing: the world below, the outcome above.

Whatever a batch asks, it asks here: first what it has itself changed, then what is in memory or in the store. So it sees its own
effects, and nothing below is touched until the outcome is safely stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.core import addresses, clocks, limits, presence
from gateway.core import context as contexts
from gateway.core.context import SubjectContext, ZoneContext
from gateway.core.ports import Repository
from gateway.core.presence import Presence, Transition
from gateway.core.site import EVERYWHERE, Site
from gateway.core.types import Observation, Sighting
from gateway.core.world import Changes, Place, State, Visit

Draw = Callable[[], str]
"""A fresh random id: 16 lower-case hex digits. Tests hand in a seeded one."""


class Draft:
    """See the file's head. `identities` and `keys` count what there will be of them, so that their limits hold within a batch."""

    def __init__(self, site: Site, state: State, now_ms: int, repository: Repository, draw: Draw) -> None:
        """Nothing is written yet."""
        self.site = site
        self.state = state
        self.now_ms = now_ms
        self.repository = repository
        self.draw = draw
        self.out = Changes()
        self.identities = len(state.identities)
        self.keys = len(state.keys)

    # --- who ---------------------------------------------------------------------------------------------

    def subject_of(self, mover: str) -> str | None:
        """Whose device or tag this is; None for everybody who has not said yes."""
        if mover in self.out.identities:
            return self.out.identities[mover]
        return self.state.identities.get(mover)

    def subject_heard(self, mover: str) -> str | None:
        """Whose device, tag or private address a scanner of ours has heard.

        Addresses tell who is in the air and nothing else: a device that merely calls itself by somebody's address is not theirs.
        """
        subject = self.subject_of(mover)
        if subject is None and self.state.keys:
            known = self.out.addresses.get(mover) or self.state.addresses.get(mover)
            return self.owner(known.key) if known is not None and known.key is not None else None
        return subject

    def owner(self, key: str) -> str | None:
        """Whose identity resolving key this is."""
        return self.out.keys[key] if key in self.out.keys else self.state.keys.get(key)

    def map(self, mover: str, subject: str | None) -> None:
        """From now on this device or tag is theirs (None: nobody's)."""
        self.identities += (subject is not None) - (self.subject_of(mover) is not None)
        self.out.identities[mover] = subject

    def hand(self, key: str, subject: str | None) -> None:
        """From now on this identity resolving key is theirs (None: deleted)."""
        self.keys += (subject is not None) - (self.owner(key) is not None)
        self.out.keys[key] = subject

    def resolve(self, batch: Sequence[Observation]) -> None:
        """Find out whose the private addresses of a whole batch are, all at once: that is what makes it cheap."""
        state = self.state
        if not state.keys or state.cipher is None:
            return
        unknown: dict[str, None] = {}
        for observation in batch:
            if isinstance(observation, Sighting) and observation.hearer in self.site.anchors:
                known = state.addresses.get(observation.heard)
                if (known is None or known.until_ms <= self.now_ms) and addresses.is_resolvable(observation.heard):
                    unknown[observation.heard] = None
        tried = [mover for mover in unknown if mover not in state.identities]
        tried = tried[: limits.ADDRESSES_TRIED_MAX]  # whoever is left over is tried when next heard
        self.out.addresses.update(addresses.resolve(tried, tuple(state.keys), state.cipher, self.now_ms))

    # --- what is known of them, and of places ------------------------------------------------------------

    def context(self, subject: str) -> SubjectContext | None:
        """What is kept of a person."""
        if subject in self.out.contexts:
            return self.out.contexts[subject]
        return self.repository.context(subject)

    def may_see(self, subject: str) -> bool:
        """Whether their word covers being seen at this moment."""
        context = self.context(subject)
        return context is not None and contexts.allows(context, "presence", self.now_ms)

    def presence(self, place: Place) -> Presence | None:
        """Where somebody stands with a zone."""
        if place in self.out.presences:
            return self.out.presences[place]
        return self.state.presences.get(place)

    def elsewhere(self, subject: str, zone: str) -> list[Presence]:
        """Where the same person stands with every other zone."""
        found = [self.presence((subject, other)) for other in self.site.zones if other != zone]
        return [present for present in found if present is not None]

    def place(self, zone: str) -> ZoneContext:
        """What a zone's own sensors have said."""
        return self.out.places.get(zone) or self.state.places.get(zone) or ZoneContext()

    def here(self, zone: str) -> ZoneContext:
        """What is known of a zone: its own sensors, and where they are silent those of the whole site."""
        return contexts.together(self.place(EVERYWHERE), self.place(zone), self.now_ms)

    # --- when --------------------------------------------------------------------------------------------

    def moment(self, device: str, at_ms: int | None) -> int:
        """When something that a device tells of was, by our clock: what it claims, less its clock's error, and never in the future."""
        if at_ms is None or at_ms < self.site.clock_floor_ms:  # nobody has set that clock
            return self.now_ms
        before = self.out.clocks.get(device) or self.state.clocks.get(device)
        after = clocks.heard(before, self.now_ms - at_ms, self.now_ms)
        if after is not before:
            self.out.clocks[device] = after
        return min(self.now_ms, at_ms + after.error_ms)

    # --- visits --------------------------------------------------------------------------------------------

    def tell(self, transition: Transition) -> None:
        """Write a change of presence down; a visit that has ended is kept if its person's word covers that, and if its day is known."""
        self.out.transitions.append(transition)
        self.out.counts[transition.kind] += 1
        person = self.context(transition.subject) if transition.kind == "left" else None
        is_dated = transition.entered_ms >= self.site.clock_floor_ms
        if person is None or not is_dated or contexts.has_expired(person.consent_expires_at_ms, self.now_ms):
            return
        if contexts.may_be_remembered(person.purposes):
            times_ms = transition.entered_ms, transition.at_ms
            self.out.visits.append(Visit(transition.subject, transition.zone, *times_ms, transition.confidence, transition.heard))

    def end_visits(self, subject: str) -> None:
        """Nobody is seen any longer who does not want to be."""
        for zone in self.site.zones:
            present = self.presence((subject, zone))
            if present is not None:
                self.out.presences[subject, zone], left = presence.ended(present, self.site.presence)
                if left is not None:
                    self.tell(left)

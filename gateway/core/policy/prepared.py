"""A decision request with the values that several gates need, each worked out once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.attributes.sources import Request
from gateway.core.context import Contact, Wishes, ZoneContext
from gateway.core.site import Site, local, local_day_ms
from gateway.core.types import Named

if TYPE_CHECKING:
    from gateway.core.attributes.read import Numbers
    from gateway.core.context import SubjectContext
    from gateway.core.types import Occasion

NO_WISHES = Wishes()
Positions = NDArray[np.intp]
"""Positions of offers in the campaign, rising."""
Closed = NDArray[np.bool_]
"""True for each position that the gate closes."""


class DecisionRequest(msgspec.Struct, frozen=True):
    """The subject, zone, occasion and time for which an offer may be chosen.

    `used_minor` has, by offer with a budget, the amount that is spent or reserved. All draws follow from `seed`, and nothing is sent if
    the subject is `held_out`, except service messages. `fired` are the offers with a trigger that fired: a time of day, a threshold
    or an event that is live. An incident makes the zone `is_silent`. `beside` are the items that a slate has already. The clock was set
    by `set_ms` in total, and `doubt_ms` of the time may not have passed (see `gateway.core.state.clock`). The person `is_unconfirmed`
    without a second fact, see `gateway.core.second_fact`.
    """

    subject: SubjectContext
    zone: str
    occasion: Occasion
    now_ms: int
    site: Site
    dwell_s: float = 0.0
    used_minor: Mapping[str, int] = {}
    seed: int = 0
    held_out: bool = False
    fired: frozenset[str] = frozenset()
    is_silent: bool = False
    beside: tuple[Contact, ...] = ()
    set_ms: int = 0
    doubt_ms: int = 0
    is_unconfirmed: bool = False


def among(positions: Positions, found: Sequence[int]) -> Closed:
    """True for the positions that are in `found`, which is empty in most decisions: `isin` takes longer than a gate may."""
    return np.isin(positions, found) if found else np.zeros(len(positions), dtype=np.bool_)


class Prepared:
    """Local time, contacts, the campaign's columns, and attribute values, which are read when a gate or the model needs them first."""

    def __init__(self, request: DecisionRequest, here: ZoneContext | None = None) -> None:
        """Work it out; `here` has the fresh readings of the zone."""
        self.request = request
        self.offers = request.site.campaign.table
        self.clock = local(request.now_ms, request.site.timezone)
        self.today = self._today()
        self._here = here or ZoneContext()

    @cached_property
    def reading(self) -> Request:
        """The person, zone, occasion and time from which attributes are read."""
        request = self.request
        subject, zone = request.subject, request.site.zones[request.zone]
        return Request(
            subject.told,
            subject.history,
            subject.purposes,
            zone.id,
            zone.transit,
            self._here,
            request.occasion,
            request.dwell_s,
            request.now_ms,
            self.clock,
            zone.opening_hours,
            request.site.holidays,
        )

    @cached_property
    def numbers(self) -> Numbers:
        """The numbers of all attributes in use that do not depend on the offer; see `ReadPlan.numbers`."""
        return self.request.site.plan.numbers(self.reading)

    @property
    def wishes(self) -> Wishes:
        """The person's wishes; without a statement there are none."""
        return self.request.subject.wishes or NO_WISHES

    def named(self, positions: Positions, names: Named) -> Closed:
        """True for the offers that are named by id, category or shop."""
        if names == Named():
            return np.zeros(len(positions), dtype=np.bool_)
        offers = self.offers
        found = [
            offers.ids[at] in names.offers or offers.categories[at] in names.categories or offers.shops[at] in names.shops
            for at in positions.tolist()
        ]
        return np.array(found, dtype=np.bool_)

    def within(self, seconds: int) -> list[Contact]:
        """The contacts of the last seconds, by the clock of then or in time that has certainly passed."""
        from_ms, now_ms = self.request.now_ms - seconds * 1_000, self.request.now_ms
        return [contact for contact, at_ms, passed_ms in self._timed() if from_ms < at_ms <= now_ms or passed_ms > from_ms]

    def _timed(self) -> Iterator[tuple[Contact, int, int]]:
        """Each contact of the person with its time by the clock of then, and the latest time by the clock of now that it may have."""
        set_ms = self.request.set_ms + self.request.doubt_ms
        return ((contact, *contact.times_ms(set_ms)) for contact in self.request.subject.reached)

    def times(self, positions: Positions, contacts: Iterable[Contact]) -> Positions:
        """How many of these contacts were with each of these offers."""
        times = np.zeros(len(positions), dtype=np.intp)
        for at in self.offers.positions(contact.offer for contact in contacts):
            times += positions == at
        return times

    def _today(self) -> list[Contact]:
        """The contacts of the local day, by the clock of then or in time that has certainly passed."""
        if not self.request.subject.reached:
            return []
        start_ms, end_ms = local_day_ms(self.clock)
        return [contact for contact, at_ms, passed_ms in self._timed() if start_ms <= at_ms < end_ms or passed_ms >= start_ms]

"""The oracle: it knows the truth about each person and plans the time that is left, but not the draws to come.

It sends the offer with the highest gain - cost of a contact - P(dismissed) x prospects, if that is above 0. The prospects are the margin
that the offer would still bring with this person; they follow from all moments of the person in the run, whose order it does not use:

    d prospects / d time = moments a day x E[max(0, gain - cost - P(dismissed) x prospects)]

It is a high mark and no bound: the prospects of an offer leave out fatigue, the other offers of the same moment, and that a novelty is one
only once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from firmware_sim.draws import generator
from firmware_sim.people.reaction import DISMISSES_UNSEEN, OPENS_WITHOUT_ACCEPTING
from firmware_sim.policies.run import Choice, Closed, Situation, Truth
from firmware_sim.world.world import DAY_S

STEPS = 120  # of the time of a run
DISMISSED = 1.0 - (1.0 - OPENS_WITHOUT_ACCEPTING) * (1.0 - DISMISSES_UNSEEN)  # of the offers that are not accepted
TINY = 1e-9
NEVER_MINOR = -1e9  # gain where an offer may not be sent

Floats = NDArray[np.float64]


class Oracle:
    """Knows tastes, segments, the moments of each person, and the chances of a purchase without an offer."""

    name = "oracle"

    def __init__(self) -> None:
        self._anyway: list[dict[str, float]] = []
        self._prospects: list[Floats] = []

    def choose(self, here: Situation) -> Choice | None:
        """The offer with the highest gain above its price."""
        if not here.open:
            return None
        if not self._prospects:
            self._look_ahead(here)
        truth, anyway = here.truth, self._anyway[here.number]
        person = truth.city.moments[here.number].person
        step = round(STEPS * (1.0 - truth.street_s / truth.city.until_s))
        best, found = 0.0, None
        for at in here.open:
            offer = here.offers[at]
            acceptance = truth.acceptance(offer)
            gain = truth.gain(offer, acceptance, anyway[offer.shop]) - here.shop.site.campaign.policy.contact_cost_minor
            net = gain - DISMISSED * (1.0 - acceptance) * float(self._prospects[person][step, at])
            if net > best:
                best, found = net, Choice(at, acceptance)
        return found

    def learn(self, closed: Closed) -> None:
        """Learn nothing."""

    def _look_ahead(self, here: Situation) -> None:
        """Work out the prospects of all people, before the first message."""
        city, offers = here.truth.city, here.offers
        acceptance, gain = np.zeros((2, len(city.moments), len(offers)))
        for number, moment in enumerate(city.moments):
            truth = Truth(city, city.walkers[moment.person], moment.street_s)
            anyway = truth.baselines(generator(city.world.seed, "oracle", number))
            self._anyway.append(anyway)
            for at, offer in enumerate(offers):
                acceptance[number, at] = taken = truth.acceptance(offer)
                may_be_sent = moment.zone in offer.zones and moment.occasion in offer.occasions
                gain[number, at] = truth.gain(offer, taken, anyway[offer.shop]) if may_be_sent else NEVER_MINOR
        people = np.array([moment.person for moment in city.moments])
        caps = np.array([offer.per_person_day_max for offer in offers], dtype=np.float64)
        cost_minor = here.shop.site.campaign.policy.contact_cost_minor
        for person in range(len(city.walkers)):
            own = people == person
            self._prospects.append(prospects(acceptance[own], gain[own] - cost_minor, caps, city.until_s / DAY_S))


def prospects(acceptance: Floats, gain_minor: Floats, caps: Floats, days: float) -> Floats:
    """Margin still to come of each offer with one person, (STEPS + 1, offers), by the steps of the time left.

    `acceptance` and `gain_minor` (moments, offers) are those of all moments of `days` days, and `caps` the most messages a day.
    """
    lost, found = DISMISSED * (1.0 - acceptance), np.zeros((STEPS + 1, acceptance.shape[1]))
    for step in range(STEPS):
        net = gain_minor - lost * found[step]
        fitting = np.maximum((net > 0.0).sum(axis=0) / days / np.maximum(caps, TINY), TINY)
        found[step + 1] = found[step] + np.maximum(net, 0.0).sum(axis=0) / STEPS * -np.expm1(-fitting) / fitting
    return found

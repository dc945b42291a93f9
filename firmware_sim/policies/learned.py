"""The gateway's learned policy (`gateway.core.learning.policy`) in a comparison: it holds the states that a gateway keeps in its store."""

from __future__ import annotations

import msgspec
import numpy as np

from firmware_sim.policies.run import Choice, Closed, Situation
from gateway.core.learning.policy import Learner
from gateway.core.learning.state import LearnedState, PersonState
from gateway.core.learning.types import Known, Moment, Outcome, Settings


class Learned:
    """Learns from all outcomes."""

    name = "learned"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._learner: Learner | None = None
        self._state = LearnedState()
        self._people: dict[str, PersonState] = {}

    def choose(self, here: Situation) -> Choice | None:
        """The offer with the highest drawn value."""
        learner, request = self._of(here), here.request
        subject = request.subject
        me = self._people.get(subject.subject, PersonState())
        moment, weighed, chosen = Moment(request.zone, request.occasion, request.now_ms, subject.contacts), None, None
        draws = here.draws("learned")
        if here.open:
            moment = moment._replace(positions=np.array(here.open), scores=np.array(here.scores), rows=here.rows)
            weighed = learner.weigh(self._state, me, moment)
            numbers = [draws.random() for _ in range(len(here.open) + 2)]
            chosen = learner.chosen(self._state, weighed.arms, learner.ruled(moment), numbers).position
        sent = None if chosen is None else here.offers[here.open[chosen]]
        changed, after = learner.seen(self._state, me, moment, weighed, sent, draws.random(), learning="learning" in subject.purposes)
        self._state, self._people[subject.subject] = self._state.plus(changed), after
        if chosen is None or weighed is None:
            return None
        return Choice(here.open[chosen], float(weighed.propensity[chosen]), weighed.known(chosen))

    def learn(self, closed: Closed) -> None:
        """Learn from one outcome."""
        assert self._learner is not None
        assert isinstance(closed.choice.known, Known)
        subject = closed.subject
        outcome = Outcome(closed.offer, closed.choice.known, closed.ended, closed.closed_ms, "learning" in subject.purposes)
        changed, after = self._learner.after(self._state, self._people[subject.subject], outcome)
        self._state, self._people[subject.subject] = self._state.plus(changed), after

    def _of(self, here: Situation) -> Learner:
        if self._learner is None:
            site = here.shop.site
            settings = msgspec.structs.replace(self._settings, positives=here.shop.positives)
            self._learner = Learner(site.schema, site.columns, here.offers, site.campaign.policy, settings)
        return self._learner

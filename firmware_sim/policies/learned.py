"""The gateway's learned policy (`gateway.core.learning.policy`) in a comparison: it holds the states that a gateway keeps in its store."""

from __future__ import annotations

import msgspec

from firmware_sim.policies.run import Choice, Closed, Situation
from gateway.core.learning.policy import Known, Learner, Moment, Outcome, Settings
from gateway.core.learning.state import LearnedState, PersonState


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
        offers = [here.offers[position] for position in here.open]
        moment = Moment(
            request.zone,
            request.occasion,
            request.now_ms,
            subject.contacts,
            offers,
            here.scores if here.open else (),
            here.rows if here.open else learner.no_rows,
        )
        weighed = learner.weigh(self._state, me, moment) if offers else []
        draws = here.draws("learned")
        numbers = [draws.random() for _ in range(len(offers) + 2)]
        chosen = learner.chosen(self._state, weighed, learner.ruled(moment), numbers).position if offers else None
        changed, after = learner.seen(
            self._state,
            me,
            moment,
            weighed,
            None if chosen is None else offers[chosen],
            draws.random(),
            learning="learning" in subject.purposes,
        )
        self._state, self._people[subject.subject] = self._state.plus(changed), after
        return None if chosen is None else Choice(here.open[chosen], weighed[chosen].propensity, weighed[chosen].known)

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

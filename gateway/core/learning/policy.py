"""The learned policy: the value of each open offer at a moment, the choice with its probability, and the change by an outcome.

    expected value = P(redeem) x (value - P(purchase without the offer) x usual margin) - price of a message
    price          = cost of a contact + loss of later messages + P(dismissed) x prospects of the offer with this person

P(redeem) is the learned propensity of the offer with the effects of the person, times the share of accepted offers that are redeemed.
The prospects (`outlook`) are the margin that a refused offer would still have brought; a later message loses by the fatigue that this one
causes; a campaign with a higher cost of a contact sends only the better messages. Everything is learned from answers, visits and contacts.
A cold start imitates the rules (score x value - cost), with a ramp by accepted offers. All open offers are weighed at once, as columns.

`Learner` holds no state: `weigh` and `chosen` read a LearnedState and a PersonState, `seen` and `after` return the changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from gateway.core.attributes.schema import Schema
from gateway.core.learning import anyway, explore, outlook, person, predictors, regression
from gateway.core.learning.anyway import Habit, Visits
from gateway.core.learning.busy import Busy
from gateway.core.learning.columns import Columns, Floats
from gateway.core.learning.outlook import Level, Outlook
from gateway.core.learning.regression import Weights
from gateway.core.learning.state import ALL, LearnedState, PersonState, Share, Waiting, merged
from gateway.core.learning.types import Chosen, Moment, Outcome, Settings, Weighed, chain, effect_keys
from gateway.core.offers import Offer
from gateway.core.offers import Policy as ContactPolicy

DAY_MS = 86_400_000
SILENT_MAX = 200  # moments of a person that wait for their horizon
MEANS_ROWS = 500.0  # messages that the mean loss by fatigue remembers
RECENT = 1  # place of the predictor of recent contacts
TINY = 1e-9


class Learner:
    """The policy of a site: schema and columns of its model, its offers, its contact policy and settings.

    `basis` identifies the predictors and, after a point, the offers.
    """

    def __init__(self, schema: Schema, columns: Sequence[str], offers: Sequence[Offer], policy: ContactPolicy, settings: Settings) -> None:
        self.plan, self.settings, self.offers = predictors.plan(schema, columns), settings, tuple(offers)
        self._start = tuple(regression.start(variances) for variances in self.plan.variances)
        self._policy = policy
        self._columns = Columns(self.offers, self.plan.shape, self._start)
        self._first = np.arange(self.plan.shape[0]) * self.plan.shape[1]
        self.basis = f"{_digest(self.plan)}.{_digest([(offer.id, offer.category) for offer in offers])}"

    # --- choosing ----------------------------------------------------------------------------------------------

    def weigh(self, state: LearnedState, me: PersonState, here: Moment) -> Weighed:
        """The open offers."""
        columns, at = self._columns, here.positions
        shops, recent = columns.shop[at], predictors.recency(here.contacts, here.now_ms)
        busy, habits = columns.busy(state.busy, here.now_ms)[shops], columns.habits(me.habits)[shops]
        score, is_new = outlook.log_odds(here.scores), columns.is_new(here.contacts, at)
        rows = self.plan.rows(score, here.rows, recent=recent, new=is_new, busy=busy)
        places = rows.bins + (at[:, np.newaxis] * columns.size + self._first)
        shared = regression.posterior(*columns.weights(state.models, at), places, rows.times)
        own, own_variance = columns.effects(me.effects, at)
        among, spread = score + shared.mean, shared.variance + own_variance
        odds = regression.drawn(among + own, spread)
        propensity = regression.logistic(odds)
        usually = columns.anyway(state.visits, here.zone, here.occasion)[shops] * busy**anyway.HOUR_POWER * self.settings.buys
        without = np.minimum(usually * habits, 1.0)
        worth = columns.value[at] - without * columns.usual[at]
        redeemed = state.shares.get("redeemed", Share()).mean(*self.settings.redeemed)
        margin, cost = worth * redeemed, self._cost(state)
        risk = self._risks(state, me, here, _Figures(among, own, spread, usually, habits, redeemed, cost))
        doubt = propensity * (1.0 - propensity)
        lost = min(recent, predictors.RECENT_MAX) * self._tiredness(state) * doubt * (margin + risk)
        deviation = np.sqrt(np.minimum(shared.variance, 1.0 / (doubt * (self.settings.rows_min + 1.0) + TINY)))
        arms = explore.Arms(
            odds, deviation, margin + risk, cost + risk - columns.levers(state.shown, here.now_ms)[at] * (self.settings.lever * redeemed)
        )
        net = propensity * margin - cost - (1.0 - propensity) * risk
        return Weighed(propensity, without, usually, margin, net, np.maximum(lost, 0.0), among, arms, rows, score)

    def chosen(self, state: LearnedState, arms: explore.Arms, ruled: int | None, draws: Sequence[float]) -> Chosen:
        """The choice with `draws`: one of the ramp, one of the floor, and one for each arm. `ruled` is the choice of the rules."""
        ramp = explore.ramp(self.settings.positives + state.shares.get("taken", Share()).ones)
        imitated = draws[0] >= ramp
        position = ruled if imitated else explore.select(arms, draws[2:], draws[1], self.settings.floor)
        learned = explore.probability(arms, position, self.settings.floor)
        return Chosen(position, ramp * learned + (1.0 - ramp) * (position == ruled), imitated)

    def ruled(self, here: Moment) -> int | None:
        """The choice without learning: the offer with the highest score x value, if that is above the cost of a contact."""
        if not len(here.positions):
            return None
        values = np.where(here.scores >= self._policy.propensity_min, here.scores * self._columns.value[here.positions], 0.0)
        best = int(values.argmax())
        return best if values[best] > self._policy.contact_cost_minor else None

    def _cost(self, state: LearnedState) -> float:
        """Cost of a message: that of a contact, and the mean loss of later messages by the fatigue that one causes."""
        return self._policy.contact_cost_minor + state.means.get("fatigue", Level()).mean

    def _tiredness(self, state: LearnedState) -> float:
        """Log-odds that all offers lose by one recent contact."""
        model = state.models.get(ALL)
        return 0.0 if model is None else max(0.0, -float(model.arrays(self.plan.shape)[0][RECENT, 0]))

    def _risks(self, state: LearnedState, me: PersonState, here: Moment, now: _Figures) -> Floats:
        """The margin that each offer loses if it is not accepted: P(dismissed) x prospects."""
        columns, at = self._columns, here.positions
        outlooks = columns.outlooks(state.outlooks, at)
        level, rows = columns.levels(me.levels, at)
        usual = regression.drawn(np.where(outlooks.rows * rows > 0.0, outlooks.level + level, now.among) + now.own, now.spread)
        dismissed = state.shares.get("dismissed", Share()).mean(*self.settings.dismissed)
        without = (np.where(outlooks.rows > 0.0, outlooks.anyway, now.usually) + outlooks.slope * outlook.AT) * now.habits
        without = np.minimum(np.maximum(without, 0.0), 1.0)
        left_ms = np.minimum(columns.ends_ms[at] - here.now_ms, min(self._policy.refusal_s * 1000, self.settings.look_ahead_days * DAY_MS))
        return dismissed * outlook.prospects(
            outlooks.deviations,
            usual,
            (columns.value[at] - without * columns.usual[at]) * now.redeemed,
            self._moments(me, here.now_ms) * columns.placed(state.moments)[columns.placement[at]],
            np.maximum(left_ms, 0.0) / DAY_MS,
            columns.cap[at],
            cost_minor=now.cost,
            dismissed=dismissed,
        )

    def _moments(self, me: PersonState, now_ms: int) -> float:
        """Moments a day of the person."""
        first_moments, first_days = self.settings.moments
        days = (now_ms - me.since_ms) / DAY_MS if me.since_ms else 0.0
        return (me.moments + first_moments * first_days) / (days + first_days)

    # --- learning ----------------------------------------------------------------------------------------------

    def after(self, state: LearnedState, me: PersonState, outcome: Outcome) -> tuple[LearnedState, PersonState]:
        """The change by the end of a message: keys of the state (none without the purpose learning), and the person."""
        offer, known, taken = outcome.offer, outcome.known, outcome.ended in {"accepted", "redeemed"}
        models, keys = self._models(state, offer), effect_keys(offer)
        bins, times = np.array(known.bins), np.array(known.times)
        own = person.faded(me.effects, keys, outcome.closed_ms)
        both = person.together(own, keys)
        mean, variance = regression.of_chain([model.arrays(self.plan.shape) for model in models], bins, times)
        answer = regression.Outcome(bins, times, known.score + both.mean, both.variance, taken, outcome.closed_ms)
        step = regression.step(answer.known + mean, answer.known_variance + variance, taken=taken)
        after = msgspec.structs.replace(me, effects=person.merged(me.effects, person.with_step(own, *step)))
        if not outcome.learning:
            return LearnedState(), after
        changed = regression.learned(models, self.plan.variances, answer, self.plan.shape, self.settings.half_life_days)
        name, one = ("redeemed", outcome.ended == "redeemed") if taken else ("dismissed", outcome.ended == "dismissed")
        shares = {key: state.shares.get(key, Share()).plus(value) for key, value in (("taken", taken), (name, one))}
        return LearnedState(models=dict(zip(chain(offer), changed, strict=True)), shares=shares), after

    def seen(
        self,
        state: LearnedState,
        me: PersonState,
        here: Moment,
        weighed: Weighed | None,
        sent: Offer | None,
        draw: float,
        *,
        learning: bool,
    ) -> tuple[LearnedState, PersonState]:
        """The change by a moment itself: visits, counts of moments and messages, and the log-odds of one open offer, chosen by `draw`.

        A moment without a message waits for its horizon, after which it counts for
        the purchases without an offer.
        """
        after, visits = self._visited(me, here, state.visits)
        if sent is None:
            after = msgspec.structs.replace(after, silent=(*after.silent, Waiting(here.now_ms, here.zone, here.occasion))[-SILENT_MAX:])
        outlooks, levels, means = dict[str, Outlook](), dict[str, Level](), dict[str, Level]()
        if weighed is not None:
            at = int(draw * len(here.positions))
            offer, among, usually = self.offers[here.positions[at]], float(weighed.among[at]), float(weighed.usually[at])
            before, level = state.outlooks.get(offer.id, Outlook()), me.levels.get(offer.category, Level())
            apart = among - before.level.mean if before.level.rows else 0.0
            outlooks[offer.id] = before.plus(among, apart - level.mean if level.rows else 0.0, usually)
            levels[offer.category] = level.plus(apart)
        after = msgspec.structs.replace(
            after, moments=me.moments + 1.0, since_ms=me.since_ms or here.now_ms, levels={**me.levels, **levels}
        )
        if not learning:
            return LearnedState(), after
        shown = dict[str, float]()
        if sent is not None and weighed is not None:
            at = [self.offers[position].id for position in here.positions.tolist()].index(sent.id)
            shown[sent.id] = state.shown.get(sent.id, 0.0) + 1.0
            means["fatigue"] = state.means.get("fatigue", Level()).plus(float(weighed.fatigue_minor[at]), MEANS_ROWS)
        where, keys = here.place, [ALL, here.zone] if here.zone in self._columns.shops else [ALL]
        visited = {key: state.busy.get(key, Busy()).plus(here.now_ms) for key in keys} if here.occasion == "dwelled" else {}
        moments = {where: state.moments.get(where, 0.0) + 1.0}
        return LearnedState(visits=visits, means=means, shown=shown, moments=moments, outlooks=outlooks, busy=visited), after

    def _visited(self, me: PersonState, here: Moment, known: Mapping[str, Visits]) -> tuple[PersonState, dict[str, Visits]]:
        """The person without the silent moments of an ended horizon, with habits from these, and the visits of these."""
        visits, habits, horizon_ms = dict[str, Visits](), dict[str, Habit](), self.settings.horizon_ms
        over = sum(1 for past in me.silent if here.now_ms - past.at_ms > horizon_ms)
        for past in me.silent[:over]:
            for shop in self._columns.shops:
                visited = past.at_ms <= me.visited.get(shop, 0) <= past.at_ms + horizon_ms
                expected = anyway.rate(known, shop, past.zone, past.occasion)
                habits[shop] = (habits.get(shop) or me.habits.get(shop) or Habit()).plus(expected, visited=visited)
                for key in (shop, anyway.place(shop, past.zone, past.occasion)):
                    visits[key] = visits.get(key, known.get(key, Visits())).plus(visited=visited)
        last = {**me.visited, here.zone: here.now_ms} if here.occasion == "dwelled" and here.zone in self._columns.shops else me.visited
        after = anyway.bounded(merged(me.habits, habits))
        return msgspec.structs.replace(me, silent=me.silent[over:], visited=last, habits=after), visits

    def _models(self, state: LearnedState, offer: Offer) -> list[Weights]:
        """The models of an offer, the narrowest first."""
        return [state.models.get(key, start) for key, start in zip(chain(offer), self._start, strict=True)]


class _Figures(NamedTuple):
    """The open offers as columns, for the prospects.

    Log-odds among all people, effects of the person and variance; P(purchase without the offer) of all people, and the person's factor on
    it; share of the accepted offers that are redeemed, and cost of a message.
    """

    among: Floats
    own: Floats
    spread: Floats
    usually: Floats
    habits: Floats
    redeemed: float
    cost: float


def _digest(values: object) -> str:
    return hashlib.blake2b(msgspec.msgpack.encode(values), digest_size=4).hexdigest()

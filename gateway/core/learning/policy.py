"""The learned policy: the value of each open offer at a moment, the choice with its probability, and the change by an outcome.

    expected value = P(redeem) x (value - P(purchase without the offer) x usual margin) - price of a message
    price          = cost of a contact + attention + loss of later messages + P(dismissed) x prospects of the offer with this person

P(redeem) is the learned propensity of the offer with the effects of the person, times the share of accepted offers that are redeemed.
The prospects (`outlook`) are the margin that a refused offer would still have brought; a later message loses by the fatigue that this one
causes; the price of attention is a share of the mean gain of a message, so that a person gets only the better ones. Everything is learned
from answers, visits and contacts. A cold start imitates the rules (score x value - cost), with a ramp by accepted offers.

`Learner` holds no state: `weigh` and `chosen` read a LearnedState and a PersonState, `seen` and `after` return the changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.attributes.schema import Schema
from gateway.core.context import Contact
from gateway.core.learning import anyway, busy, explore, outlook, person, predictors, regression
from gateway.core.learning.anyway import Visits
from gateway.core.learning.busy import Busy
from gateway.core.learning.outlook import Level, Outlook
from gateway.core.learning.regression import Weights
from gateway.core.learning.state import ALL, LearnedState, PersonState, Share, Waiting
from gateway.core.offers import Offer
from gateway.core.offers import Policy as ContactPolicy

DAY_MS = 86_400_000
SILENT_MAX = 200  # moments of a person that wait for their horizon
MEANS_ROWS = 500.0  # messages that the mean gain and the mean loss by fatigue remember
RECENT = 1  # place of the predictor of recent contacts
Keys = tuple[str, str, str]
Ended = Literal["redeemed", "accepted", "dismissed", "opened", "shown", "none"]


class Settings(msgspec.Struct, frozen=True):
    """Settings of a site. `horizon_ms` is the time within which a purchase would have come anyway, `buys` the purchases per visit.

    `positives` are the accepted offers that the bundle's model was trained on: the policy starts with it, so the ramp counts these.
    `attention` is the price of attention in mean gains of a message.
    `look_ahead_days` bounds the time for which the prospects of an offer count. `redeemed` and `dismissed` are shares before any answer,
    and `moments` those a day of a person before the first; each with its weight in rows or days.
    """

    horizon_ms: int = 3_600_000
    buys: float = 0.6
    positives: float = 0.0
    half_life_days: float = 90.0
    floor: float = 0.005
    attention: float = 0.35
    rows_min: float = 150.0
    look_ahead_days: float = 3.0
    lever_power: float = 0.9
    lever_max: float = 2.0
    redeemed: tuple[float, float] = (0.8, 20.0)
    dismissed: tuple[float, float] = (0.6, 20.0)
    moments: tuple[float, float] = (4.0, 2.0)


class Moment(NamedTuple):
    """A request: `offers` are the open ones, with the model's `scores` and `rows` (n, columns); `contacts` those of the person."""

    zone: str
    occasion: str
    now_ms: int
    contacts: Sequence[Contact]
    offers: Sequence[Offer]
    scores: Sequence[float]
    rows: NDArray[np.float32]


class Known(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The input of later learning, kept with a decision: bins and multipliers of the predictors, and the log-odds of the model's score."""

    bins: tuple[int, ...]
    times: tuple[float, ...]
    score: float


class Weighed(NamedTuple):
    """An open offer: propensity, P(purchase without it), margin of an acceptance, price of a message, all in minor units, and the arm.

    `among` is the log-odds among all people, and `fatigue_minor` the loss of this message by the contacts before it.
    """

    propensity: float
    anyway: float
    worth_minor: float
    price_minor: float
    fatigue_minor: float
    among: float
    arm: explore.Arm
    known: Known


class Chosen(NamedTuple):
    """Position among the open offers, or None for silence; the probability of this choice; whether the rules were imitated."""

    position: int | None
    p_select: float
    imitated: bool


class Outcome(NamedTuple):
    """The end of a message: `known` of its decision, the answer that counts at `closed_ms`, and whether the person consents to learning."""

    offer: Offer
    known: Known
    ended: Ended
    closed_ms: int
    learning: bool


class Learner:
    """The policy of a site: schema and columns of its model, its offers, its contact policy and settings.

    `basis` identifies the predictors and, after a point, the offers; `no_rows` are the rows of a moment without open offers.
    """

    def __init__(self, schema: Schema, columns: Sequence[str], offers: Sequence[Offer], policy: ContactPolicy, settings: Settings) -> None:
        self.plan = predictors.plan(schema, columns)
        self.settings = settings
        self._start = tuple(regression.start(variances) for variances in self.plan.variances)
        self._policy = policy
        self._shops = tuple(dict.fromkeys(offer.shop for offer in offers))
        self.no_rows = np.zeros((0, len(columns)), dtype=np.float32)
        self.basis = f"{_digest(self.plan)}.{_digest([(offer.id, offer.category) for offer in offers])}"
        self._placed = {offer.id: frozenset((zone, when) for zone in offer.zones for when in offer.occasions) for offer in offers}

    # --- choosing ----------------------------------------------------------------------------------------------

    def weigh(self, state: LearnedState, me: PersonState, here: Moment) -> list[Weighed]:
        """The open offers in their order."""
        if not here.offers:
            return []
        contacted = {contact.offer for contact in here.contacts}
        recent, new = predictors.recency(here.contacts, here.now_ms), [offer.id not in contacted for offer in here.offers]
        score = np.array([outlook.log_odds(one) for one in here.scores])
        visits = self._busy(state, here)
        rows = self.plan.rows(score, here.rows, recent=recent, new=new, busy=visits)
        shared = regression.posterior([self._models(state, offer) for offer in here.offers], rows, self.plan.shape)
        own = [person.together(me.effects, effect_keys(offer)) for offer in here.offers]
        among = score + shared.mean
        spread = shared.variance + np.array([one.variance for one in own])
        propensity = regression.probability(among + np.array([one.mean for one in own]), spread)
        redeemed = state.shares.get("redeemed", Share()).mean(*self.settings.redeemed)
        without = [self._anyway(state, offer, here) for offer in here.offers]
        worth = np.array([offer.value_minor - share * _usual_minor(offer) for offer, share in zip(here.offers, without, strict=True)])
        moments = _Moments(here, among, worth * redeemed, [one.mean for one in own], spread)
        risks, cost = self._risks(state, me, moments), self._cost(state)
        certain = 1.0 / (propensity * (1.0 - propensity) * shared.variance + 1e-9) - 1.0
        at_stake = propensity * (1.0 - propensity) * (moments.worth + risks)
        lost = min(recent, predictors.RECENT_MAX) * self._tiredness(state) * at_stake
        found, levers = [], self._levers(state, here.offers)
        for at in range(len(here.offers)):
            chance, value, risk = float(propensity[at]), float(moments.worth[at]), float(risks[at])
            count = max(float(certain[at]), self.settings.rows_min)
            arm = explore.Arm(chance * count, (1.0 - chance) * count, value * levers[at] + risk, cost + risk)
            known = Known(tuple(rows.bins[at].tolist()), tuple(rows.times[at].tolist()), float(score[at]))
            price = cost + (1.0 - chance) * risk
            found.append(Weighed(chance, without[at], value, price, max(float(lost[at]), 0.0), float(among[at]), arm, known))
        return found

    def chosen(self, state: LearnedState, weighed: Sequence[Weighed], ruled: int | None, draws: Sequence[float]) -> Chosen:
        """The choice with `draws`: one of the ramp, one of the floor, and one for each offer. `ruled` is the choice of the rules."""
        arms, ramp = [one.arm for one in weighed], self._ramp(state)
        imitated, cumulative = draws[0] >= ramp, explore.posterior(arms) if arms else None
        position = ruled if imitated else explore.select(arms, draws[2:], draws[1], self.settings.floor, cumulative)
        learned = explore.probability(arms, position, self.settings.floor, cumulative)
        return Chosen(position, ramp * learned + (1.0 - ramp) * (position == ruled), imitated)

    def ruled(self, here: Moment) -> int | None:
        """The choice without learning: the offer with the highest score x value, if that is above the cost of a contact."""
        least, cost = self._policy.propensity_min, self._policy.contact_cost_minor
        values = [score * offer.value_minor if score >= least else 0.0 for score, offer in zip(here.scores, here.offers, strict=True)]
        best = max(range(len(values)), key=values.__getitem__, default=None)
        return best if best is not None and values[best] > cost else None

    def _ramp(self, state: LearnedState) -> float:
        return explore.ramp(self.settings.positives + state.shares.get("taken", Share()).ones)

    def _anyway(self, state: LearnedState, offer: Offer, here: Moment) -> float:
        """Probability of a purchase in the offer's shop without the offer."""
        return min(1.0, anyway.rate(state.visits, offer.shop, here.zone, here.occasion) * self.settings.buys)

    def _busy(self, state: LearnedState, here: Moment) -> list[float]:
        """Visits of each offer's shop at this hour, relative to those of the site."""
        site, by_shop = state.busy.get(ALL, Busy()), dict[str, float]()
        for offer in here.offers:
            if offer.shop not in by_shop:
                by_shop[offer.shop] = busy.relative(state.busy.get(offer.shop, Busy()), site, here.now_ms)
        return [by_shop[offer.shop] for offer in here.offers]

    def _cost(self, state: LearnedState) -> float:
        """Cost of a message: that of a contact, of attention, and the mean loss of later messages by the fatigue that one causes."""
        fatigue, gain = state.means.get("fatigue", Level()).mean, state.means.get("gain", Level()).mean
        return self._policy.contact_cost_minor + fatigue + self.settings.attention * gain

    def _tiredness(self, state: LearnedState) -> float:
        """Log-odds that all offers lose by one recent contact."""
        model = state.models.get(ALL)
        return 0.0 if model is None else max(0.0, -float(model.arrays(self.plan.shape)[0][RECENT, 0]))

    def _levers(self, state: LearnedState, offers: Sequence[Offer]) -> list[float]:
        """Factors on the values of offers that have been shown less than an even share: the long tail is shown as well."""
        even = sum(state.shown.values()) / max(len(state.shown), 1)
        power, most = self.settings.lever_power, self.settings.lever_max
        return [min(most, max(1.0, (even + 1.0) / (state.shown.get(offer.id, 0.0) + 1.0)) ** power) for offer in offers]

    def _risks(self, state: LearnedState, me: PersonState, now: _Moments) -> NDArray[np.float64]:
        """The margin that each offer loses if it is not accepted: P(dismissed) x prospects."""
        here, outlooks = now.here, [state.outlooks.get(offer.id, Outlook()) for offer in now.here.offers]
        known = [me.levels.get(offer.category, Level()) for offer in here.offers]
        among = [
            one.level.mean + mine.mean if one.level.rows and mine.rows else odds
            for one, mine, odds in zip(outlooks, known, now.among.tolist(), strict=True)
        ]
        usual = (np.array(among) + np.array(now.effects)) / np.sqrt(1.0 + regression.PROBIT * now.spread)
        dismissed = state.shares.get("dismissed", Share()).mean(*self.settings.dismissed)
        return dismissed * outlook.prospects(
            outlooks,
            usual.tolist(),
            [one.worth.mean if one.worth.rows else worth for one, worth in zip(outlooks, now.worth.tolist(), strict=True)],
            self._moments(state, me, here),
            [self._days_ahead(offer, here.now_ms) for offer in here.offers],
            [offer.per_person_day_max for offer in here.offers],
            cost_minor=self._cost(state),
            dismissed=dismissed,
        )

    def _moments(self, state: LearnedState, me: PersonState, here: Moment) -> list[float]:
        """Moments a day of the person at which each offer may be sent."""
        first_moments, first_days = self.settings.moments
        days = (here.now_ms - me.since_ms) / DAY_MS if me.since_ms else 0.0
        per_day = (me.moments + first_moments * first_days) / (days + first_days)
        total = sum(state.moments.values())
        if not total:
            return [per_day] * len(here.offers)
        placed = [
            sum(state.moments.get(f"{zone}|{occasion}", 0.0) for zone, occasion in self._placed.get(offer.id, ())) for offer in here.offers
        ]
        return [per_day * count / total for count in placed]

    def _days_ahead(self, offer: Offer, now_ms: int) -> float:
        """Days for which the prospects of an offer count: a refusal closes it for so long."""
        return max(0.0, min(self._policy.refusal_s * 1000, offer.ends_ms - now_ms, self.settings.look_ahead_days * DAY_MS) / DAY_MS)

    # --- learning ----------------------------------------------------------------------------------------------

    def after(self, state: LearnedState, me: PersonState, outcome: Outcome) -> tuple[LearnedState, PersonState]:
        """The change by the end of a message: keys of the state (none without the purpose learning), and the person."""
        offer, known, taken = outcome.offer, outcome.known, outcome.ended in {"accepted", "redeemed"}
        models, keys = self._models(state, offer), effect_keys(offer)
        bins, times = np.array([known.bins]), np.array([known.times])
        own = person.faded(me.effects, keys, outcome.closed_ms)
        both = person.together(own, keys)
        shared = regression.posterior([models], regression.Rows(bins, times), self.plan.shape)
        answer = regression.Outcome(bins[0], times[0], known.score + both.mean, both.variance, taken, outcome.closed_ms)
        step = regression.step(answer.known + float(shared.mean[0]), answer.known_variance + float(shared.variance[0]), taken=taken)
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
        weighed: Sequence[Weighed],
        sent: Offer | None,
        draw: float,
        *,
        learning: bool,
    ) -> tuple[LearnedState, PersonState]:
        """The change by a moment itself: visits, counts of moments and messages, and the log-odds of one open offer, chosen by `draw`.

        A moment without a message waits for its horizon, after which it counts for
        the purchases without an offer.
        """
        after, visits = self._visited(me, here, state.visits if learning else {})
        if sent is None:
            after = msgspec.structs.replace(after, silent=(*after.silent, Waiting(here.now_ms, here.zone, here.occasion))[-SILENT_MAX:])
        outlooks, levels = dict[str, Outlook](), dict[str, Level]()
        if weighed:
            at = int(draw * len(weighed))
            offer, one = here.offers[at], weighed[at]
            before, level = state.outlooks.get(offer.id, Outlook()), me.levels.get(offer.category, Level())
            apart = one.among - before.level.mean if before.level.rows else 0.0
            outlooks[offer.id] = before.plus(one.among, apart - level.mean if level.rows else 0.0, one.worth_minor)
            levels[offer.category] = level.plus(apart)
        after = msgspec.structs.replace(
            after, moments=me.moments + 1.0, since_ms=me.since_ms or here.now_ms, levels={**me.levels, **levels}
        )
        if not learning:
            return LearnedState(), after
        shown, means = dict[str, float](), dict[str, Level]()
        if sent is not None:
            shown[sent.id] = state.shown.get(sent.id, 0.0) + 1.0
            one = weighed[[offer.id for offer in here.offers].index(sent.id)]
            for name, value in (("fatigue", one.fatigue_minor), ("gain", max(0.0, one.propensity * one.worth_minor))):
                means[name] = state.means.get(name, Level()).plus(value, MEANS_ROWS)
        where, keys = f"{here.zone}|{here.occasion}", [ALL, here.zone] if here.zone in self._shops else [ALL]
        visited = {key: state.busy.get(key, Busy()).plus(here.now_ms) for key in keys} if here.occasion == "dwelled" else {}
        moments = {where: state.moments.get(where, 0.0) + 1.0}
        return LearnedState(visits=visits, means=means, shown=shown, moments=moments, outlooks=outlooks, busy=visited), after

    def _visited(self, me: PersonState, here: Moment, known: Mapping[str, Visits]) -> tuple[PersonState, dict[str, Visits]]:
        """The person without the silent moments of an ended horizon, and the visits of these."""
        visits, horizon_ms = dict[str, Visits](), self.settings.horizon_ms
        over = sum(1 for past in me.silent if here.now_ms - past.at_ms > horizon_ms)
        for past in me.silent[:over]:
            for shop in self._shops:
                visited = past.at_ms <= me.visited.get(shop, 0) <= past.at_ms + horizon_ms
                for key in (shop, anyway.place(shop, past.zone, past.occasion)):
                    visits[key] = visits.get(key, known.get(key, Visits())).plus(visited=visited)
        last = {**me.visited, here.zone: here.now_ms} if here.occasion == "dwelled" and here.zone in self._shops else me.visited
        return msgspec.structs.replace(me, silent=me.silent[over:], visited=last), visits

    def _models(self, state: LearnedState, offer: Offer) -> list[Weights]:
        """The models of an offer, the narrowest first."""
        return [state.models.get(key, start) for key, start in zip(chain(offer), self._start, strict=True)]


class _Moments(NamedTuple):
    """The open offers of a request as columns: log-odds among all people, margin of an acceptance, effects of the person, variance."""

    here: Moment
    among: NDArray[np.float64]
    worth: NDArray[np.float64]
    effects: Sequence[float]
    spread: NDArray[np.float64]


def _digest(values: object) -> str:
    return hashlib.blake2b(msgspec.msgpack.encode(values), digest_size=4).hexdigest()


def chain(offer: Offer) -> Keys:
    """Keys of the models that learn from an offer's answers, the narrowest first."""
    return offer.id, f"category:{offer.category}", ALL


def effect_keys(offer: Offer) -> Keys:
    """Keys of a person's effects: that on all offers, that of the category, and that of the offer."""
    return ALL, f"category:{offer.category}", offer.id


def _usual_minor(offer: Offer) -> float:
    """Margin of a purchase without the offer."""
    return offer.value_minor + (offer.discount or 0.0) * (offer.price_minor or 0)

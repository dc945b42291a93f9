"""The learned policy: the value of each open offer at a moment, the choice with its probability, and the change by an outcome.

    expected value = P(redeem) x (value - P(purchase without the offer) x usual margin) - price of a message
    price          = cost of a contact + P(dismissed) x prospects of the offer with this person

P(redeem) is the learned propensity of the offer with the effects of the person, times the share of accepted offers that are redeemed.
The prospects (`outlook`) are the margin that a refused offer would still have brought. Everything is learned from answers, visits and
contacts. A cold start imitates the rules (score x value), with a ramp by accepted offers.

`Learner` holds no state: `weigh` and `chosen` read a LearnedState and a PersonState, `seen` and `after` return the changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.attributes.schema import Schema
from gateway.core.context import Contact
from gateway.core.learned import OfferPriors
from gateway.core.learning import anyway, bayes, explore, outlook, person, predictors
from gateway.core.learning.anyway import Visits
from gateway.core.learning.outlook import Level, Outlook
from gateway.core.learning.state import ALL, LearnedState, PersonState, Share, Waiting
from gateway.core.offers import Offer
from gateway.core.offers import Policy as ContactPolicy

DAY_MS = 86_400_000
SILENT_MAX = 200  # moments of a person that wait for their horizon
EffectKeys = tuple[str, str]
Ended = Literal["redeemed", "accepted", "dismissed", "opened", "shown", "none"]


class Settings(msgspec.Struct, frozen=True):
    """Settings of a site. `horizon_ms` is the time within which a purchase would have come anyway, `buys` the purchases per visit.

    `look_ahead_days` bounds the time for which the prospects of an offer count. `redeemed` and `dismissed` are shares before any answer,
    and `moments` those a day of a person before the first; each with its weight in rows or days.
    """

    horizon_ms: int = 3_600_000
    buys: float = 0.6
    half_life_days: float = 90.0
    floor: float = 0.005
    certain_rows: float = 40.0
    look_ahead_days: float = 15.0
    lever_power: float = 0.9
    lever_max: float = 3.0
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
    """The input of later learning, kept with a decision: values of the predictors, plain score, log-odds among all people."""

    values: tuple[float, ...]
    plain_score: float
    log_odds: float


class Weighed(NamedTuple):
    """An open offer: propensity, P(purchase without it), margin of an acceptance, price of a message, all in minor units, and the arm."""

    propensity: float
    anyway: float
    worth_minor: float
    price_minor: float
    arm: explore.Arm
    known: Known


class Chosen(NamedTuple):
    """Position among the open offers, or None for silence; the probability of each offer; whether the rules were imitated."""

    position: int | None
    p_select: tuple[float, ...]
    imitated: bool


class Outcome(NamedTuple):
    """The end of a message: `known` of its decision, the answer that counts at `closed_ms`, and whether the person consents to learning."""

    offer: Offer
    known: Known
    ended: Ended
    closed_ms: int
    learning: bool


class Learner:
    """The policy of a site: schema and columns of its model, its offers, its contact policy and settings."""

    def __init__(self, schema: Schema, columns: Sequence[str], offers: Sequence[Offer], policy: ContactPolicy, settings: Settings) -> None:
        self.plan = predictors.plan(schema, columns)
        self.settings = settings
        self._policy = policy
        self._shops = tuple(dict.fromkeys(offer.shop for offer in offers))
        self._placed = {offer.id: frozenset((zone, when) for zone in offer.zones for when in offer.occasions) for offer in offers}

    # --- choosing ----------------------------------------------------------------------------------------------

    def weigh(self, state: LearnedState, me: PersonState, here: Moment) -> list[Weighed]:
        """The open offers in their order."""
        found = []
        redeemed, dismissed = self._redeemed(state), self._dismissed(state)
        recent, known_offers = predictors.recency(here.contacts, here.now_ms), {contact.offer for contact in here.contacts}
        for offer, score, row in zip(here.offers, here.scores, here.rows, strict=True):
            values = self.plan.values(score, row, recent=recent, new=offer.id not in known_offers)
            tables = self._tables(state, offer)
            plain = bayes.score(tables, values)
            odds = tables.line.offset + tables.line.slope * plain
            effects = person.together(me.effects, effect_keys(offer))
            propensity = person.probability(odds, effects)
            without = min(1.0, anyway.rate(state.visits, offer.shop, here.zone, here.occasion) * self.settings.buys)
            usual = offer.value_minor + (offer.discount or 0.0) * (offer.price_minor or 0)
            worth = (offer.value_minor - without * usual) * redeemed
            rows = self.settings.certain_rows + bayes.support(tables, plain)
            arm = explore.Arm(propensity * rows, (1 - propensity) * rows, worth)
            found.append(Weighed(propensity, without, worth, 0.0, arm, Known(values, plain, odds)))
        return self._priced(state, me, here, found, dismissed)

    def _priced(self, state: LearnedState, me: PersonState, here: Moment, weighed: Sequence[Weighed], dismissed: float) -> list[Weighed]:
        """The same with the prices of a message. The possible loss is linear in the propensity, so it becomes worth and cost of an arm."""
        cost = self._policy.contact_cost_minor
        ahead = outlook.prospects(
            [state.outlooks.get(offer.id, Outlook()) for offer in here.offers],
            [self._level(state, me, offer, one) for offer, one in zip(here.offers, weighed, strict=True)],
            [self._usual_worth(state, offer, one) for offer, one in zip(here.offers, weighed, strict=True)],
            self._moments(state, me, here),
            [self._days_ahead(offer, here.now_ms) for offer in here.offers],
            [offer.per_person_day_max for offer in here.offers],
            cost_minor=cost,
            dismissed=dismissed,
        )
        found = []
        for offer, one, lost in zip(here.offers, weighed, ahead.tolist(), strict=True):
            lever, risk = self._lever(state, offer), dismissed * lost
            arm = explore.Arm(one.arm.taken, one.arm.refused, one.worth_minor * lever + risk, cost + risk)
            found.append(one._replace(price_minor=cost + (1.0 - one.propensity) * risk, arm=arm))
        return found

    def chosen(self, state: LearnedState, here: Moment, weighed: Sequence[Weighed], draws: Sequence[float]) -> Chosen:
        """The choice with `draws`: one of the ramp, one of the floor, and one for each offer."""
        arms = [one.arm for one in weighed]
        ramp = explore.ramp(state.models[ALL].taken if ALL in state.models else 0.0)
        values = [score * offer.value_minor for score, offer in zip(here.scores, here.offers, strict=True)]
        ruled = max(range(len(values)), key=values.__getitem__, default=None)
        learned = explore.probabilities(arms, self.settings.floor)
        p_select = tuple(ramp * share + (1.0 - ramp) * (at == ruled) for at, share in enumerate(learned))
        imitated = draws[0] >= ramp
        position = ruled if imitated else explore.select(arms, draws[2:], draws[1], self.settings.floor)
        return Chosen(position, p_select, imitated)

    def _lever(self, state: LearnedState, offer: Offer) -> float:
        """Factor on the value of an offer that has been shown less than an even share: the long tail is shown as well."""
        even = sum(state.shown.values()) / max(len(state.shown), 1)
        behind: float = max(1.0, (even + 1.0) / (state.shown.get(offer.id, 0.0) + 1.0)) ** self.settings.lever_power
        return min(self.settings.lever_max, behind)

    def _level(self, state: LearnedState, me: PersonState, offer: Offer, one: Weighed) -> float:
        """The usual log-odds of the offer with this person."""
        known = me.levels.get(offer.category, Level())
        pooled = state.outlooks.get(offer.id, Outlook()).level
        among = pooled.mean + known.mean if pooled.rows and known.rows else one.known.log_odds
        return outlook.log_odds(person.probability(among, person.together(me.effects, effect_keys(offer))))

    def _usual_worth(self, state: LearnedState, offer: Offer, one: Weighed) -> float:
        known = state.outlooks.get(offer.id, Outlook()).worth
        return known.mean if known.rows else one.worth_minor

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
        keys = effect_keys(offer)
        changed = person.with_answer(me.effects, keys, known.log_odds, taken=taken, at_ms=outcome.closed_ms)
        after = msgspec.structs.replace(me, effects={**me.effects, **changed})
        if not outcome.learning:
            return LearnedState(), after
        models = {
            key: bayes.learn(self._model(state, key), known.values, known.plain_score, taken=taken, at_ms=outcome.closed_ms)
            for key in chain(offer)
        }
        name, one = ("redeemed", outcome.ended == "redeemed") if taken else ("dismissed", outcome.ended == "dismissed")
        shares = {name: state.shares.get(name, Share()).plus(one)}
        return LearnedState(models, {offer.id: bayes.compiled([models[key] for key in chain(offer)])}, shares=shares), after

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

        A moment without a message waits for its horizon, after which it counts for the purchases without an offer.
        """
        after, visits = self._visited(me, here, state.visits if learning else {})
        if sent is None:
            after = msgspec.structs.replace(after, silent=(*after.silent, Waiting(here.now_ms, here.zone, here.occasion))[-SILENT_MAX:])
        moments, since_ms = me.moments + 1.0, me.since_ms or here.now_ms
        outlooks, levels = dict[str, Outlook](), dict[str, Level]()
        if weighed:
            at = int(draw * len(weighed))
            offer, one = here.offers[at], weighed[at]
            before, level = state.outlooks.get(offer.id, Outlook()), me.levels.get(offer.category, Level())
            apart = one.known.log_odds - before.level.mean if before.level.rows else 0.0
            outlooks[offer.id] = before.plus(one.known.log_odds, apart - level.mean if level.rows else 0.0, one.worth_minor)
            levels[offer.category] = level.plus(apart)
        after = msgspec.structs.replace(after, moments=moments, since_ms=since_ms, levels={**me.levels, **levels})
        if not learning:
            return LearnedState(), after
        where = f"{here.zone}|{here.occasion}"
        shown = {sent.id: state.shown.get(sent.id, 0.0) + 1.0} if sent is not None else {}
        counted = {where: state.moments.get(where, 0.0) + 1.0}
        return LearnedState(visits=visits, shown=shown, moments=counted, outlooks=outlooks), after

    def _visited(self, me: PersonState, here: Moment, known: Mapping[str, Visits]) -> tuple[PersonState, dict[str, Visits]]:
        """The person without the silent moments whose horizon is over, and their visits counted."""
        visits, waiting = dict[str, Visits](), list(me.silent)
        while waiting and here.now_ms - waiting[0].at_ms > self.settings.horizon_ms:
            past = waiting.pop(0)
            for shop in self._shops:
                visited = past.at_ms <= me.visited.get(shop, 0) <= past.at_ms + self.settings.horizon_ms
                for key in (shop, anyway.place(shop, past.zone, past.occasion)):
                    visits[key] = visits.get(key, known.get(key, Visits())).plus(visited=visited)
        if here.occasion == "dwelled" and here.zone in self._shops:
            me = msgspec.structs.replace(me, visited={**me.visited, here.zone: here.now_ms})
        return msgspec.structs.replace(me, silent=tuple(waiting)), visits

    def _redeemed(self, state: LearnedState) -> float:
        return state.shares.get("redeemed", Share()).mean(*self.settings.redeemed)

    def _dismissed(self, state: LearnedState) -> float:
        return state.shares.get("dismissed", Share()).mean(*self.settings.dismissed)

    def _tables(self, state: LearnedState, offer: Offer) -> bayes.Compiled:
        found = state.tables.get(offer.id)
        return bayes.compiled([self._model(state, key) for key in chain(offer)]) if found is None else found

    def _model(self, state: LearnedState, key: str) -> OfferPriors:
        found = state.models.get(key)
        if found is not None:
            return found
        return (
            predictors.start(key, self.plan, self.settings.half_life_days)
            if key == ALL
            else bayes.empty(key, self.plan.predictors, self.settings.half_life_days)
        )


def chain(offer: Offer) -> tuple[str, str, str]:
    """Keys of the models that learn from an offer's answers, the narrowest first."""
    return offer.id, f"category:{offer.category}", ALL


def effect_keys(offer: Offer) -> EffectKeys:
    """Keys of a person's effects: that of the category, then that of the offer."""
    return f"category:{offer.category}", offer.id

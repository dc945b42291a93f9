"""Value of triggers compared with chance, and regret of decisions.

The value of an offer that reached a phone is its true gain (`people/counterfactual.py`): the margin beyond the purchase without
the offer. It is compared with as many offers at the same moments to random people that were present with consent, each a random
offer. Regret is the gain of the best offer for that person and moment, or 0 for silence, minus the gain of the offer sent. All
probabilities are the true ones; only rollouts and random choices are drawn, from a seed.
"""

from __future__ import annotations

from random import Random
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_sim.draws import generator
from firmware_sim.people.behaviour import OfferEffect
from firmware_sim.people.counterfactual import ROLLOUTS, baseline_purchases, offer_value
from firmware_sim.people.tastes import accept
from firmware_sim.people.truth import LoadedTruth
from firmware_sim.people.walker import Walker

BOOTSTRAPS = 2000
EVALUATED_MAX = 400  # sample size for regret
BEST_MINOR = 0.5  # tolerance for equal gains


class Figure(NamedTuple):
    """Mean with its 95 % interval."""

    mean: float
    low: float
    high: float


class Value(NamedTuple):
    """Results for all triggers; `gain` in minor units per trigger, `advantage` is the difference to chance."""

    received: int
    uplift: Figure
    gain: Figure
    chance_gain: Figure
    advantage: Figure
    total_minor: float
    chance_total_minor: Figure
    regret: Figure
    best_share: float
    harmful_share: float
    in_incidents: int


def value(known: LoadedTruth, draws: int) -> Value | None:
    """Value of all triggers of a run; None if no offer was received or `draws` is 0."""
    sent = [row for row in known.tables["offers"] if row["fate"] == "received"]
    if not sent or not draws:
        return None
    gains = np.array([row["gain_minor"] for row in sent])
    chance = _chance(known, sent, draws)
    rng = np.random.default_rng(known.world.seed)
    ours, theirs = _resampled(gains, len(gains), rng), _resampled(chance, len(chance), rng)
    totals = chance[rng.integers(0, len(chance), (BOOTSTRAPS, len(sent)))].sum(axis=1)
    regrets, best, harmful = _regrets(known, sent)
    return Value(
        len(sent),
        _figure(np.array([row["uplift"] for row in sent]), rng),
        Figure(float(gains.mean()), *_interval(ours)),
        Figure(float(chance.mean()), *_interval(theirs)),
        Figure(float(gains.mean() - chance.mean()), *_interval(ours - theirs)),
        float(gains.sum()),
        Figure(float(totals.mean()), *_interval(totals)),
        _figure(np.array(regrets), rng),
        best,
        harmful,
        sum(_during_incident(known, row) for row in sent),
    )


def effects(known: LoadedTruth) -> list[OfferEffect]:
    """Offers that could have been sent: the scenario's, or without any those that were sent."""
    if known.world.scenario.offers:
        return list(known.world.scenario.offers)
    seen = sorted({(row["offer"], row["shop"]) for row in known.tables["offers"] if row["shop"] in known.world.zones})
    return [OfferEffect(id=offer, shop=shop) for offer, shop in seen]


def gain(walker: Walker, offer: OfferEffect, street_s: float, baseline: dict[str, float]) -> float:
    """True gain in minor units of an offer at a moment, given the baseline probability of a purchase by shop."""
    acceptance = accept(walker.world.scenario, walker.person, offer, walker.offer_context(street_s, offer.shop, offer.id))
    return offer_value(walker.world, offer, acceptance, baseline.get(offer.shop, 0.0)).gain_minor


def _chance(known: LoadedTruth, sent: list[dict[str, Any]], draws: int) -> NDArray[np.float64]:
    """Gains of random offers to random people present at the same moments."""
    world, rng, offers = known.world, generator(known.world.seed, "chance"), effects(known)
    gains = []
    for number in range(draws):
        street_s = world.street_s(sent[number % len(sent)]["at_ms"] - world.start_ms)
        there = [walker for walker in known.walkers.values() if walker.consents_at(street_s) and walker.place(street_s) is not None]
        if there and offers:
            walker, offer = rng.choice(there), rng.choice(offers)
            gains.append(gain(walker, offer, street_s, baseline_purchases(walker, street_s, rng, ROLLOUTS // 2)))
    return np.array(gains or [0.0])


def _regrets(known: LoadedTruth, sent: list[dict[str, Any]]) -> tuple[list[float], float, float]:
    """Regret of each evaluated decision, the share of best choices, and the share of choices worse than silence."""
    world, offers = known.world, effects(known)
    step = max(1, len(sent) // EVALUATED_MAX)
    evaluated = sent[::step][:EVALUATED_MAX]
    regrets = []
    for row in evaluated:
        walker, street_s = known.walkers[row["person"]], world.street_s(row["at_ms"] - world.start_ms)
        rollouts: Random = generator(world.seed, "anyway", walker.number, row["at_ms"] - world.start_ms)
        baseline = baseline_purchases(walker, street_s, rollouts)
        best = max((gain(walker, offer, street_s, baseline) for offer in offers), default=0.0)
        regrets.append(max(best, 0.0, row["gain_minor"]) - row["gain_minor"])
    return regrets, fmean(regret <= BEST_MINOR for regret in regrets), fmean(row["gain_minor"] < 0 for row in evaluated)


def _during_incident(known: LoadedTruth, row: dict[str, Any]) -> bool:
    world, zones = known.world, {row["zone"], row["shop"]} & known.world.zones.keys()
    return any(world.incident(zone, world.street_s(row["at_ms"] - world.start_ms)) for zone in zones)


def _figure(values: NDArray[np.float64], rng: np.random.Generator) -> Figure:
    return Figure(float(values.mean()), *_interval(_resampled(values, len(values), rng)))


def _resampled(values: NDArray[np.float64], size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Bootstrap means."""
    found: NDArray[np.float64] = values[rng.integers(0, len(values), (BOOTSTRAPS, size))].mean(axis=1)
    return found


def _interval(means: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)

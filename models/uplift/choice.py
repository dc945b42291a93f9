"""The choice of a learner, and its figures on customers that took no part in the choice.

Effects of a few points are small beside the noise, so the learner with the best Qini on some folds is often so by chance. The
simplest learner with a Qini that is not worse than the best one beyond chance is therefore taken: the 95 % interval of the difference, on
the same folds inside the training part and for new customers, includes 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from models.arrays import Floats, Ints
from models.fold_figures import FoldFigures, Measure, Part
from models.uplift.learners import FOLDS_INSIDE, LEARNERS, Learner
from models.uplift.ranking import UpliftRanking
from models.uplift.trial import Trial

FOLDS = 5
CHOSEN = "chosen inside"
SIMPLEST = "simplest"
RANDOM = "at random"
SHARES = (0.1, 0.2, 0.3, 0.5)

Step = Callable[[str], None]


class Evaluated(NamedTuple):
    """Figures over folds: Qini and uplift at SHARES of CHOSEN, SIMPLEST and RANDOM; the learners that the folds chose."""

    over_folds: FoldFigures
    chosen: tuple[str, ...]


def choose(trial: Trial, seed: int, step: Step, learners: Mapping[str, Learner] = LEARNERS) -> str:
    """Name of the first of `learners`, simplest first, with a Qini over inner folds not worse than the best beyond chance."""
    forecasts = {name: np.zeros(len(trial.outcome)) for name in learners}
    parts = []
    for train, test in splits(trial, FOLDS_INSIDE, seed + 1):
        parts.append(Part(0, test))
        known = trial.take(train)
        for name, learner in learners.items():
            forecasts[name][test] = learner(known, seed).uplift(trial.rows[test])
            step(f"{name} learner")
    figures = FoldFigures(
        {name: partial(_qini, trial, forecast, seed) for name, forecast in forecasts.items()},
        parts,
        trial.units,
        seed,
        test_to_train=1.0 / (FOLDS_INSIDE - 1),
    )
    best = max(learners, key=figures.value)
    return next(name for name in learners if figures.difference(best, name).low <= 0.0)


def steps_of_choice(learners: Mapping[str, Learner] = LEARNERS) -> int:
    """Number of calls of `step` by `choose`."""
    return FOLDS_INSIDE * len(learners)


def evaluate(trial: Trial, seed: int, step: Step, learners: Mapping[str, Learner] = LEARNERS) -> Evaluated:
    """Choose and fit one of the learners in each fold, and measure its ranking of the other customers."""
    first = next(iter(learners))
    forecasts = {name: np.zeros(len(trial.outcome)) for name in (CHOSEN, SIMPLEST)}
    forecasts[RANDOM] = np.random.default_rng(seed).random(len(trial.outcome))
    parts, chosen = [], []
    for number, (train, test) in enumerate(splits(trial, FOLDS, seed), start=1):
        parts.append(Part(0, test))
        known = trial.take(train)
        chosen.append(choose(known, seed, partial(_prefixed, step, f"fold {number} of {FOLDS}: "), learners))
        for name, learner in ((CHOSEN, chosen[-1]), (SIMPLEST, first)):
            forecasts[name][test] = learners[learner](known, seed).uplift(trial.rows[test])
    makers: dict[str, Callable[[Part], Measure]] = {}
    for name, forecast in forecasts.items():
        makers[f"{name} Qini"] = partial(_qini, trial, forecast, seed)
        makers |= {f"{name} uplift@{share:.0%}": partial(_uplift_at, share, trial, forecast, seed) for share in SHARES}
    return Evaluated(FoldFigures(makers, parts, trial.units, seed, test_to_train=1.0 / (FOLDS - 1)), tuple(chosen))


def steps_of(learners: Mapping[str, Learner] = LEARNERS) -> int:
    """Number of calls of `step` by `evaluate`."""
    return FOLDS * steps_of_choice(learners)


def splits(trial: Trial, count: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Row numbers to train on and to test on, stratified by arm and outcome; a unit's rows stay together."""
    if len(np.unique(trial.units)) == len(trial.units):
        yield from StratifiedKFold(count, shuffle=True, random_state=seed).split(trial.strata, trial.strata)
    else:
        yield from StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(trial.strata, trial.strata, trial.units)


def ranking_of(trial: Trial, forecast: Floats, rows: Ints, seed: int) -> UpliftRanking:
    """The ranking of the customers in `rows` by forecasts of all customers (n,)."""
    return UpliftRanking(forecast[rows], trial.treated[rows], trial.outcome[rows], seed)


def _qini(trial: Trial, forecast: Floats, seed: int, part: Part) -> Measure:
    return ranking_of(trial, forecast, part.rows, seed).qini


def _uplift_at(share: float, trial: Trial, forecast: Floats, seed: int, part: Part) -> Measure:
    return partial(ranking_of(trial, forecast, part.rows, seed).uplift_at, share)


def _prefixed(step: Step, prefix: str, text: str) -> None:
    step(prefix + text)


def names_chosen(chosen: Sequence[str]) -> str:
    """The learners that the folds chose, with counts."""
    return ", ".join(f"{name} {chosen.count(name)}" for name in LEARNERS if name in chosen)

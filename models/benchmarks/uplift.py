"""What an offer changes: forecasts of the difference it makes, and how a ranking by them is measured.

Nobody is ever seen both with and without the offer, so no row has an answer. What can be measured is a group: in the
best 30 % by forecast, how much more often did the treated come than the untreated? (`uplift@k`, over all of them in one
order.) And over every share at once: the Qini curve counts the visits that treating the best share has brought, and the
area between it and the line of treating at random is the Qini figure, here per customer.

Learners (Künzel et al. 2019; Nie & Wager 2021; Jaskowski & Jaroszewicz 2012; Radcliffe 2007 for Qini): T asks two
models, S one model twice, X corrects each arm by the other's model, R fits the difference to what a model of the mean
leaves unexplained, class transformation asks who did what the offer wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.arrays import Floats, Ints
from models.benchmarks.blending import untuned, yes

FOLDS_INSIDE = 3


class Arms(NamedTuple):
    """Customers to learn from: rows, whether treated (0/1), whether it happened (0/1)."""

    rows: Floats
    treated: Ints
    happened: Ints

    def take(self, index: Ints) -> Arms:
        """The customers at `index`."""
        return Arms(self.rows[index], self.treated[index], self.happened[index])


Learner = Callable[[Arms, Floats, int], Floats]
"""Learns from arms, forecasts the difference for rows, under a seed."""


class Ranked:
    """A ranking by forecast difference, measured under weights: sorted once, best first. Ties keep a seeded order."""

    def __init__(self, forecast: Floats, treated: Ints, happened: Ints, seed: int) -> None:
        order = np.lexsort((np.random.default_rng(seed).permutation(len(forecast)), -forecast))
        self._order = order
        self._treated = treated[order].astype(np.float64)
        self._happened = happened[order].astype(np.float64)

    def uplift_at(self, share: float, weights: Floats) -> float:
        """Treated minus untreated rate within the best `share` of all."""
        ordered = weights[self._order]
        best = np.cumsum(ordered) <= share * ordered.sum() + 1e-9
        treated, control = ordered * self._treated * best, ordered * (1.0 - self._treated) * best
        return _rate(treated, self._happened) - _rate(control, self._happened)

    def qini(self, weights: Floats) -> float:
        """Area between the Qini curve and treating at random, per customer, share of customers on the x axis."""
        ordered = weights[self._order]
        treated, control = ordered * self._treated, ordered * (1.0 - self._treated)
        many_t, many_c = np.cumsum(treated), np.cumsum(control)
        won_t, won_c = np.cumsum(treated * self._happened), np.cumsum(control * self._happened)
        brought = won_t - won_c * np.divide(many_t, many_c, out=np.zeros_like(many_t), where=many_c > 0)
        curve = np.concatenate(([0.0], brought)) / many_t[-1]
        shares = np.concatenate(([0.0], np.cumsum(ordered))) / ordered.sum()
        return float(np.trapezoid(curve, shares) - curve[-1] / 2)


def untuned_t_learner(arms: Arms, rows: Floats, seed: int) -> Floats:
    """T-learner of boosting as scikit-learn hands it out."""
    return _two_models(arms, rows, lambda: untuned(seed))


def t_learner(arms: Arms, rows: Floats, seed: int) -> Floats:
    """Two logistic regressions, one an arm."""
    return _two_models(arms, rows, lambda: _logistic(seed))


def s_learner(arms: Arms, rows: Floats, seed: int) -> Floats:
    """One boosting that knows the arm, asked twice."""
    model = boosting(seed).fit(np.column_stack((arms.rows, arms.treated)), arms.happened)
    return _asked(model, rows, 1) - _asked(model, rows, 0)


def x_learner(arms: Arms, rows: Floats, seed: int) -> Floats:
    """Each arm's model tells the other arm what it missed; the two answers are mixed by the share treated."""
    on = arms.treated == 1
    model_t = boosting(seed).fit(arms.rows[on], arms.happened[on])
    model_c = boosting(seed).fit(arms.rows[~on], arms.happened[~on])
    gained = _shallow(seed).fit(arms.rows[on], arms.happened[on] - yes(model_c, arms.rows[on]))
    missed = _shallow(seed).fit(arms.rows[~on], yes(model_t, arms.rows[~on]) - arms.happened[~on])
    share = float(on.mean())
    mixed: Floats = (1.0 - share) * gained.predict(rows) + share * missed.predict(rows)
    return mixed


def r_learner(arms: Arms, rows: Floats, seed: int) -> Floats:
    """Shallow boosting of what the mean leaves unexplained, per unit of treatment; the mean comes from folds."""
    return _residual(arms, rows, seed, _shallow(seed))


def class_transformation(arms: Arms, rows: Floats, seed: int) -> Floats:
    """Who did what was wanted: came when treated, stayed away when not. Wants arms of about equal size."""
    wanted = (arms.treated == arms.happened).astype(np.int64)
    return 2.0 * yes(boosting(seed).fit(arms.rows, wanted), rows) - 1.0


LEARNERS: dict[str, Learner] = {
    "T": t_learner,
    "S": s_learner,
    "X": x_learner,
    "R": r_learner,
    "class transformation": class_transformation,
}


def choose(arms: Arms, seed: int) -> str:
    """The learner of the best Qini over folds inside `arms`."""
    strata = arms.treated * 2 + arms.happened
    forecasts = {name: np.zeros(len(strata)) for name in LEARNERS}
    parts = list(StratifiedKFold(FOLDS_INSIDE, shuffle=True, random_state=seed).split(strata, strata))
    for train, test in parts:
        known = arms.take(train)
        for name, learner in LEARNERS.items():
            forecasts[name][test] = learner(known, arms.rows[test], seed)
    return max(LEARNERS, key=lambda name: _mean_qini(forecasts[name], arms, [test for _, test in parts], seed))


def _mean_qini(forecast: Floats, arms: Arms, parts: list[Ints], seed: int) -> float:
    figures = [Ranked(forecast[test], arms.treated[test], arms.happened[test], seed).qini(np.ones(len(test))) for test in parts]
    return float(np.mean(figures))


def _two_models(arms: Arms, rows: Floats, make: Callable[[], Any]) -> Floats:
    on = arms.treated == 1
    return yes(make().fit(arms.rows[on], arms.happened[on]), rows) - yes(make().fit(arms.rows[~on], arms.happened[~on]), rows)


def _residual(arms: Arms, rows: Floats, seed: int, model: Any) -> Floats:
    mean = np.zeros(len(arms.happened))
    for train, test in StratifiedKFold(FOLDS_INSIDE, shuffle=True, random_state=seed).split(arms.rows, arms.happened):
        mean[test] = yes(boosting(seed).fit(arms.rows[train], arms.happened[train]), arms.rows[test])
    left = arms.treated - float(arms.treated.mean())
    forecast: Floats = model.fit(arms.rows, (arms.happened - mean) / left, sample_weight=left**2).predict(rows)
    return forecast


def _asked(model: HistGradientBoostingClassifier, rows: Floats, treated: int) -> Floats:
    return yes(model, np.column_stack((rows, np.full(len(rows), treated))))


def boosting(seed: int) -> HistGradientBoostingClassifier:
    """Shallow boosting with wide leaves: differences of a few points need many customers a leaf."""
    return HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.05, max_depth=3, min_samples_leaf=200, l2_regularization=10.0, early_stopping=False, random_state=seed
    )


def _shallow(seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=30, learning_rate=0.05, max_depth=2, min_samples_leaf=300, l2_regularization=50.0, early_stopping=False, random_state=seed
    )


def _logistic(seed: int) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1_000, random_state=seed))


def _rate(weights: Floats, happened: Floats) -> float:
    total = float(weights.sum())
    return float((weights * happened).sum()) / total if total else 0.0

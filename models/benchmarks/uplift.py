"""Uplift models: forecasts of the effect of an offer, and measures of a ranking by forecast effect.

No customer is observed both with and without the offer, so uplift is measured on groups: `uplift@k` is the rate of the treated
minus that of the untreated among the best share k by forecast. The Qini curve counts the additional outcomes of treating
the best share, for every share; the Qini figure is the area between it and the line of random treatment, per customer.

Learners (Künzel et al. 2019; Nie & Wager 2021; Jaskowski & Jaroszewicz 2012; Radcliffe 2007 for Qini): the T-learner fits one
model an arm, the S-learner one model with the arm as a column, the X-learner fits each arm's residuals to the other arm's
model, the R-learner fits the effect to the residuals of a model of the mean, and class transformation classifies treated
customers with the outcome and untreated ones without it.
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
from models.benchmarks.blending import positive, untuned

FOLDS_INSIDE = 3


class Arms(NamedTuple):
    """Customers of a trial: rows (n, k), treatment (0/1) and outcome (0/1), (n,)."""

    rows: Floats
    treated: Ints
    outcome: Ints

    def take(self, index: Ints) -> Arms:
        """The customers at `index`."""
        return Arms(self.rows[index], self.treated[index], self.outcome[index])


Learner = Callable[[Arms, Floats, int], Floats]
"""A function of a training trial, rows (m, k) and a seed: the forecast uplift of the rows, (m,)."""


class UpliftRanking:
    """A ranking by forecast uplift (n,), sorted once, best first, and measured under weights (n,); ties are ordered by the seed."""

    def __init__(self, forecast: Floats, treated: Ints, outcome: Ints, seed: int) -> None:
        order = np.lexsort((np.random.default_rng(seed).permutation(len(forecast)), -forecast))
        self._order = order
        self._treated = treated[order].astype(np.float64)
        self._happened = outcome[order].astype(np.float64)

    def uplift_at(self, share: float, weights: Floats) -> float:
        """Rate of the treated minus that of the untreated within the best `share` of all rows."""
        ordered = weights[self._order]
        best = np.cumsum(ordered) <= share * ordered.sum() + 1e-9
        treated, control = ordered * self._treated * best, ordered * (1.0 - self._treated) * best
        return _rate(treated, self._happened) - _rate(control, self._happened)

    def qini(self, weights: Floats) -> float:
        """Area between the Qini curve and the line of random treatment, per customer, over the share of customers."""
        ordered = weights[self._order]
        treated, control = ordered * self._treated, ordered * (1.0 - self._treated)
        many_t, many_c = np.cumsum(treated), np.cumsum(control)
        won_t, won_c = np.cumsum(treated * self._happened), np.cumsum(control * self._happened)
        brought = won_t - won_c * np.divide(many_t, many_c, out=np.zeros_like(many_t), where=many_c > 0)
        curve = np.concatenate(([0.0], brought)) / many_t[-1]
        shares = np.concatenate(([0.0], np.cumsum(ordered))) / ordered.sum()
        return float(np.trapezoid(curve, shares) - curve[-1] / 2)


def untuned_t_learner(arms: Arms, rows: Floats, seed: int) -> Floats:
    """T-learner of boosting with scikit-learn's default settings."""
    return _two_models(arms, rows, lambda: untuned(seed))


def t_learner(arms: Arms, rows: Floats, seed: int) -> Floats:
    """T-learner: one logistic regression for each arm."""
    return _two_models(arms, rows, lambda: _logistic(seed))


def s_learner(arms: Arms, rows: Floats, seed: int) -> Floats:
    """S-learner: one boosting with the arm as a column; the forecast is its difference between the two arms."""
    model = boosting(seed).fit(np.column_stack((arms.rows, arms.treated)), arms.outcome)
    return _asked(model, rows, 1) - _asked(model, rows, 0)


def x_learner(arms: Arms, rows: Floats, seed: int) -> Floats:
    """X-learner: each arm's residuals to the other arm's model are fitted, and the two forecasts averaged by the share treated."""
    on = arms.treated == 1
    model_t = boosting(seed).fit(arms.rows[on], arms.outcome[on])
    model_c = boosting(seed).fit(arms.rows[~on], arms.outcome[~on])
    gained = _shallow(seed).fit(arms.rows[on], arms.outcome[on] - positive(model_c, arms.rows[on]))
    missed = _shallow(seed).fit(arms.rows[~on], positive(model_t, arms.rows[~on]) - arms.outcome[~on])
    share = float(on.mean())
    mixed: Floats = (1.0 - share) * gained.predict(rows) + share * missed.predict(rows)
    return mixed


def r_learner(arms: Arms, rows: Floats, seed: int) -> Floats:
    """R-learner: shallow boosting of the residuals of a cross-fitted mean model, per unit of treatment."""
    return _residual(arms, rows, seed, _shallow(seed))


def class_transformation(arms: Arms, rows: Floats, seed: int) -> Floats:
    """Class transformation: classify rows by whether outcome equals treatment; needs arms of about equal size."""
    wanted = (arms.treated == arms.outcome).astype(np.int64)
    return 2.0 * positive(boosting(seed).fit(arms.rows, wanted), rows) - 1.0


LEARNERS: dict[str, Learner] = {
    "T": t_learner,
    "S": s_learner,
    "X": x_learner,
    "R": r_learner,
    "class transformation": class_transformation,
}


def choose(arms: Arms, seed: int) -> str:
    """Name of the learner with the best mean Qini over folds inside `arms`."""
    strata = arms.treated * 2 + arms.outcome
    forecasts = {name: np.zeros(len(strata)) for name in LEARNERS}
    parts = list(StratifiedKFold(FOLDS_INSIDE, shuffle=True, random_state=seed).split(strata, strata))
    for train, test in parts:
        known = arms.take(train)
        for name, learner in LEARNERS.items():
            forecasts[name][test] = learner(known, arms.rows[test], seed)
    return max(LEARNERS, key=lambda name: _mean_qini(forecasts[name], arms, [test for _, test in parts], seed))


def _mean_qini(forecast: Floats, arms: Arms, parts: list[Ints], seed: int) -> float:
    figures = [UpliftRanking(forecast[test], arms.treated[test], arms.outcome[test], seed).qini(np.ones(len(test))) for test in parts]
    return float(np.mean(figures))


def _two_models(arms: Arms, rows: Floats, make: Callable[[], Any]) -> Floats:
    on = arms.treated == 1
    return positive(make().fit(arms.rows[on], arms.outcome[on]), rows) - positive(make().fit(arms.rows[~on], arms.outcome[~on]), rows)


def _residual(arms: Arms, rows: Floats, seed: int, model: Any) -> Floats:
    mean = np.zeros(len(arms.outcome))
    for train, test in StratifiedKFold(FOLDS_INSIDE, shuffle=True, random_state=seed).split(arms.rows, arms.outcome):
        mean[test] = positive(boosting(seed).fit(arms.rows[train], arms.outcome[train]), arms.rows[test])
    left = arms.treated - float(arms.treated.mean())
    forecast: Floats = model.fit(arms.rows, (arms.outcome - mean) / left, sample_weight=left**2).predict(rows)
    return forecast


def _asked(model: HistGradientBoostingClassifier, rows: Floats, treated: int) -> Floats:
    return positive(model, np.column_stack((rows, np.full(len(rows), treated))))


def boosting(seed: int) -> HistGradientBoostingClassifier:
    """Shallow boosting with large leaves, because effects of a few points need many customers a leaf."""
    return HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.05, max_depth=3, min_samples_leaf=200, l2_regularization=10.0, early_stopping=False, random_state=seed
    )


def _shallow(seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=30, learning_rate=0.05, max_depth=2, min_samples_leaf=300, l2_regularization=50.0, early_stopping=False, random_state=seed
    )


def _logistic(seed: int) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1_000, random_state=seed))


def _rate(weights: Floats, outcome: Floats) -> float:
    total = float(weights.sum())
    return float((weights * outcome).sum()) / total if total else 0.0

"""Uplift learners: forecasts of the outcome with the offer and without it.

Learners (Künzel et al. 2019; Nie & Wager 2021; Jaskowski & Jaroszewicz 2012): the T-learner fits one model an arm, the S-learner one
model with the arm as a column, the X-learner fits each arm's residuals to the other arm's model, the R-learner fits the effect to
the residuals of a model of the mean, and class transformation classifies treated customers with the outcome and untreated ones
without it.

Every learner gives two probabilities. The T- and the S-learner have a model of each; the others forecast the effect only, which
is added to a model of the untreated and cut off at 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold

from models.arrays import Floats, Rows
from models.propensity.base import Classifier
from models.propensity.boosting import Recipe
from models.propensity.calibration import Sigmoid
from models.propensity.estimators import Fitted
from models.propensity.logistic import Logistic
from models.uplift.arm import WithArm
from models.uplift.trial import Trial

FOLDS_INSIDE = 3
SHALLOW = Recipe(rounds=60, rate=0.05, depth=3, leaf_rows_min=200, shrinkage=10.0, columns_share=1.0)
"""Shallow boosting with large leaves, because effects of a few points need many customers a leaf."""
_STRENGTH = 0.1

Model: TypeAlias = Fitted | HistGradientBoostingRegressor


class Term(NamedTuple):
    """A share of the effect: a probability of a fitted classifier, or the number of a regressor, times `weight`."""

    weight: float
    model: Model

    def of(self, rows: Rows) -> Floats:
        """The weighted forecast, (n,)."""
        forecast: Floats = self.model.propensity(rows) if isinstance(self.model, Fitted) else self.model.predict(rows)
        return self.weight * forecast


class Uplift(NamedTuple):
    """A fitted learner: a model of the untreated, and either one of the treated or the terms and the constant of the effect."""

    learner: str
    without: Fitted
    treated: Fitted | None = None
    terms: tuple[Term, ...] = ()
    constant: float = 0.0

    def probabilities(self, rows: Rows) -> tuple[Floats, Floats]:
        """Probability of the outcome with the offer and without it, (n,) each, for rows float32 (n, k)."""
        without = self.without.propensity(rows)
        if self.treated is not None:
            return self.treated.propensity(rows), without
        return np.clip(without + self.constant + sum(term.of(rows) for term in self.terms), 0.0, 1.0), without

    def uplift(self, rows: Rows) -> Floats:
        """Forecast effect of the offer, (n,), for rows float32 (n, k)."""
        treated, without = self.probabilities(rows)
        return treated - without


Learner = Callable[[Trial, int], Uplift]
"""A function of a trial and a seed: the fitted learner."""


def t_learner(trial: Trial, seed: int) -> Uplift:  # noqa: ARG001 (nothing is drawn)
    """T-learner: one logistic regression for each arm."""
    with_it, without = (_fit(Logistic(_STRENGTH), trial.take(np.flatnonzero(trial.treated == arm))) for arm in (1, 0))
    return Uplift("T", without, with_it)


def s_learner(trial: Trial, seed: int) -> Uplift:
    """S-learner: one boosting with the arm as a column."""
    wide = np.column_stack((trial.rows, trial.treated.astype(np.float32)))
    model = SHALLOW.make(seed=seed).fit(wide, trial.outcome)
    without, treated = (Fitted("S", "", WithArm(model, trial.rows.shape[1], arm), Sigmoid(1.0, 0.0)) for arm in (0, 1))
    return Uplift("S", without, treated)


def x_learner(trial: Trial, seed: int) -> Uplift:
    """X-learner: each arm's residuals to the other arm's model are fitted, and the two forecasts averaged by the share treated."""
    arms = [trial.take(np.flatnonzero(trial.treated == arm)) for arm in (0, 1)]
    without, with_it = (_fit(SHALLOW.make(seed=seed), arm) for arm in arms)
    gained = _regressor(seed).fit(arms[1].rows, arms[1].outcome - without.propensity(arms[1].rows))
    missed = _regressor(seed).fit(arms[0].rows, with_it.propensity(arms[0].rows) - arms[0].outcome)
    share = float(trial.treated.mean())
    return Uplift("X", without, terms=(Term(1.0 - share, gained), Term(share, missed)))


def r_learner(trial: Trial, seed: int) -> Uplift:
    """R-learner: shallow boosting of the residuals of a cross-fitted mean model, per unit of treatment."""
    mean = np.zeros(len(trial.outcome))
    for train, test in KFold(FOLDS_INSIDE, shuffle=True, random_state=seed).split(trial.rows):
        mean[test] = _fit(SHALLOW.make(seed=seed), trial.take(train)).propensity(trial.rows[test])
    left = trial.treated - float(trial.treated.mean())
    effect = _regressor(seed).fit(trial.rows, (trial.outcome - mean) / left, sample_weight=left**2)
    return Uplift("R", _untreated(trial, seed), terms=(Term(1.0, effect),))


def class_transformation(trial: Trial, seed: int) -> Uplift:
    """Class transformation: classify rows by whether outcome equals treatment; needs arms of about equal size."""
    wanted = trial._replace(outcome=(trial.treated == trial.outcome).astype(np.int64))
    terms = (Term(2.0, _fit(SHALLOW.make(seed=seed), wanted)),)
    return Uplift("class transformation", _untreated(trial, seed), terms=terms, constant=-1.0)


LEARNERS: dict[str, Learner] = {
    "T": t_learner,
    "S": s_learner,
    "class transformation": class_transformation,
    "X": x_learner,
    "R": r_learner,
}
"""From the simplest to the most complex: the number of fitted models and of splits."""


def _untreated(trial: Trial, seed: int) -> Fitted:
    return _fit(SHALLOW.make(seed=seed), trial.take(np.flatnonzero(trial.treated == 0)))


def _fit(model: Classifier, trial: Trial) -> Fitted:
    return Fitted(type(model).__name__, "", model.fit(trial.rows, trial.outcome), Sigmoid(1.0, 0.0))


def _regressor(seed: int) -> Any:
    return HistGradientBoostingRegressor(
        max_iter=30, learning_rate=0.05, max_depth=2, min_samples_leaf=300, l2_regularization=50.0, early_stopping=False, random_state=seed
    )

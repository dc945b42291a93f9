"""The estimators that are compared, and how each is fitted: settings and calibration are chosen by inner folds.

Within the training part, every subject is forecast once by a model that was not fitted to it. These out-of-fold forecasts
select one of an estimator's settings and fit the calibration; then the estimator is fitted to all rows. The result is
evaluated on other subjects.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from models.arrays import Floats, Rows
from models.propensity import calibration
from models.propensity.base import Classifier, FittedModel
from models.propensity.boosting import RECIPES, Recipe
from models.propensity.calibration import Calibration
from models.propensity.chaid import Chaid
from models.propensity.hybrid import Hybrid
from models.propensity.logistic import Logistic
from models.propensity.mlp import Mlp
from models.propensity.naive_bayes import NaiveBayes
from models.propensity.per_parameter import PerParameter
from models.propensity.training_set import TrainingError, TrainingSet, folds, log_loss, probability

FOLDS_INSIDE = 3

Step = Callable[[str], None]


class Setting(NamedTuple):
    """One setting of an estimator: its name in reports, and a function that makes an unfitted classifier."""

    label: str
    make: Callable[[], Classifier]


class Estimator(NamedTuple):
    """An estimator's name and the settings that inner folds choose from."""

    name: str
    settings: tuple[Setting, ...]


class Fitted(NamedTuple):
    """A fitted classifier with its estimator, its setting and the calibration of its log-odds.

    `loss_inside` is the mean log-loss of the calibrated forecasts of the inner folds, by which estimators are compared inside a fold.
    """

    estimator: str
    setting: str
    model: FittedModel
    calibration: Calibration
    loss_inside: float = math.nan

    def log_odds(self, rows: Rows) -> Floats:
        """Calibrated log-odds, (n,), for rows float32 (n, k)."""
        return self.calibration.apply(self.model.decision_function(rows))

    def propensity(self, rows: Rows) -> Floats:
        """Probability that the offer is taken, (n,), for rows float32 (n, k)."""
        return probability(self.log_odds(rows))

    def predict_proba(self, rows: Rows) -> Floats:
        """The probabilities of "not taken" and "taken", (n, 2)."""
        likely = self.propensity(rows)
        return np.stack((1.0 - likely, likely), axis=1)

    def parts(self) -> tuple[object, ...]:
        """The fitted parts in the order of computation, from rows (n, k) to probabilities (n, 1), each known to `conversion`."""
        return *self.model.parts(), self.calibration


NAMES = ("logistic", "chaid", "mlp", "boosting", "per-parameter", "hybrid", "naive-bayes")


def estimators(
    names: Sequence[str] = NAMES,
    *,
    columns: tuple[str, ...] = (),
    dummies: tuple[int, ...] = (),
    recipes: Sequence[Recipe] = RECIPES,
    seed: int = 0,
) -> tuple[Estimator, ...]:
    """The estimators called `names`, for rows with these `columns`; `dummies` numbers the 0/1 columns of segments.

    Raises TrainingError for an unknown name.
    """
    known: dict[str, tuple[Setting, ...]] = {
        "logistic": (
            Setting("strength 1", Logistic),
            Setting("strength 0.02", lambda: Logistic(0.02)),
        ),
        "chaid": (
            Setting("level 0.20", lambda: Chaid(seed=seed)),
            Setting("level 0.01", lambda: Chaid(0.01, seed=seed)),
        ),
        "mlp": (
            Setting("8 units, penalty 20", lambda: Mlp(penalty=20.0, seed=seed)),
            Setting("8 units, penalty 60", lambda: Mlp(penalty=60.0, seed=seed)),
        ),
        "boosting": tuple(
            Setting(f"depth {recipe.depth}, {recipe.rounds} rounds", lambda recipe=recipe: recipe.make(columns, seed))  # type: ignore[misc]
            for recipe in recipes
        ),
        "per-parameter": (Setting("8 bins", PerParameter),),
        "hybrid": (Setting(f"{len(dummies)} segments", lambda: Hybrid(dummies)),),
        "naive-bayes": (Setting("6 bins", NaiveBayes),),
    }
    if unknown := [name for name in names if name not in known]:
        raise TrainingError(f"there is no estimator {unknown[0]!r}; there are {', '.join(known)}")
    return tuple(Estimator(name, known[name]) for name in dict.fromkeys(names))


def no_step(_: str) -> None:
    """A `step` that shows no progress."""


def fit_estimator(estimator: Estimator, data: TrainingSet, seed: int, step: Step = no_step) -> Fitted:
    """The estimator with its best setting by log-loss of inner folds, calibrated on these folds and fitted to all rows."""
    tried = [(setting, _forecast_inside(setting, data, seed, step)) for setting in estimator.settings]
    shown = data.augmented()
    setting, log_odds = min(tried, key=lambda pair: log_loss(shown.taken, pair[1]))
    chosen = calibration.choose(log_odds, shown.taken, shown.groups)
    fitted = Fitted(
        estimator=estimator.name,
        setting=setting.label,
        model=setting.make().fit(shown.rows, shown.taken, shown.groups),
        calibration=chosen,
        loss_inside=log_loss(shown.taken, chosen.apply(log_odds)),
    )
    step(f"{estimator.name}: fitted to all rows")
    return fitted


def fit_best(compete: Sequence[Estimator], data: TrainingSet, seed: int, step: Step = no_step) -> Fitted:
    """Of the estimators, each fitted with its best setting, the one of least log-loss over inner folds."""
    return min((fit_estimator(estimator, data, seed, step) for estimator in compete), key=lambda fitted: fitted.loss_inside)


def steps_of(compete: Sequence[Estimator]) -> int:
    """Number of calls of `step` when each of the estimators is fitted once."""
    return sum(len(estimator.settings) * FOLDS_INSIDE + 1 for estimator in compete)


def _forecast_inside(setting: Setting, data: TrainingSet, seed: int, step: Step) -> Floats:
    """Out-of-fold log-odds of every row of the augmented training set."""
    log_odds = np.zeros(len(data.augmented().taken))
    rows = len(data.taken)
    for train, test in folds(data._replace(times=None), FOLDS_INSIDE, seed + 1):
        training = data.take(train).augmented()
        held_out = data.take(test).augmented()
        at = np.concatenate([test + start for start in range(0, len(log_odds), rows)])
        log_odds[at] = setting.make().fit(training.rows, training.taken, training.groups).decision_function(held_out.rows)
        step(setting.label)
    return log_odds

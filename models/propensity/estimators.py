"""The estimators that compete, and how each is made ready: settings and calibration chosen on people it did not learn from.

Inside the training part everybody is forecast once by a model that never met them. Those forecasts choose among a
estimator's few settings and carry the calibration; then the estimator learns from all rows. Whoever judges the result uses
people who took part in neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from models.arrays import Floats, Rows
from models.propensity import calibration
from models.propensity.base import Classifier
from models.propensity.boosting import RECIPES, Boosting, Recipe
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
    """One way to make an estimator's model; `label` is for reports."""

    label: str
    make: Callable[[], Classifier]


class Estimator(NamedTuple):
    """A name and the settings that are tried."""

    name: str
    settings: tuple[Setting, ...]


class Fitted(NamedTuple):
    """A model that is ready: which estimator and setting, and the calibration of its log-odds."""

    estimator: str
    setting: str
    model: Classifier
    calibration: Calibration

    def log_odds(self, rows: Rows) -> Floats:
        """Honest log-odds, (n,)."""
        return self.calibration.apply(self.model.decision_function(rows))

    def propensity(self, rows: Rows) -> Floats:
        """Probability that it is taken, (n,), for rows float32 (n, k)."""
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
    """The estimators called `names`, for rows with these `columns`; `dummies` say in which segment a row is."""
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
            Setting(f"depth {recipe.depth}, {recipe.rounds} rounds", lambda recipe=recipe: Boosting(recipe, columns, seed))  # type: ignore[misc]
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
    """For callers that show no progress."""


def fit_estimator(estimator: Estimator, data: TrainingSet, seed: int, step: Step = no_step) -> Fitted:
    """The estimator's best setting by log-loss on people inside the training set, calibrated there, then fitted to every row."""
    tried = [(setting, _forecast_inside(setting, data, seed, step)) for setting in estimator.settings]
    shown = data.shown()
    setting, log_odds = min(tried, key=lambda pair: log_loss(shown.taken, pair[1]))
    fitted = Fitted(
        estimator=estimator.name,
        setting=setting.label,
        model=setting.make().fit(shown.rows, shown.taken, shown.groups),
        calibration=calibration.choose(log_odds, shown.taken, shown.groups),
    )
    step(f"{estimator.name}: fitted to all rows")
    return fitted


def steps_of(compete: Sequence[Estimator]) -> int:
    """How often `step` is called when each of the estimators is fitted once."""
    return sum(len(estimator.settings) * FOLDS_INSIDE + 1 for estimator in compete)


def _forecast_inside(setting: Setting, data: TrainingSet, seed: int, step: Step) -> Floats:
    """Log-odds of every row that is shown, each by a model that did not see the person."""
    log_odds = np.zeros(len(data.shown().taken))
    rows = len(data.taken)
    for train, test in folds(data._replace(times=None), FOLDS_INSIDE, seed + 1):
        learn = data.take(train).shown()
        held_out = data.take(test).shown()
        at = np.concatenate([test + start for start in range(0, len(log_odds), rows)])
        log_odds[at] = setting.make().fit(learn.rows, learn.taken, learn.groups).decision_function(held_out.rows)
        step(setting.label)
    return log_odds

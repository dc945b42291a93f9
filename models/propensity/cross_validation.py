"""Which estimator is best, by figures that can be believed: everybody is forecast by a model that never met them.

The source chooses the model with the least misclassification. A policy multiplies probabilities with money, so here the
first figure is log-loss, which asks whether the probability was right; the Brier score and the error break ties. The error
is the hybrid loss of equation 1 divided by the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np

from models.arrays import Floats, Ints, Rows
from models.measures import Areas, Figures, Interval, areas, figures
from models.propensity.estimators import Estimator, Fitted, Step, fit_estimator, no_step, steps_of
from models.propensity.hybrid import hybrid_loss
from models.propensity.training_set import FOLDS, TrainingError, TrainingSet, folds

_PLACES = 6  # figures that agree so far are the same


class EstimatorFigures(msgspec.Struct, frozen=True):
    """One estimator on rows that it did not see: what won inside each fold, and how good that was."""

    estimator: str
    figures: Figures
    error: float
    hybrid_loss: int
    settings: tuple[str, ...]
    calibrations: tuple[str, ...]


class CrossValidation(NamedTuple):
    """Forecasts of the rows in `rows` (judged ones), by estimator and view; `of` is the table of estimators, best first."""

    rows: Ints
    forecasts: Mapping[tuple[str, str], Floats]
    of: tuple[EstimatorFigures, ...]
    areas: Areas

    @property
    def best(self) -> EstimatorFigures:
        """The estimator that is chosen."""
        return self.of[0]

    def above(self, estimator: str, base: str) -> Interval:
        """By how much the AUC of `estimator` is above that of `base`, on the same draws of people."""
        names = [name for name, view in self.forecasts if view == AS_IS]
        return self.areas.difference(names.index(estimator), names.index(base))


AS_IS = "as is"


def cross_validate(
    data: TrainingSet, compete: Sequence[Estimator], seed: int, step: Step = no_step, views: Mapping[str, Rows] | None = None
) -> CrossValidation:
    """Every estimator on every fold. `views` are further versions of the rows to be forecast by the same models, such as blinded ones."""
    if not compete:
        raise TrainingError("no estimator was named")
    shown = {AS_IS: data.rows, **(views or {})}
    forecasts = {(estimator.name, view): np.full(len(data.taken), np.nan) for view in shown for estimator in compete}
    won: dict[str, list[Fitted]] = {estimator.name: [] for estimator in compete}
    for number, (train, test) in enumerate(folds(data, FOLDS, seed), start=1):
        known = data.take(train)
        if len(np.unique(known.taken)) < 2:
            raise TrainingError(f"fold {number}: every one of {len(train)} rows to learn from has the same outcome")
        for estimator in compete:
            fitted = fit_estimator(estimator, known, seed, partial(prefixed, step, f"fold {number} of {FOLDS}: {estimator.name}: "))
            won[estimator.name].append(fitted)
            for view, rows in shown.items():
                forecasts[estimator.name, view][test] = fitted.propensity(rows[test])
    return _measured(data, compete, forecasts, won, seed)


def comparison_steps(compete: Sequence[Estimator]) -> int:
    """How often `step` is called by `cross_validate`."""
    return FOLDS * steps_of(compete)


def _measured(
    data: TrainingSet, compete: Sequence[Estimator], forecasts: Mapping[tuple[str, str], Floats], won: Mapping[str, list[Fitted]], seed: int
) -> CrossValidation:
    rows = np.flatnonzero(np.isfinite(next(iter(forecasts.values()))))
    taken, people = data.taken[rows], np.unique(data.groups[rows], return_inverse=True)[1]
    if len(np.unique(taken)) < 2:
        raise TrainingError(f"every one of {len(rows)} rows to judge by has the same outcome: there is nothing to compare")
    kept = {key: forecast[rows] for key, forecast in forecasts.items()}
    area = areas(taken, people, [kept[estimator.name, AS_IS] for estimator in compete], seed)
    of = [
        EstimatorFigures(
            estimator=estimator.name,
            figures=figures(taken, kept[estimator.name, AS_IS], area.of(index)),
            error=hybrid_loss(taken, kept[estimator.name, AS_IS]) / len(rows),
            hybrid_loss=hybrid_loss(taken, kept[estimator.name, AS_IS]),
            settings=tuple(fitted.setting for fitted in won[estimator.name]),
            calibrations=tuple(fitted.calibration.name for fitted in won[estimator.name]),
        )
        for index, estimator in enumerate(compete)
    ]
    return CrossValidation(rows, kept, tuple(sorted(of, key=_order)), area)


def _order(of: EstimatorFigures) -> tuple[float, float, float]:
    return round(of.figures.log_loss, _PLACES), round(of.figures.brier, _PLACES), round(of.error, _PLACES)


def prefixed(step: Step, prefix: str, what: str) -> None:
    """Tell `step` what happens, and where."""
    step(prefix + what)

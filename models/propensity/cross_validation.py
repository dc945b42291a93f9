"""Cross-validation of the estimators: every subject is forecast by a model that was not fitted to it.

The source chooses the model with the fewest misclassifications. A policy multiplies probabilities with money, so here the
first criterion is log-loss, which measures the probability itself; the Brier score and the error break ties. The error
is the hybrid loss of equation 1 divided by the number of rows.
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

_PLACES = 6  # decimals to which two figures are compared


class EstimatorFigures(msgspec.Struct, frozen=True):
    """Out-of-fold figures of one estimator, and the setting and calibration that each fold chose."""

    estimator: str
    figures: Figures
    error: float
    hybrid_loss: int
    settings: tuple[str, ...]
    calibrations: tuple[str, ...]


class CrossValidation(NamedTuple):
    """Numbers of the tested rows, (n,); forecasts, (n,), by estimator and view; figures by estimator, best first."""

    rows: Ints
    forecasts: Mapping[tuple[str, str], Floats]
    of: tuple[EstimatorFigures, ...]
    areas: Areas

    @property
    def best(self) -> EstimatorFigures:
        """Figures of the estimator that is chosen."""
        return self.of[0]

    def above(self, estimator: str, base: str) -> Interval:
        """The AUC of `estimator` minus that of `base`, with an interval over the same draws of subjects."""
        names = [name for name, view in self.forecasts if view == AS_IS]
        return self.areas.difference(names.index(estimator), names.index(base))


AS_IS = "as is"


def cross_validate(
    data: TrainingSet, compete: Sequence[Estimator], seed: int, step: Step = no_step, views: Mapping[str, Rows] | None = None
) -> CrossValidation:
    """Fit every estimator on every fold and forecast the rest; `views` are other versions of the rows, (n, k), to forecast too.

    Raises TrainingError if there is no estimator, or the rows to train on or to test have only one outcome.
    """
    if not compete:
        raise TrainingError("no estimator was named")
    shown = {AS_IS: data.rows, **(views or {})}
    forecasts = {(estimator.name, view): np.full(len(data.taken), np.nan) for view in shown for estimator in compete}
    won: dict[str, list[Fitted]] = {estimator.name: [] for estimator in compete}
    for number, (train, test) in enumerate(folds(data, FOLDS, seed), start=1):
        known = data.take(train)
        if len(np.unique(known.taken)) < 2:
            raise TrainingError(f"fold {number}: all {len(train)} rows to train on have the same outcome")
        for estimator in compete:
            fitted = fit_estimator(estimator, known, seed, partial(prefixed, step, f"fold {number} of {FOLDS}: {estimator.name}: "))
            won[estimator.name].append(fitted)
            for view, rows in shown.items():
                forecasts[estimator.name, view][test] = fitted.propensity(rows[test])
    return _measured(data, compete, forecasts, won, seed)


def comparison_steps(compete: Sequence[Estimator]) -> int:
    """Number of calls of `step` by `cross_validate`."""
    return FOLDS * steps_of(compete)


def _measured(
    data: TrainingSet, compete: Sequence[Estimator], forecasts: Mapping[tuple[str, str], Floats], won: Mapping[str, list[Fitted]], seed: int
) -> CrossValidation:
    rows = np.flatnonzero(np.isfinite(next(iter(forecasts.values()))))
    taken, people = data.taken[rows], np.unique(data.groups[rows], return_inverse=True)[1]
    if len(np.unique(taken)) < 2:
        raise TrainingError(f"all {len(rows)} rows to test on have the same outcome: there is nothing to compare")
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
    """Call `step` with a prefix before its text."""
    step(prefix + what)

"""Cross-validation of the estimators: every subject is forecast by a model that was not fitted to it.

The source chooses the model with the fewest misclassifications. A policy multiplies probabilities with money, so here the
first criterion is log-loss, which measures the probability itself; the Brier score and the error break ties. The error
is the hybrid loss of equation 1 divided by the number of rows.

The best of several estimators looks better on the rows that it was chosen by than on others. Its figures are therefore those
of CHOSEN: in each fold, the estimator of least log-loss over folds inside the training part forecasts the tested rows, which so
take no part in the choice. Folds are repeated, and the intervals hold for new people (see `models.fold_figures`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np

from models.arrays import Floats, Ints, Rows
from models.fold_figures import FoldFigures, Measure, Part
from models.measures import Figures, Interval, Ranking, figures, log_losses
from models.propensity.estimators import Estimator, Fitted, Step, fit_estimator, no_step, steps_of
from models.propensity.hybrid import hybrid_loss
from models.propensity.training_set import FOLDS, TrainingError, TrainingSet, folds

REPETITIONS = 2
AS_IS = "as is"
CHOSEN = "chosen inside"
_PLACES = 6  # decimals to which two figures are compared

Other = Callable[[Ints, Ints], Floats]
"""Another model: a function of the row numbers to train on, and of those to test on, to forecasts of the latter."""


class EstimatorFigures(msgspec.Struct, frozen=True):
    """Out-of-fold figures of one estimator, and the setting and calibration that each fold chose.

    Figures are means over the repetitions.
    """

    estimator: str
    figures: Figures
    error: float
    hybrid_loss: int
    settings: tuple[str, ...]
    calibrations: tuple[str, ...]


class CrossValidation(NamedTuple):
    """Numbers of the tested rows, (n,); forecasts in the first repetition, (n,), by name and view; figures by estimator, best first.

    Names are those of the estimators and of the other models, and CHOSEN; `chosen` are the estimators that the folds chose.
    """

    rows: Ints
    forecasts: Mapping[tuple[str, str], Floats]
    of: tuple[EstimatorFigures, ...]
    chosen: tuple[str, ...]
    named: Mapping[str, Figures]
    over_folds: FoldFigures

    @property
    def best(self) -> EstimatorFigures:
        """Figures of the estimator that is chosen."""
        return self.of[0]

    def auc(self, name: str, view: str = AS_IS) -> Interval:
        """The AUC of a model, with its interval for new people."""
        return self.over_folds.of(_key("AUC", name, view))

    def auc_of_new(self, name: str, people: int) -> Interval:
        """The AUC of a model, with the interval of the AUC that `people` new people show."""
        return self.over_folds.of_new(_key("AUC", name, AS_IS), people)

    def log_loss(self, name: str) -> Interval:
        """The log-loss of a model, with its interval for new people."""
        return self.over_folds.of(_key("log-loss", name, AS_IS))

    def above(self, name: str, base: str) -> Interval:
        """The AUC of one model minus that of another, with its interval for new people."""
        return self.over_folds.difference(_key("AUC", name, AS_IS), _key("AUC", base, AS_IS))


def cross_validate(
    data: TrainingSet,
    compete: Sequence[Estimator],
    seed: int,
    step: Step = no_step,
    views: Mapping[str, Rows] | None = None,
    others: Mapping[str, Other] | None = None,
    repetitions: int = REPETITIONS,
) -> CrossValidation:
    """Fit every estimator on every fold and forecast the rest; `views` are other versions of the rows, (n, k), to forecast too.

    `others` are models beside the estimators, fitted and tested on the same rows, that cannot be chosen. Raises TrainingError
    if there is no estimator, or the rows to train on or to test have only one outcome.
    """
    if not compete:
        raise TrainingError("no estimator was named")
    run = _Run(data, compete, {AS_IS: data.rows, **(views or {})}, others or {})
    for repetition in range(repetitions):
        for number, (train, test) in enumerate(folds(data, FOLDS, seed + _APART * repetition), start=1):
            run.fold(repetition, number, train, test, seed, step)
    return run.measured(seed)


def comparison_steps(compete: Sequence[Estimator], repetitions: int = REPETITIONS) -> int:
    """Number of calls of `step` by `cross_validate`."""
    return repetitions * FOLDS * steps_of(compete)


class _Run:
    """Forecasts of a cross-validation while it runs, by name and view: (n,) a repetition, NaN where a row was not tested."""

    def __init__(self, data: TrainingSet, compete: Sequence[Estimator], shown: Mapping[str, Rows], others: Mapping[str, Other]) -> None:
        self._data, self._compete, self._shown, self._others = data, compete, shown, others
        self._forecasts: dict[tuple[str, str], list[Floats]] = {}
        self._parts: list[Part] = []
        self._won: dict[str, list[Fitted]] = {estimator.name: [] for estimator in compete}
        self._chosen: list[str] = []

    def fold(self, repetition: int, number: int, train: Ints, test: Ints, seed: int, step: Step) -> None:
        known = self._data.take(train)
        if len(np.unique(known.taken)) < 2:
            raise TrainingError(f"fold {number}: all {len(train)} rows to train on have the same outcome")
        self._parts.append(Part(repetition, test))
        fitted = []
        for estimator in self._compete:
            prefixing = partial(prefixed, step, f"fold {number} of {FOLDS}: {estimator.name}: ")
            fitted.append(fit_estimator(estimator, known, seed, prefixing))
            self._won[estimator.name].append(fitted[-1])
        best = min(fitted, key=lambda one: one.loss_inside)
        self._chosen.append(best.estimator)
        for view, rows in self._shown.items():
            for one in fitted:
                self._keep((one.estimator, view), repetition, test, one.propensity(rows[test]))
            self._keep((CHOSEN, view), repetition, test, self._forecasts[best.estimator, view][repetition][test])
        for name, other in self._others.items():
            self._keep((name, AS_IS), repetition, test, other(train, test))

    def _keep(self, key: tuple[str, str], repetition: int, test: Ints, forecast: Floats) -> None:
        kept = self._forecasts.setdefault(key, [])
        if len(kept) <= repetition:
            kept.append(np.full(len(self._data.taken), np.nan))
        kept[repetition][test] = forecast

    def measured(self, seed: int) -> CrossValidation:
        rows = np.flatnonzero(np.isfinite(next(iter(self._forecasts.values()))[0]))
        taken = self._data.taken[rows]
        if len(np.unique(taken)) < 2:
            raise TrainingError(f"all {len(rows)} rows to test on have the same outcome: there is nothing to compare")
        over_folds = self._over_folds(seed)
        tested = {key: [forecast[rows] for forecast in forecasts] for key, forecasts in self._forecasts.items()}
        first = {key: forecasts[0] for key, forecasts in tested.items()}
        named = {
            name: _mean_figures(taken, forecasts, over_folds.of(_key("AUC", name, view)))
            for (name, view), forecasts in tested.items()
            if view == AS_IS
        }
        errors = {name: float(np.mean([hybrid_loss(taken, forecast) for forecast in tested[name, AS_IS]])) for name in self._won}
        of = [
            EstimatorFigures(
                estimator=name,
                figures=named[name],
                error=errors[name] / len(rows),
                hybrid_loss=round(errors[name]),
                settings=tuple(fitted.setting for fitted in won),
                calibrations=tuple(fitted.calibration.name for fitted in won),
            )
            for name, won in self._won.items()
        ]
        return CrossValidation(rows, first, tuple(sorted(of, key=_order)), tuple(self._chosen), named, over_folds)

    def _over_folds(self, seed: int) -> FoldFigures:
        taken = self._data.taken

        def area(forecasts: list[Floats], part: Part) -> Measure:
            return Ranking(taken[part.rows], forecasts[part.repetition][part.rows]).auc

        def loss(forecasts: list[Floats], part: Part) -> Measure:
            losses = log_losses(taken[part.rows], forecasts[part.repetition][part.rows])
            return lambda weights: float(weights @ losses / weights.sum())

        makers: dict[str, Callable[[Part], Measure]] = {}
        for (name, view), forecasts in self._forecasts.items():
            makers[_key("AUC", name, view)] = partial(area, forecasts)
            if view == AS_IS:
                makers[_key("log-loss", name, view)] = partial(loss, forecasts)
        people = np.unique(self._data.groups, return_inverse=True)[1].astype(np.int64)
        return FoldFigures(makers, self._parts, people, seed, test_to_train=1.0 / (FOLDS - 1))


_APART = 7_919  # between the seeds of two repetitions


def _key(figure: str, name: str, view: str) -> str:
    return f"{figure}, {name}, {view}"


def _mean_figures(taken: Ints, forecasts: Sequence[Floats], auc: Interval) -> Figures:
    """Figures of a model over all repetitions."""
    each = [figures(taken, forecast, auc) for forecast in forecasts]
    rest = {name: float(np.mean([getattr(of, name) for of in each])) for name in Figures.__struct_fields__ if name != "auc"}
    return Figures(auc=auc, **rest)


def _order(of: EstimatorFigures) -> tuple[float, float, float]:
    return round(of.figures.log_loss, _PLACES), round(of.figures.brier, _PLACES), round(of.error, _PLACES)


def prefixed(step: Step, prefix: str, what: str) -> None:
    """Call `step` with a prefix before its text."""
    step(prefix + what)

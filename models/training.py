"""Comparison of all estimators by cross-validation, and the champion for the gateway.

The estimator of `models/propensity` with the least log-loss on unseen respondents becomes the champion. The baseline is a plain
logistic regression on the table's own columns, one-hot.

Settings, calibration and the estimator itself are chosen by folds inside the training part, and a respondent is always on one
side only: the champion's figures come from rows that took no part in any choice. Intervals hold for new respondents.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from models.arrays import Floats, Ints, Rows
from models.inputs import Inputs
from models.measures import Figures, Interval
from models.propensity.boosting import RECIPES, Recipe
from models.propensity.cross_validation import AS_IS, CHOSEN, REPETITIONS, EstimatorFigures, comparison_steps, cross_validate
from models.propensity.estimators import NAMES, Estimator, Fitted, Step, estimators, fit_estimator, no_step, steps_of
from models.propensity.masking import mask, without_context
from models.propensity.training_set import FOLDS, TrainingError, TrainingSet, validated
from models.tables.coupon import INPUTS, Coupons

NEW_PEOPLE = 100  # sample size of the forecast AUC in the report
_BLIND = "blind"
_PLAIN = "plain logistic"


class Comparison(msgspec.Struct, frozen=True):
    """Out-of-fold figures of all estimators, best first.

    `estimator` is the best one, which is exported. `champion` are the figures of the estimators that the folds chose inside the
    training parts, `logistic` those of plain logistic regression, `difference` is the champion's AUC minus that of plain logistic
    regression, and `blind_auc` the champion's AUC with weather, zone and habits unknown. `expected` is the interval of the
    AUC that NEW_PEOPLE further respondents show.
    """

    rows: int
    respondents: int
    evaluated: int
    base_rate: float
    folds: int
    seed: int
    estimator: str
    estimators: tuple[EstimatorFigures, ...]
    logistic: Figures
    champion: Figures
    difference: Interval
    blind_auc: float
    expected: Interval
    remarks: tuple[str, ...]


class Compared(NamedTuple):
    """A comparison, the numbers of the tested rows, (n,), and the champion's forecasts of these rows, (n,)."""

    comparison: Comparison
    rows: Ints
    forecast: Floats


def coupon_training_set(history: Coupons, seed: int) -> TrainingSet:
    """The training set of a coupon table, with masked rows. Raises TrainingError if it cannot be used."""
    data = TrainingSet(history.rows, history.taken, history.respondents, names=INPUTS.columns, inputs=INPUTS)
    validated(data)
    return data._replace(masked=mask(history.rows, INPUTS, seed))


def feature_estimators(
    inputs: Inputs, names: Sequence[str] = NAMES, recipes: Sequence[Recipe] = RECIPES, seed: int = 0
) -> tuple[Estimator, ...]:
    """The estimators for rows with the columns of `inputs`; the segments of the hybrid are the categories of offers."""
    dummies = inputs.positions(inputs.category).tolist() if inputs.category else []
    return estimators(names, columns=inputs.columns, dummies=tuple(dummies), recipes=recipes, seed=seed)


def plain_logistic(raw: NDArray[np.str_], taken: Ints) -> Any:
    """The baseline: a logistic regression fitted to texts `raw` (n, columns), one-hot, and outcomes (n,)."""
    return make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(max_iter=2_000)).fit(raw, taken)


def fit_champion(data: TrainingSet, seed: int, estimator: Estimator, step: Step = no_step) -> Fitted:
    """The best estimator, fitted to every row."""
    return fit_estimator(estimator, data, seed, step)


def offer_categories(rows: Rows, inputs: Inputs) -> list[str]:
    """The category of the offer of each row (n, columns), (n,); `other` if no column of a category is set."""
    of = inputs.positions(inputs.category).tolist() if inputs.category else []
    prefix = f"{inputs.category.name}_" if inputs.category else ""
    names = np.array([inputs.columns[column].removeprefix(prefix) for column in of] + ["other"])
    stated = np.nan_to_num(rows[:, of]) > 0.5
    return [str(name) for name in names[np.where(stated.any(axis=1), stated.argmax(axis=1) if of else 0, len(of))]]


def compare(
    data: TrainingSet,
    seed: int,
    compete: Sequence[Estimator],
    step: Step = no_step,
    raw: NDArray[np.str_] | None = None,
    repetitions: int = REPETITIONS,
) -> Compared:
    """Cross-validate all estimators; `raw` (n, columns) are the table's texts for plain logistic regression.

    Raises TrainingError if the training set cannot be used or has no schema, or without a baseline:
    neither `raw` nor the estimator logistic.
    """
    if raw is None and "logistic" not in {estimator.name for estimator in compete}:
        raise TrainingError("a comparison needs the estimator logistic as its baseline; add it to --estimators")
    inputs = data.inputs
    if inputs is None:
        raise TrainingError("a comparison needs the schema of the columns")
    finite, remarks = validated(data)
    others = {_PLAIN: partial(_plain, data, raw)} if raw is not None else {}
    views = {_BLIND: without_context(finite.rows, inputs)}
    validation = cross_validate(finite, compete, seed, step, views, others, repetitions)
    base = _PLAIN if others else "logistic"
    comparison = Comparison(
        rows=len(data.taken),
        respondents=data.people,
        evaluated=len(validation.rows),
        base_rate=float(data.taken[validation.rows].mean()),
        folds=FOLDS,
        seed=seed,
        estimator=validation.best.estimator,
        estimators=validation.of,
        logistic=validation.named[base],
        champion=validation.named[CHOSEN],
        difference=validation.above(CHOSEN, base),
        blind_auc=validation.auc(CHOSEN, _BLIND).value,
        expected=validation.auc_of_new(CHOSEN, NEW_PEOPLE),
        remarks=remarks,
    )
    return Compared(comparison, validation.rows, validation.forecasts[CHOSEN, AS_IS])


def steps_in(compete: Sequence[Estimator], *, then_fit: bool) -> int:
    """Number of calls of `step` by `compare`, and at most by fitting the champion after it."""
    return comparison_steps(compete) + (max(steps_of([estimator]) for estimator in compete) if then_fit else 0)


def _plain(data: TrainingSet, raw: NDArray[np.str_], train: Ints, test: Ints) -> Floats:
    """Forecasts of plain logistic regression on the texts of a table for the rows `test`, fitted to the rows `train`."""
    forecast: Floats = plain_logistic(raw[train], data.taken[train]).predict_proba(raw[test])[:, 1]
    return forecast

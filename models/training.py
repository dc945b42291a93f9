"""Comparison of all estimators by cross-validation, and the champion for the gateway.

The estimator of `models/propensity` with the least log-loss on unseen people becomes the champion. It is shown beside the baselines of
`models.baselines`, which are fitted and tested on the same rows.

Settings, calibration and the estimator itself are chosen by folds inside the training part, and a respondent is always on one
side only: the champion's figures come from rows that took no part in any choice. Intervals hold for new respondents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from models.arrays import Floats, Ints, Rows
from models.baselines import PLAIN, baselines
from models.inputs import Inputs
from models.measures import Figures, Interval
from models.propensity.boosting import RECIPES, Recipe
from models.propensity.cross_validation import AS_IS, CHOSEN, REPETITIONS, EstimatorFigures, comparison_steps, cross_validate
from models.propensity.estimators import NAMES, Estimator, Fitted, Step, estimators, fit_estimator, no_step, steps_of
from models.propensity.masking import without_context
from models.propensity.training_set import FOLDS, TrainingError, TrainingSet, validated

NEW_PEOPLE = 100  # sample size of the forecast AUC in the report
_BLIND = "blind"


class Baseline(msgspec.Struct, frozen=True):
    """Out-of-fold figures of a baseline; `difference` is the champion's AUC minus that of the baseline."""

    name: str
    figures: Figures
    difference: Interval


class Comparison(msgspec.Struct, frozen=True):
    """Out-of-fold figures of all estimators, best first, and of the baselines.

    `estimator` is the best one, which is exported. `champion` are the figures of the estimators that the folds chose inside the
    training parts, `logistic` those of plain logistic regression, `difference` is the champion's AUC minus that of plain logistic
    regression. `blind_auc` is the champion's AUC with all readings and all attributes of the person unknown, None if no other
    attribute is left. `expected` is the interval of the AUC that NEW_PEOPLE further people show.
    """

    rows: int
    respondents: int
    evaluated: int
    base_rate: float
    folds: int
    seed: int
    estimator: str
    estimators: tuple[EstimatorFigures, ...]
    baselines: tuple[Baseline, ...]
    logistic: Figures
    champion: Figures
    difference: Interval
    blind_auc: float | None
    expected: Interval
    remarks: tuple[str, ...]


class Compared(NamedTuple):
    """A comparison, the numbers of the tested rows, (n,), and the champion's forecasts of these rows, (n,)."""

    comparison: Comparison
    rows: Ints
    forecast: Floats


def feature_estimators(
    inputs: Inputs, names: Sequence[str] = NAMES, recipes: Sequence[Recipe] = RECIPES, seed: int = 0
) -> tuple[Estimator, ...]:
    """The estimators for rows with the columns of `inputs`; the segments of the hybrid are the categories of offers."""
    dummies = inputs.positions(inputs.category).tolist() if inputs.category else []
    return estimators(names, columns=inputs.columns, dummies=tuple(dummies), recipes=recipes, seed=seed)


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


def compare(data: TrainingSet, seed: int, compete: Sequence[Estimator], step: Step = no_step, repetitions: int = REPETITIONS) -> Compared:
    """Cross-validate all estimators and the baselines. Raises TrainingError if the training set cannot be used or has no schema."""
    inputs = data.inputs
    if inputs is None:
        raise TrainingError("a comparison needs the schema of the columns")
    finite, remarks = validated(data)
    blind = without_context(finite.rows, inputs)
    others = baselines(finite, inputs, seed)
    validation = cross_validate(finite, compete, seed, step, {_BLIND: blind}, others, repetitions)
    shown = tuple(Baseline(name, validation.named[name], validation.above(CHOSEN, name)) for name in others)
    comparison = Comparison(
        rows=len(data.taken),
        respondents=data.people,
        evaluated=len(validation.rows),
        base_rate=float(data.taken[validation.rows].mean()),
        folds=FOLDS,
        seed=seed,
        estimator=validation.best.estimator,
        estimators=validation.of,
        baselines=shown,
        logistic=validation.named[PLAIN],
        champion=validation.named[CHOSEN],
        difference=validation.above(CHOSEN, PLAIN),
        blind_auc=None if np.isnan(blind).all() else validation.auc(CHOSEN, _BLIND).value,
        expected=validation.auc_of_new(CHOSEN, NEW_PEOPLE),
        remarks=remarks,
    )
    return Compared(comparison, validation.rows, validation.forecasts[CHOSEN, AS_IS])


def steps_in(compete: Sequence[Estimator], *, then_fit: bool) -> int:
    """Number of calls of `step` by `compare`, and at most by fitting the champion after it."""
    return comparison_steps(compete) + (max(steps_of([estimator]) for estimator in compete) if then_fit else 0)

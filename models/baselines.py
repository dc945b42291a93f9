"""Baselines of the estimators: plain logistic regression, untuned boosting, and untuned LightGBM where it is installed.

Each is fitted to the same rows and tested on the same rows as the estimators, with its library's default settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from models.arrays import Floats, Ints, Rows
from models.inputs import Inputs
from models.propensity.cross_validation import Other
from models.propensity.training_set import TrainingSet

try:
    import lightgbm
except ImportError:  # an optional dependency
    lightgbm = None  # type: ignore[assignment]

PLAIN = "plain logistic"
UNTUNED = "untuned boosting"
LIGHTGBM = "untuned LightGBM"
FEW_VALUES = 20  # a column with at most so many values is one-hot


def baselines(data: TrainingSet, inputs: Inputs, seed: int) -> Mapping[str, Other]:
    """The baselines by name, plain logistic regression first."""
    rows = np.where(np.isinf(data.rows), np.float32(np.nan), data.rows)
    columns, few = plain_columns(rows, inputs)
    found: dict[str, Other] = {
        PLAIN: partial(_forecast, columns, data.taken, lambda: plain_logistic(few)),
        UNTUNED: partial(_of_known_columns, rows, data.taken, lambda: HistGradientBoostingClassifier(random_state=seed)),
    }
    if lightgbm is not None:
        found[LIGHTGBM] = partial(
            _of_known_columns, rows, data.taken, lambda: lightgbm.LGBMClassifier(n_jobs=1, verbose=-1, random_state=seed)
        )
    return found


def plain_columns(rows: Rows, inputs: Inputs) -> tuple[Rows, NDArray[np.bool_]]:
    """One column an attribute, (n, k), without those that follow from others, and whether each is one-hot, (k,)."""
    plain = [one for one in inputs.used if len(inputs.positions(one)) and not (one.between and one.between.by_category)]
    columns = np.stack([inputs.coded(rows, one) for one in plain], axis=1)
    few = [one.dtype != "number" or len(np.unique(columns[:, at])) <= FEW_VALUES for at, one in enumerate(plain)]
    return columns, np.array(few)


def plain_logistic(few: NDArray[np.bool_]) -> Any:
    """An unfitted logistic regression for k columns: those that are `few`, (k,), one-hot, the others filled, flagged and scaled."""
    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler())
    columns = ColumnTransformer(
        (("few", OneHotEncoder(handle_unknown="ignore"), np.flatnonzero(few)), ("many", scaled, np.flatnonzero(~few)))
    )
    return make_pipeline(columns, LogisticRegression(max_iter=2_000))


def _of_known_columns(rows: Rows, taken: Ints, make: Callable[[], Any], train: Ints, test: Ints) -> Floats:
    """As `_forecast`, without the columns that are unknown in every row to train on."""
    known = ~np.isnan(rows[train]).all(axis=0)
    return _forecast(rows[:, known] if known.any() else np.zeros((len(rows), 1), np.float32), taken, make, train, test)


def _forecast(rows: Rows, taken: Ints, make: Callable[[], Any], train: Ints, test: Ints) -> Floats:
    """Forecasts for the rows `test`, (test,), of a model fitted to the rows `train`."""
    forecast: Floats = make().fit(rows[train], taken[train]).predict_proba(rows[test])[:, 1].astype(np.float64)
    return forecast

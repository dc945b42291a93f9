"""Gradient boosting of small trees, with monotonic constraints.

A longer way never raises the probability, more time to redeem and more visits to such places never lower it. Columns that
never vary are left out, so that a column without data changes neither the trees nor the random draws. There is no early
stopping, because scikit-learn would decide it on rows and not on subjects.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from models.arrays import Floats, Ints, Rows
from models.propensity.base import Classifier
from models.propensity.training_set import informative_columns

DIRECTIONS: Mapping[str, int] = {"travel": -1, "expiry": 1, "visits_this_kind": 1}


class Recipe(msgspec.Struct, frozen=True):
    """Settings of scikit-learn's histogram-based gradient boosting."""

    rounds: int = 150
    rate: float = 0.06
    depth: int = 5
    leaf_rows_min: int = 60
    shrinkage: float = 10.0
    columns_share: float = 0.3


RECIPES: tuple[Recipe, ...] = (
    Recipe(),
    Recipe(rounds=150, rate=0.06, depth=4),
    Recipe(rounds=150, rate=0.05, depth=6, leaf_rows_min=40, columns_share=0.2),
    Recipe(rounds=80, rate=0.1, depth=5),
)
"""The settings that folds choose from. Each alone has an AUC of .777 to .779 on the coupon table, so more settings would fit noise."""


class Boosting(Classifier):
    """Boosted trees; columns named in DIRECTIONS are monotonic."""

    def __init__(self, recipe: Recipe = RECIPES[0], names: tuple[str, ...] = (), seed: int = 0) -> None:
        self._recipe, self._names, self._seed = recipe, names, seed
        self._used: Ints
        self._trees: Any

    def fit(self, rows: Rows, taken: Ints, groups: Ints | None = None) -> Self:  # noqa: ARG002 (no subject is held out)
        """Fit to `rows`."""
        used = informative_columns(rows)
        self._used = used if len(used) else np.zeros(1, np.int64)  # scikit-learn needs a column; this one is never split
        part = rows[:, self._used]
        recipe = self._recipe
        self._trees = HistGradientBoostingClassifier(
            max_iter=recipe.rounds,
            learning_rate=recipe.rate,
            max_depth=recipe.depth,
            min_samples_leaf=recipe.leaf_rows_min,
            l2_regularization=recipe.shrinkage,
            max_features=recipe.columns_share,
            monotonic_cst=[DIRECTIONS.get(self._names[column], 0) if self._names else 0 for column in self._used],
            early_stopping=False,
            random_state=self._seed,
        ).fit(part if len(used) else np.zeros((len(rows), 1), np.float32), taken)
        return self

    def decision_function(self, rows: Rows) -> Floats:
        """Log-odds, (n,)."""
        log_odds: Floats = self._trees.decision_function(rows[:, self._used])
        return log_odds

    def parts(self) -> tuple[object, ...]:
        """A copy of the trees with splits rounded to float32 and with the column numbers of whole rows."""
        trees = copy.deepcopy(self._trees)
        for (predictor,) in trees._predictors:  # noqa: SLF001 (scikit-learn has no public view of the nodes)
            predictor.nodes["num_threshold"] = rounded_down(predictor.nodes["num_threshold"])
            predictor.nodes["feature_idx"] = self._used[predictor.nodes["feature_idx"]]
        return (trees,)


def rounded_down(splits: Floats) -> NDArray[np.float32]:
    """The largest float32 not above each split: for a float32 x, `x <= split` and `x <= rounded` are then the same.

    scikit-learn compares in float64 and skl2onnx rounds to the nearest float32, which sends a value that lies exactly on a split
    to the other side.
    """
    nearest = splits.astype(np.float32)
    return np.where(nearest.astype(np.float64) > splits, np.nextafter(nearest, np.float32(-np.inf)), nearest)

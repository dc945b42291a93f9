"""Gradient boosting of small trees, with monotonic constraints.

A longer way never raises the probability, more time to redeem and more visits to such places never lower it. Columns that
never vary are left out, so that a column without data changes neither the trees nor the random draws. There is no early
stopping, because scikit-learn would decide it on rows and not on subjects.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

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

    def make(self, names: tuple[str, ...] = (), seed: int = 0) -> Boosting:
        """An estimator with these settings; `names` are those of the columns."""
        return Boosting(**msgspec.structs.asdict(self), names=names, seed=seed)


RECIPES: tuple[Recipe, ...] = (
    Recipe(),
    Recipe(rounds=150, rate=0.06, depth=4),
    Recipe(rounds=150, rate=0.05, depth=6, leaf_rows_min=40, columns_share=0.2),
    Recipe(rounds=80, rate=0.1, depth=5),
)
"""The settings that folds choose from. Each alone has an AUC of .777 to .779 on the coupon table, so more settings would fit noise."""


class Boosting(Classifier):
    """Boosted trees; columns named in DIRECTIONS are monotonic. Settings as in `Recipe`."""

    _used: Ints
    _trees: Any

    def __init__(
        self,
        rounds: int = 150,
        rate: float = 0.06,
        depth: int = 5,
        leaf_rows_min: int = 60,
        shrinkage: float = 10.0,
        columns_share: float = 0.3,
        *,
        names: tuple[str, ...] = (),
        seed: int = 0,
    ) -> None:
        self.rounds, self.rate, self.depth, self.leaf_rows_min = rounds, rate, depth, leaf_rows_min
        self.shrinkage, self.columns_share, self.names, self.seed = shrinkage, columns_share, names, seed

    def _fit(self, rows: Rows, taken: Ints, groups: Ints | None) -> None:  # noqa: ARG002 (no subject is held out)
        used = informative_columns(rows)
        self._used = used if len(used) else np.zeros(1, np.int64)  # scikit-learn needs a column; this one is never split
        part = rows[:, self._used]
        self._trees = HistGradientBoostingClassifier(
            max_iter=self.rounds,
            learning_rate=self.rate,
            max_depth=self.depth,
            min_samples_leaf=self.leaf_rows_min,
            l2_regularization=self.shrinkage,
            max_features=self.columns_share,
            monotonic_cst=[DIRECTIONS.get(self.names[column], 0) if self.names else 0 for column in self._used],
            early_stopping=False,
            random_state=self.seed,
        ).fit(part if len(used) else np.zeros((len(rows), 1), np.float32), taken)

    def _log_odds(self, rows: Rows) -> Floats:
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

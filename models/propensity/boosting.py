"""Gradient boosting, held to what we know: many small trees, each mending what the others missed.

What is known goes in as constraints: a longer way never helps, more time to redeem never hurts, and who goes to such places
more often is not less likely to come. Columns that never vary are left out, so that a column nobody fills yet changes
neither the model nor the draws it is made with. Nothing stops early by itself: scikit-learn would judge that by rows, not people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from models.propensity.base import Classifier
from models.propensity.graph import Ensemble, Floats, Graph, Ints, Rows, rounded_down
from models.propensity.training_set import alive

DIRECTIONS: Mapping[str, int] = {"travel": -1, "expiry": 1, "visits_this_kind": 1}


class Recipe(msgspec.Struct, frozen=True):
    """How the trees are boosted."""

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
"""What is tried, chosen by hand once on the coupon table, where each alone gives an AUC of .777 to .779; more choice would buy noise."""


class Boosting(Classifier):
    """`names` are the columns' names, which say where a direction is known."""

    def __init__(self, recipe: Recipe = RECIPES[0], names: tuple[str, ...] = (), seed: int = 0) -> None:
        self._recipe, self._names, self._seed = recipe, names, seed
        self._used: Ints
        self._trees: Any

    def fit(self, rows: Rows, taken: Ints, groups: Ints | None = None) -> Self:  # noqa: ARG002 (nobody is set aside here)
        """Learn from `rows`."""
        used = alive(rows)
        self._used = used if len(used) else np.zeros(1, np.int64)  # the trees need a column, and split none that never varies
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

    def emit(self, graph: Graph, rows: str) -> str:
        """The same log-odds as nodes, (n, 1), from scikit-learn's own arrays of tree nodes (it offers no public view of them)."""
        return graph.trees(rows, self.ensemble(), float(self._trees._baseline_prediction.item()))  # noqa: SLF001

    def ensemble(self) -> Ensemble:
        """All trees as arrays over their nodes."""
        trees = [predictors[0].nodes for predictors in self._trees._predictors]  # noqa: SLF001
        nodes = np.concatenate(trees)
        leaf: NDArray[np.bool_] = nodes["is_leaf"].astype(bool)
        return Ensemble(
            tree=np.repeat(np.arange(len(trees)), [len(tree) for tree in trees]),
            node=np.concatenate([np.arange(len(tree)) for tree in trees]),
            leaf=leaf,
            only_unknown=np.zeros(len(nodes), bool),
            column=self._used[nodes["feature_idx"].astype(np.int64)],
            split=rounded_down(nodes["num_threshold"]),
            yes=nodes["left"].astype(np.int64),
            no=nodes["right"].astype(np.int64),
            unknown_yes=nodes["missing_go_to_left"].astype(bool),
            weight=nodes["value"],
        )

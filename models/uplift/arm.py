"""Boosted trees that were fitted with the arm as the last column, asked for one arm: the splits on the arm are resolved.

A gateway's rows have no column of the arm, and its models may not append one, so each arm gets trees of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.arrays import Floats, Rows
from models.propensity.boosting import Boosting
from models.propensity.trees import TreeBuilder, TreeSum


class WithArm:
    """Log-odds of boosting for rows (n, `columns`) to which `arm` (0 or 1) is appended as the last column: a `FittedModel`."""

    def __init__(self, model: Boosting, columns: int, arm: int) -> None:
        self._model, self._columns, self._arm = model, columns, arm

    def decision_function(self, rows: Rows) -> Floats:
        """Log-odds, (n,)."""
        return self._model.decision_function(np.column_stack((rows, np.full(len(rows), self._arm, np.float32))))

    def parts(self) -> tuple[object, ...]:
        """The trees without the column of the arm."""
        (trees,) = self._model.parts()
        return (without_column(trees, self._columns, float(self._arm)),)


def without_column(trees: Any, column: int, value: float) -> TreeSum:
    """Boosted trees of scikit-learn as a sum of trees in which `column` has `value` everywhere."""
    builder = TreeBuilder()
    for (predictor,) in trees._predictors:  # noqa: SLF001 (as in Boosting.parts)
        builder.start()
        _copy(builder, predictor.nodes, 0, column, value)
    return builder.build(float(np.ravel(trees._baseline_prediction)[0]))  # noqa: SLF001


def _copy(builder: TreeBuilder, nodes: Any, at: int, column: int, value: float) -> int:
    """Number of the copy of node `at`."""
    node = nodes[at]
    while not node["is_leaf"] and node["feature_idx"] == column:
        node = nodes[int(node["left"] if value <= node["num_threshold"] else node["right"])]
    if node["is_leaf"]:
        return builder.leaf(float(node["value"]))
    copy = builder.reserve()
    yes, no = (_copy(builder, nodes, int(node[side]), column, value) for side in ("left", "right"))
    unknown_yes = bool(node["missing_go_to_left"])
    builder.split(copy, int(node["feature_idx"]), float(node["num_threshold"]), yes, no, unknown_yes=unknown_yes)
    return copy

"""The interface of all estimators: scikit-learn's, with log-odds and the parts that are converted to ONNX.

An estimator can be cloned, pickled, searched over and put at the end of a Pipeline. Its arguments are its parameters; `fit` takes outcomes
of any two classes, the second of which in sorted order is the one that is forecast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from models.arrays import Floats, Ints, Rows
from models.propensity.training_set import TrainingError, probability


class FittedModel(Protocol):
    """Part of a fitted estimator that is needed to forecast and to export."""

    def decision_function(self, rows: Rows, /) -> Floats:
        """Log-odds, (n,), for rows float32 (n, k)."""

    def parts(self) -> tuple[object, ...]:
        """The parts in the order of computation, from rows (n, k) to log-odds (n, 1), each known to `conversion`."""


class Classifier(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn has no types
    """An estimator of two classes. Rows (n, k) are computed as float32, with NaN for unknown."""

    classes_: NDArray[Any]

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Fit to rows X (n, k) and outcomes y (n,), and return the estimator.

        `groups` (n,) numbers the subject of each row, for estimators that hold out whole subjects in fitting. Raises TrainingError unless
        the outcomes have two classes, ValueError for rows or outcomes that are no such arrays.
        """
        rows, outcomes = validate_data(self, X, y, dtype=np.float32, ensure_all_finite=False, ensure_min_samples=2)
        check_classification_targets(outcomes)
        self.classes_, taken = np.unique(outcomes, return_inverse=True)
        if len(self.classes_) != 2:
            raise TrainingError(
                f"Only binary classification is supported. The type of the target has {len(self.classes_)} class(es): two are needed"
            )
        self._fit(rows, taken.astype(np.int64), None if groups is None else np.asarray(groups, np.int64))
        return self

    def decision_function(self, X: ArrayLike) -> Floats:  # noqa: N803 - as above
        """Log-odds of the second class, (n,). Raises NotFittedError before `fit`, ValueError for rows of another width."""
        check_is_fitted(self, "classes_")
        return self._log_odds(validate_data(self, X, dtype=np.float32, ensure_all_finite=False, reset=False))

    def predict_proba(self, X: ArrayLike) -> Floats:  # noqa: N803 - as above
        """The probabilities of the two classes, (n, 2). Raises NotFittedError, ValueError as `decision_function`."""
        likely = probability(self.decision_function(X))
        return np.stack((1.0 - likely, likely), axis=1)

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803 - as above
        """The likelier class, (n,). Raises NotFittedError, ValueError as `decision_function`."""
        log_odds = self.decision_function(X)
        likelier: NDArray[Any] = self.classes_[(log_odds > 0.0).astype(np.int64)]
        return likelier

    @abstractmethod
    def parts(self) -> tuple[object, ...]:
        """The fitted parts in the order of computation, from rows (n, k) to log-odds (n, 1), each known to `conversion`."""

    @abstractmethod
    def _fit(self, rows: Rows, taken: Ints, groups: Ints | None) -> None:
        """Fit to rows (n, k) and outcomes 0/1 (n,)."""

    @abstractmethod
    def _log_odds(self, rows: Rows) -> Floats:
        """Log-odds, (n,)."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags


def smoothed_log_odds(taken: Floats, rows: Floats, rate: float, strength: float) -> Floats:
    """Log-odds of the shares `taken` / `rows`, (n,), shrunk towards `rate` as if `strength` more rows had had it."""
    share = (taken + strength * rate) / (rows + strength)
    odds: Floats = np.log(share) - np.log1p(-share)
    return odds

"""Several kinds of model on one table, mixed by what folds inside the training part say.

Trees and lines err in different places, so the mean of their log-odds is often better than the best of them. Which mean
is not for the test part to say: each kind forecasts rows that it was not fitted to, over folds inside the training part
(grouped, where rows belong to somebody), and the mix of least log-loss there is fitted to all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold, StratifiedKFold

from models.arrays import Floats, Ints
from models.measures import log_loss

FOLDS_INSIDE = 3


class Kind(NamedTuple):
    """One kind of model: the columns it sees, how it is made for a seed, over how many seeds it is averaged."""

    name: str
    view: Callable[[pd.DataFrame], Floats]
    make: Callable[[int], Any]
    seeds: int = 1


class Blend(NamedTuple):
    """The kinds that were chosen, fitted."""

    kinds: tuple[Kind, ...]
    fitted: tuple[tuple[Any, ...], ...]

    def forecast(self, rows: pd.DataFrame) -> Floats:
        """Probability of yes, (n,)."""
        parts = [_mean_log_odds(models, kind.view(rows)) for kind, models in zip(self.kinds, self.fitted, strict=True)]
        return from_log_odds(np.mean(parts, axis=0))

    @property
    def name(self) -> str:
        """The kinds, as a text."""
        return " + ".join(kind.name for kind in self.kinds)


def fit_blend(kinds: Sequence[Kind], rows: pd.DataFrame, taken: Ints, units: Ints | None, seed: int) -> Blend:
    """The mix of least log-loss over inner folds, fitted to all rows. `units` keep rows that belong together on one side."""
    if len(kinds) == 1:
        return Blend(kinds=tuple(kinds), fitted=(_fit(kinds[0], rows, taken, seed),))
    inside = {kind.name: np.zeros(len(taken)) for kind in kinds}
    for train, test in folds(taken, units, FOLDS_INSIDE, seed + 1):
        for kind in kinds:
            models = _fit(kind, rows.iloc[train], taken[train], seed)
            inside[kind.name][test] = _mean_log_odds(models, kind.view(rows.iloc[test]))
    mixes = [mix for size in range(1, len(kinds) + 1) for mix in combinations(kinds, size)]
    best = min(mixes, key=lambda mix: log_loss(taken, from_log_odds(np.mean([inside[kind.name] for kind in mix], axis=0))))
    return Blend(kinds=best, fitted=tuple(_fit(kind, rows, taken, seed) for kind in best))


def folds(taken: Ints, units: Ints | None, count: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Rows to learn from and rows to judge by: of equal shares of yes, or, with `units`, nobody on both sides."""
    if units is None:
        yield from StratifiedKFold(count, shuffle=True, random_state=seed).split(taken, taken)
    else:
        yield from GroupKFold(count, shuffle=True, random_state=seed).split(taken, groups=units)


def untuned(seed: int) -> HistGradientBoostingClassifier:
    """Boosting as scikit-learn hands it out: what anybody gets who tunes nothing."""
    return HistGradientBoostingClassifier(random_state=seed)


def yes(model: Any, rows: Floats) -> Floats:
    """The probability of yes, (n,), of any fitted classifier."""
    probability: Floats = model.predict_proba(rows)[:, 1]
    return probability


def log_odds(probability: Floats) -> Floats:
    """Log-odds, kept finite."""
    sure = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.log(sure / (1.0 - sure))


def from_log_odds(odds: Floats) -> Floats:
    """Probabilities of log-odds."""
    return 1.0 / (1.0 + np.exp(-odds))


def _fit(kind: Kind, rows: pd.DataFrame, taken: Ints, seed: int) -> tuple[Any, ...]:
    seen = kind.view(rows)
    return tuple(kind.make(seed + number).fit(seen, taken) for number in range(kind.seeds))


def _mean_log_odds(models: Sequence[Any], rows: Floats) -> Floats:
    mean: Floats = log_odds(np.mean([yes(model, rows) for model in models], axis=0))
    return mean

"""An ensemble of several kinds of models on one table: a mean of log-odds, selected by inner folds.

Trees and linear models make different errors, so the mean of the log-odds is often better than the best one. The
members are selected without the test part: each is fitted and forecasts over folds inside the training part (grouped, if rows
belong to units), and the mean of least log-loss there is fitted to the whole training part.
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


class Member(NamedTuple):
    """One kind of model: its columns, a function from a seed to an unfitted model, and the number of seeds that are averaged."""

    name: str
    view: Callable[[pd.DataFrame], Floats]
    make: Callable[[int], Any]
    seeds: int = 1


class Blend(NamedTuple):
    """The selected members and the fitted models, one a seed."""

    members: tuple[Member, ...]
    fitted: tuple[tuple[Any, ...], ...]

    def forecast(self, rows: pd.DataFrame) -> Floats:
        """Probability of outcome 1, (n,)."""
        parts = [_mean_log_odds(models, member.view(rows)) for member, models in zip(self.members, self.fitted, strict=True)]
        return from_log_odds(np.mean(parts, axis=0))

    @property
    def name(self) -> str:
        """Names of the members as one text."""
        return " + ".join(member.name for member in self.members)


def fit_blend(members: Sequence[Member], rows: pd.DataFrame, taken: Ints, units: Ints | None, seed: int) -> Blend:
    """The blend of least log-loss over inner folds, fitted to all rows; `units` (n,) numbers rows that stay on one side of a fold."""
    if len(members) == 1:
        return Blend(members=tuple(members), fitted=(_fit(members[0], rows, taken, seed),))
    inside = {member.name: np.zeros(len(taken)) for member in members}
    for train, test in folds(taken, units, FOLDS_INSIDE, seed + 1):
        for member in members:
            models = _fit(member, rows.iloc[train], taken[train], seed)
            inside[member.name][test] = _mean_log_odds(models, member.view(rows.iloc[test]))
    mixes = [mix for size in range(1, len(members) + 1) for mix in combinations(members, size)]
    best = min(mixes, key=lambda mix: log_loss(taken, from_log_odds(np.mean([inside[member.name] for member in mix], axis=0))))
    return Blend(members=best, fitted=tuple(_fit(member, rows, taken, seed) for member in best))


def folds(taken: Ints, units: Ints | None, count: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Row numbers to train on and to test on: stratified by outcome, or grouped by `units` (n,)."""
    if units is None:
        yield from StratifiedKFold(count, shuffle=True, random_state=seed).split(taken, taken)
    else:
        yield from GroupKFold(count, shuffle=True, random_state=seed).split(taken, groups=units)


def untuned(seed: int) -> HistGradientBoostingClassifier:
    """Boosting with scikit-learn's default settings."""
    return HistGradientBoostingClassifier(random_state=seed)


def positive(model: Any, rows: Floats) -> Floats:
    """Probability of class 1, (n,), by a fitted classifier."""
    probability: Floats = model.predict_proba(rows)[:, 1]
    return probability


def log_odds(probability: Floats) -> Floats:
    """Log-odds of probabilities (n,), which are clipped to 1e-6 from 0 and 1."""
    sure = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.log(sure / (1.0 - sure))


def from_log_odds(odds: Floats) -> Floats:
    """Probabilities of log-odds, (n,)."""
    return 1.0 / (1.0 + np.exp(-odds))


def _fit(member: Member, rows: pd.DataFrame, taken: Ints, seed: int) -> tuple[Any, ...]:
    seen = member.view(rows)
    return tuple(member.make(seed + number).fit(seen, taken) for number in range(member.seeds))


def _mean_log_odds(models: Sequence[Any], rows: Floats) -> Floats:
    mean: Floats = log_odds(np.mean([positive(model, rows) for model in models], axis=0))
    return mean

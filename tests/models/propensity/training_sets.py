"""Small training sets with a known truth."""

from __future__ import annotations

import numpy as np

from models.propensity.training_set import TrainingSet


def planted(rows: int = 600, people: int = 60, columns: int = 6, seed: int = 0, unknown: float = 0.1) -> TrainingSet:
    """The first column raises the log-odds, the second lowers them, unknown in the third raises them; the rest is noise."""
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(rows, columns)).astype(np.float32)
    x[draws.random(x.shape) < unknown] = np.nan
    log_odds = 1.5 * np.nan_to_num(x[:, 0]) - np.nan_to_num(x[:, 1]) + 1.0 * np.isnan(x[:, 2])
    return TrainingSet(x, (draws.random(rows) < 1 / (1 + np.exp(-log_odds))).astype(np.int64), draws.integers(people, size=rows))


def exclusive_or(rows: int = 400, seed: int = 0) -> TrainingSet:
    """Taken when exactly one of two columns is above zero: neither has an effect alone."""
    draws = np.random.default_rng(seed)
    x = draws.choice(np.array([-1.0, 1.0], np.float32), (rows, 2))
    return TrainingSet(x, (x[:, 0] != x[:, 1]).astype(np.int64), np.arange(rows))

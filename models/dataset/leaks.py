"""Columns that may state the outcome: strong ones alone, certain ones, and ones with the name of something that comes later.

A column alone: its bins, with unknown as a bin of its own, get the share of positive outcomes in the training part of each fold, and
these shares rank the rows of the other part. So a column is found in either direction, in the middle of its range, by its categories,
or by where it is unknown. A certain column: wherever it has not its commonest value, every row has the rarer outcome. A purchase that
makes a visit certain is of this kind, although few rows have one and its AUC is low.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from gateway.core.attributes.schema import Attribute
from models.arrays import Ints, Rows
from models.inputs import Inputs
from models.measures import Ranking
from models.propensity.base import smoothed_log_odds
from models.propensity.binning import column_bins
from models.propensity.training_set import FOLDS, TrainingSet, folds

AUC_MAX = 0.80
BINS = 32
STRENGTH = 5.0  # rows with the overall rate that each bin starts with
CERTAIN_ROWS_MIN = 20
CHANCE_MAX = 1e-6  # of so many equal outcomes by chance

LATER: Mapping[str, str] = {
    r"(?:call_|talk_|conversation_)?duration": "the duration of a contact is known when it is over",
    r"(?:.*_)?(?:outcome|result|response|resolution)_(?:date|time|at|on|day)": "it has the time of the outcome",
    r"(?:.*_)?(?:cancel(?:led|ed|lation)?|churn(?:ed)?|closed?|closing|exit|end(?:ed)?|termination|refund(?:ed)?|redeemed|delivered|completed)_"
    r"(?:date|time|at|on|day|reason|score|category|value)": "it is written after the outcome",
    r"converted|conversions?|redeemed|redemptions?": "a conversion follows the decision",
}
"""Names of columns that are not known yet when the decision is made, as patterns of the whole name, and the reason."""


class Leak(NamedTuple):
    """An attribute that may state the outcome: AUC by it alone, and the reasons to ask."""

    attribute: str
    auc: float
    reasons: tuple[str, ...]


def find_leaks(data: TrainingSet, inputs: Inputs, seed: int, step: Callable[[str], None]) -> list[Leak]:
    """The suspicious attributes, the strongest first; `step` is called once an attribute."""
    splits = list(folds(data, FOLDS, seed))
    found: list[Leak] = []
    for one in _read(inputs):
        column = inputs.coded(data.rows, one)
        auc = auc_alone(column, data.taken, splits)
        reasons = tuple(_reasons(one, column, data.taken, auc))
        if reasons:
            found.append(Leak(one.name, auc, reasons))
        step(f"column alone: {one.name}")
    return sorted(found, key=lambda leak: -leak.auc)


def steps_of(inputs: Inputs) -> int:
    """Number of calls of `step` by `find_leaks`."""
    return len(_read(inputs))


def auc_alone(column: Rows, taken: Ints, splits: list[tuple[Ints, Ints]]) -> float:
    """AUC of forecasts from one column (n,), on the tested rows of all splits together; .5 where only one outcome is tested."""
    forecast = np.full(len(taken), np.nan)
    for train, test in splits:
        bins = column_bins(column[train], BINS)
        codes = bins.of(column[train])
        rows = np.bincount(codes, minlength=bins.size + 1).astype(np.float64)
        positives = np.bincount(codes, taken[train], bins.size + 1).astype(np.float64)
        rate = (float(taken[train].sum()) + 0.5) / (len(train) + 1.0)
        forecast[test] = smoothed_log_odds(positives, rows, rate, STRENGTH)[bins.of(column[test])]
    tested = np.flatnonzero(np.isfinite(forecast))
    auc = Ranking(taken[tested], forecast[tested]).auc(np.ones(len(tested))) if len(tested) else np.nan
    return 0.5 if np.isnan(auc) else auc


def _read(inputs: Inputs) -> list[Attribute]:
    """The attributes of the model, without those that follow from others, which are looked at themselves."""
    return [one for one in inputs.used if len(inputs.positions(one)) and not (one.between and one.between.by_category)]


def _reasons(one: Attribute, column: Rows, taken: Ints, auc: float) -> Iterator[str]:
    if auc > AUC_MAX:
        yield f"alone it has an AUC of {auc:.2f}"
    if rows := certain_rows(column, taken):
        yield f"all {rows:,} rows in which it is not as usual have the same outcome"
    for pattern, reason in LATER.items():
        if re.fullmatch(pattern, one.name):
            yield reason
            break


def certain_rows(column: Rows, taken: Ints) -> int:
    """Rows in which a column (n,) has not its commonest value, if all have the rarer outcome and chance does not explain it; else 0."""
    known = np.isfinite(column)
    if not known.any():
        return 0
    levels, counts = np.unique(column[known], return_counts=True)
    other = known & (column != levels[counts.argmax()])
    rows, rate = int(other.sum()), float(taken.mean())
    rarer = 1 if rate < 0.5 else 0
    likely = min(rate, 1.0 - rate) ** rows
    return rows if rows >= CERTAIN_ROWS_MIN and likely < CHANCE_MAX and (taken[other] == rarer).all() else 0

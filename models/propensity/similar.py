"""Groups of similar customers and the purchases of each group: filtering by customers, beside filtering by items (`items`).

Customers are grouped by k-means on the percentile ranks of some attributes. A group keeps the share of its members that bought from each
category afterwards; a person's rates are the mean over groups, weighted by nearness (`gateway.core.attributes.derive.neighbour_rates`).
Groups of fewer than GROUP_SUBJECTS_MIN members are left out. `held_out` compares these rates with those of all customers, on other people.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from gateway.core import limits
from gateway.core.attributes.derive import neighbour_rates, ranks
from gateway.core.attributes.groups import Customers, Neighbours
from models.groups import GroupError, ranked, rows_of
from models.measures import Interval, interval

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NAME = "similar"
WIDTH = 0.15
GROUPS_MAX = 12
SHARE_MIN, SHARE_MAX = 1e-3, 1.0 - 1e-3  # bounds of a rate in a logarithm
FOLDS = 5
DRAWS = 1_000


class SimilarFigures(msgspec.Struct, frozen=True):
    """Log-loss of the rates of similar customers and of all customers, on held-out people; the difference (all less similar)."""

    subjects: int
    by_similar: Interval
    by_all: Interval
    difference: Interval


def define_neighbours(values: pd.DataFrame, bought: Bools, categories: Sequence[str], seed: int = 0) -> Neighbours:
    """Groups of the subjects in `values` (one column an attribute); `bought` (n, categories) states the purchases of each afterwards.

    Raises GroupError if fewer than two groups of enough members are found.
    """
    inputs = tuple(ranked(name, values[name].to_numpy(dtype=np.float64)) for name in values.columns)
    at = np.array([[0.5 if rank is None else rank for rank in ranks(inputs, row)] for row in rows_of(values)])
    count = min(GROUPS_MAX, len(at) // (2 * limits.GROUP_SUBJECTS_MIN))
    if count < 2:
        raise GroupError(f"{len(at)} people are too few for two groups of {limits.GROUP_SUBJECTS_MIN} similar customers")
    fitted = KMeans(count, n_init=4, random_state=seed).fit(at)
    groups: list[Customers] = []
    for label, centre in enumerate(fitted.cluster_centers_):
        members = fitted.labels_ == label
        if members.sum() >= limits.GROUP_SUBJECTS_MIN:
            rates = {name: float(rate) for name, rate in zip(categories, bought[members].mean(axis=0), strict=True)}
            groups.append(Customers(tuple(float(np.clip(of, 0, 1)) for of in centre), int(members.sum()), rates))
    if len(groups) < 2:
        raise GroupError(f"no two groups have {limits.GROUP_SUBJECTS_MIN} similar customers")
    return Neighbours(NAME, inputs, WIDTH, tuple(groups))


def held_out(values: pd.DataFrame, bought: Bools, categories: Sequence[str], seed: int = 0) -> SimilarFigures:
    """Mean log-loss over people and categories in folds of people; intervals by bootstrap over people. Raises GroupError as above."""
    draws = np.random.default_rng(seed)
    fold_of = draws.permutation(len(values)) % FOLDS
    losses = np.zeros((len(values), 2))
    for fold in range(FOLDS):
        train, test = fold_of != fold, fold_of == fold
        neighbours = define_neighbours(values[train], bought[train], categories, seed)
        overall = bought[train].mean(axis=0)
        rates = [neighbour_rates(neighbours, row) for row in rows_of(values[test])]
        similar = np.array([[of.get(name, rate) for name, rate in zip(categories, overall, strict=True)] for of in rates])
        losses[test, 0], losses[test, 1] = _loss(similar, bought[test]), _loss(np.broadcast_to(overall, similar.shape), bought[test])
    means = np.stack([losses[draws.integers(len(losses), size=len(losses))].mean(axis=0) for _ in range(DRAWS)])
    whole = losses.mean(axis=0)
    return SimilarFigures(
        len(losses),
        interval(whole[0], means[:, 0]),
        interval(whole[1], means[:, 1]),
        interval(whole[1] - whole[0], means[:, 1] - means[:, 0]),
    )


def _loss(rates: Floats, bought: Bools) -> Floats:
    """Mean log-loss over categories, (n,)."""
    clipped = np.clip(rates, SHARE_MIN, SHARE_MAX)
    loss: Floats = -np.where(bought, np.log(clipped), np.log(1.0 - clipped)).mean(axis=1)
    return loss

"""How surprising a table of counts is, and by how much looking often makes surprise cheap (Kass 1980).

A predictor whose categories may be merged at will finds a "significant" split sooner or later. Kass multiplies the p value
by the number of ways in which c categories can become r groups: neighbours only (ordinal), any (nominal), or neighbours
with one category that may join any group or stand alone (floating: the unknown). Beyond Kass, the best of k predictors had
k chances, so its p value is multiplied by k too.
"""

from __future__ import annotations

from math import comb

import numpy as np
from scipy.special import chdtrc

from models.arrays import Floats


def p_value(tables: Floats) -> Floats:
    """The p value of Pearson's test, without continuity correction, of each table (..., categories, 2). A table of one category has 1."""
    rows = tables.sum(axis=-1, keepdims=True)
    columns = tables.sum(axis=-2, keepdims=True)
    expected = rows * columns / np.maximum(rows.sum(axis=-2, keepdims=True), 1e-300)
    gaps = np.where(expected > 0, (tables - expected) ** 2 / np.where(expected > 0, expected, 1.0), 0.0)
    freedom = (rows[..., 0] > 0).sum(axis=-1) - 1
    surprise: Floats = chdtrc(np.maximum(freedom, 1), gaps.sum(axis=(-1, -2)))
    return np.where(freedom > 0, surprise, 1.0)


def chi_square(table: Floats) -> float:
    """Pearson's statistic of one table (categories, 2)."""
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    return float(((table - expected) ** 2 / np.where(expected > 0, expected, 1.0)).sum())


def ways_ordinal(categories: int, groups: int) -> int:
    """In how many ways neighbours become groups: where to put the borders."""
    return comb(categories - 1, groups - 1)


def ways_nominal(categories: int, groups: int) -> int:
    """In how many ways any become groups: Stirling's number of the second kind."""
    row = [1] + [0] * groups
    for _ in range(categories):
        row = [0, *(row[group - 1] + group * row[group] for group in range(1, groups + 1))]
    return row[groups]


def ways_floating(categories: int, groups: int) -> int:
    """As `ways_ordinal`, with one of the categories free to join any group or to stand alone."""
    alone = comb(categories - 2, groups - 2) if groups >= 2 else 0
    return alone + groups * comb(categories - 2, groups - 1)

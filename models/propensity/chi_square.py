"""Pearson's chi-square test of tables of counts, and Kass's Bonferroni multipliers (Kass 1980).

A predictor whose categories may be merged freely finds a "significant" split sooner or later. Kass multiplies its p value by the
number of ways in which c categories can become r groups: neighbours only (ordinal), any categories (nominal), or neighbours
and one category that may join any group or form its own (floating: unknown values). Beyond Kass, the best of k predictors
had k chances, so its p value is multiplied by k too.
"""

from __future__ import annotations

from math import comb

import numpy as np
from scipy.special import chdtrc

from models.arrays import Floats


def p_value(tables: Floats) -> Floats:
    """P values, (...), of Pearson's test without continuity correction, for tables (..., categories, 2); 1 for a single category."""
    rows = tables.sum(axis=-1, keepdims=True)
    columns = tables.sum(axis=-2, keepdims=True)
    expected = rows * columns / np.maximum(rows.sum(axis=-2, keepdims=True), 1e-300)
    gaps = np.where(expected > 0, (tables - expected) ** 2 / np.where(expected > 0, expected, 1.0), 0.0)
    freedom = (rows[..., 0] > 0).sum(axis=-1) - 1
    p: Floats = chdtrc(np.maximum(freedom, 1), gaps.sum(axis=(-1, -2)))
    return np.where(freedom > 0, p, 1.0)


def chi_square(table: Floats) -> float:
    """Pearson's statistic of one table (categories, 2)."""
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    return float(((table - expected) ** 2 / np.where(expected > 0, expected, 1.0)).sum())


def ordinal_multiplier(categories: int, groups: int) -> int:
    """Number of ways to merge ordered categories into groups of neighbours."""
    return comb(categories - 1, groups - 1)


def nominal_multiplier(categories: int, groups: int) -> int:
    """Number of ways to merge any categories into groups: Stirling's number of the second kind."""
    row = [1] + [0] * groups
    for _ in range(categories):
        row = [0, *(row[group - 1] + group * row[group] for group in range(1, groups + 1))]
    return row[groups]


def floating_multiplier(categories: int, groups: int) -> int:
    """As `ordinal_multiplier`, with one of the categories free to join any group or to form its own."""
    own = comb(categories - 2, groups - 2) if groups >= 2 else 0
    return own + groups * comb(categories - 2, groups - 1)

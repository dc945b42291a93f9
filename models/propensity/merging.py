"""CHAID's merging of categories with similar outcomes, for all ordered columns at once.

The two neighbours that differ least are merged while the difference is not significant; unknown values have no neighbour
and may join any group or form a group alone. Groups of too few rows are merged in any case. The last two groups are kept, because
the split itself tests the difference. In a nominal column any two categories may merge; such columns are few and are
merged one by one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import chdtri

from models.arrays import Floats, Ints
from models.propensity.chi_square import p_value

_FIRST = 1e9  # puts pairs with too few rows before all others, and keeps the order among such pairs


class Merged(NamedTuple):
    """By column, (k,): present categories, groups left, p value of the table (not adjusted); and the group of each category.

    `label` is (k, categories + 1), -1 for an absent category; the last label of a row is that of unknown values.
    """

    categories: Ints
    groups: Ints
    p: Floats
    label: Ints


def merge_neighbours(known: Floats, unknown: Floats, alpha: float, rows_min: int) -> Merged:
    """Merge the ordered categories of k columns: `known` (k, width, 2) counts rows not taken and taken, `unknown` (k, 2)."""
    columns, width = known.shape[:2]
    present = known.sum(axis=2) > 0
    label = np.where(present, np.cumsum(present, axis=1) - 1, -1)
    sums = np.take_along_axis(known, np.argsort(~present, axis=1, kind="stable")[:, :, np.newaxis], axis=1)
    left, alone = present.sum(axis=1), unknown.sum(axis=1) > 0
    categories, joined = left + alone, np.full(columns, -1)
    critical, place = float(chdtri(1.0, alpha)), np.arange(width)
    while True:
        key = _keys(sums, unknown, left, alone, rows_min)
        best = np.argmin(key, axis=1)
        least = key[np.arange(columns), best]
        groups = left + alone
        merges = (groups > 1) & ((least < 0) | ((groups > 2) & (least < critical)))
        if not merges.any():
            break
        at = np.flatnonzero(merges & (best < width - 1))
        first = best[at]
        sums[at, first] += sums[at, first + 1]
        beyond = place > first[:, np.newaxis]
        sums[at] = np.take_along_axis(sums[at], np.minimum(place + beyond, width - 1)[:, :, np.newaxis], axis=1)
        sums[at, left[at] - 1] = 0.0
        label[at] -= label[at] > first[:, np.newaxis]
        joined[at] -= joined[at] > first
        left[at] -= 1
        at = np.flatnonzero(merges & (best >= width - 1))
        sums[at, best[at] - (width - 1)] += unknown[at]
        joined[at], alone[at] = best[at] - (width - 1), False
    whole = np.concatenate((sums, (unknown * alone[:, np.newaxis])[:, np.newaxis]), axis=1)
    return Merged(categories, left + alone, p_value(whole), np.column_stack((label, np.where(alone, left, joined))))


def merge_any(known: Floats, unknown: Floats, alpha: float, rows_min: int) -> Merged:
    """Merge the categories of one nominal column, `known` (1, width, 2); unknown values are a category like any other."""
    counts = np.concatenate((known[0], unknown), axis=0)
    groups = [[int(category)] for category in np.flatnonzero(counts.sum(axis=1))]
    categories, critical = len(groups), float(chdtri(1.0, alpha))
    while len(groups) > 1:
        sums = np.array([counts[group].sum(axis=0) for group in groups])
        one, other = np.triu_indices(len(groups), 1)
        key = _with_small(_statistic(sums[one], sums[other]), sums[one], sums[other], rows_min)
        best = int(np.argmin(key))
        if key[best] >= 0 and (len(groups) == 2 or key[best] >= critical):
            break
        groups[one[best]] += groups.pop(other[best])
    label = np.full(len(counts), -1)
    for number, group in enumerate(groups):
        label[group] = number
    p = p_value(np.array([counts[group].sum(axis=0) for group in groups]))
    return Merged(np.array([categories]), np.array([len(groups)]), np.atleast_1d(p), label[np.newaxis])


def _keys(sums: Floats, unknown: Floats, left: Ints, alone: Ints, rows_min: int) -> Floats:
    """Chi-square of each pair of groups, (k, 2 * width - 1): neighbours, then each group and unknown; infinite if there is no pair."""
    width = sums.shape[1]
    place, apart = np.arange(width), unknown[:, np.newaxis]
    beside = _with_small(_statistic(sums[:, :-1], sums[:, 1:]), sums[:, :-1], sums[:, 1:], rows_min)
    other = _with_small(_statistic(sums, apart), sums, apart, rows_min)
    beside = np.where(place[1:] < left[:, np.newaxis], beside, np.inf)
    other = np.where((place < left[:, np.newaxis]) & (alone[:, np.newaxis] > 0), other, np.inf)
    return np.concatenate((beside, other), axis=1)


def _statistic(one: Floats, other: Floats) -> Floats:
    """Pearson's statistic of the two-by-two tables of two groups, (...,) for counts (..., 2)."""
    a, b, c, d = one[..., 0], one[..., 1], other[..., 0], other[..., 1]
    below = (a + b) * (c + d) * (a + c) * (b + d)
    found: Floats = np.where(below > 0, (a + b + c + d) * (a * d - b * c) ** 2 / np.where(below > 0, below, 1.0), 0.0)
    return found


def _with_small(statistic: Floats, one: Floats, other: Floats, rows_min: int) -> Floats:
    small = np.minimum(one.sum(axis=-1), other.sum(axis=-1)) < rows_min
    keyed: Floats = np.where(small, statistic - _FIRST, statistic)
    return keyed

"""Merging all columns at once equals merging them one by one as Kass describes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.propensity import chi_square
from models.propensity.merging import merge_any, merge_neighbours


def by_the_book(known: NDArray[np.float64], unknown: NDArray[np.float64], alpha: float, rows_min: int) -> tuple[int, float]:
    """Groups left and p value of one column, by Kass's description: the pair with the largest p value is merged first."""
    groups = [row for row in known if row.sum() > 0]
    alone = [unknown] if unknown.sum() > 0 else []
    while len(groups) + len(alone) > 1:
        pairs = [(i, i + 1) for i in range(len(groups) - 1)] + [(i, len(groups)) for i in range(len(groups)) if alone]
        every = groups + alone
        p = [float(chi_square.p_value(np.array([every[i], every[j]]))) for i, j in pairs]
        small = [min(every[i].sum(), every[j].sum()) < rows_min for i, j in pairs]
        best = max(range(len(pairs)), key=lambda at: (small[at], p[at]))
        if not small[best] and (len(every) == 2 or p[best] <= alpha):
            break
        i, j = pairs[best]
        groups[i] = every[i] + every[j]
        if j == len(groups):
            alone = []
        else:
            del groups[j]
    every = groups + alone
    return len(every), float(chi_square.p_value(np.array(every))) if every else 1.0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), width=st.integers(1, 7), scale=st.sampled_from([3, 30, 300]), rows_min=st.sampled_from([1, 20]))
def test_all_at_once_is_one_by_one(seed: int, width: int, scale: int, rows_min: int) -> None:
    draws = np.random.default_rng(seed)
    likely = draws.choice([0.2, 0.3, 0.6], (8, width + 1, 1))
    rows = draws.integers(0, scale, (8, width + 1, 1)) * (draws.random((8, width + 1, 1)) < 0.8)
    taken = draws.binomial(rows, likely)
    counts = np.concatenate((rows - taken, taken), axis=2).astype(np.float64)
    merged = merge_neighbours(counts[:, :-1], counts[:, -1], 0.05, rows_min)
    for column in range(8):
        groups, p = by_the_book(counts[column, :-1], counts[column, -1], 0.05, rows_min)
        assert merged.groups[column] == groups
        assert np.isclose(merged.p[column], p, atol=1e-9)
        labels = set(merged.label[column].tolist()) - {-1}
        assert labels == set(range(groups))
        summed = np.array([counts[column][merged.label[column] == label].sum(axis=0) for label in sorted(labels)])
        assert np.isclose(float(chi_square.p_value(summed)) if groups else 1.0, p, atol=1e-9)


def test_any_may_join_any() -> None:
    counts = np.array([[[80, 20], [20, 80], [79, 21], [22, 78]]], np.float64)
    merged = merge_any(counts, np.array([[81.0, 19.0]]), 0.05, 1)
    assert merged.groups.tolist() == [2]
    assert merged.label.tolist() == [[0, 1, 0, 1, 0]]

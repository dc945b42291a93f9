"""Frequent itemsets: pairs by a sparse matrix product, larger sets by bitsets.

The baskets of an item are a bitset; the baskets of a set are the AND of the bitsets of its items, its support the number of bits left.
mlxtend's FP-growth finds the same sets and is the reference in the tests. It is not used here because it keeps a tree of Python objects:
six times as long on the Groceries baskets, ten times as long and twice the memory on 10^7 rows. Pairs are most of the work at that size,
and the sparse product only touches items that are in a basket.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.errors import ModelsError
from models.history.derived import Baskets

LENGTH_MAX = 10  # the default of arules
SETS_MAX = 2_000_000

Bits = NDArray[np.uint64]


class PatternError(ModelsError):
    """Patterns cannot be mined from this input; the message names the reason and the remedy."""


class Itemsets(NamedTuple):
    """Frequent sets: indices into `items` (ascending) -> number of baskets that hold all of them; `total` baskets in all."""

    counts: Mapping[tuple[int, ...], int]
    items: tuple[str, ...]
    total: int


def frequent_itemsets(baskets: Baskets, support: float, length_max: int = LENGTH_MAX) -> Itemsets:
    """Sets of at most `length_max` items that are in at least the share `support` of the baskets.

    Raises PatternError if `support` is not above 0 and at most 1, if there is no basket, or if there are more than SETS_MAX sets.
    """
    if not 0 < support <= 1:
        raise PatternError(f"support {support} is not a share: give a number above 0 and at most 1")
    if not baskets.total:
        raise PatternError("there is no basket")
    count_min = support * baskets.total - 1e-9  # a support of exactly n baskets must not fail by rounding
    holds = sparse.csr_matrix(
        (np.ones(len(baskets.rows), dtype=np.int32), (baskets.rows, baskets.columns)), shape=(baskets.total, len(baskets.items))
    )
    holds.data[:] = 1  # an item that is in a basket twice counts once
    together = sparse.triu((holds.T @ holds).tocsr(), format="coo") if len(baskets.items) else holds.tocoo()
    enough = together.data >= count_min
    left, right, count = together.row[enough], together.col[enough], together.data[enough]
    counts: dict[tuple[int, ...], int] = {
        (int(a),) if a == b else (int(a), int(b)): int(n) for a, b, n in zip(left, right, count, strict=True)
    }
    if length_max < 2:
        counts = {items: n for items, n in counts.items() if len(items) <= length_max}
    elif length_max > 2:
        _grow_pairs(holds.tocsc(), counts, count_min, length_max)
    return Itemsets(counts, baskets.items, baskets.total)


def sample_baskets(baskets: Baskets, rows: int, seed: int) -> Baskets | None:
    """Random sample of whole baskets with about `rows` rows, as many as the decision is worth; None for 0 rows."""
    if rows <= 0:
        return None
    if rows >= len(baskets.rows):
        return baskets
    drawn = np.random.default_rng(seed).permutation(baskets.total)
    sizes = np.bincount(baskets.rows, minlength=baskets.total)[drawn]
    taken = drawn[: max(1, int(np.searchsorted(np.cumsum(sizes), rows, side="right")))]
    place = np.full(baskets.total, -1)
    place[taken] = np.arange(len(taken))
    kept = place[baskets.rows] >= 0
    return Baskets(place[baskets.rows[kept]].astype(np.int64), baskets.columns[kept], baskets.items, len(taken), baskets.rare)


def _grow_pairs(holds: sparse.csc_matrix, counts: dict[tuple[int, ...], int], count_min: float, length_max: int) -> None:
    """Add all larger sets: for each item, over the items that form a frequent pair with it."""
    partners: dict[int, list[int]] = {}
    for pair in counts:
        if len(pair) == 2:
            partners.setdefault(pair[0], []).append(pair[1])
    needed = sorted({item for first, others in partners.items() if len(others) > 1 for item in (first, *others)})
    place = {item: number for number, item in enumerate(needed)}
    bits = np.stack([_bits(holds, item) for item in needed]) if needed else np.zeros((0, 0), dtype=np.uint64)
    for first, others in partners.items():
        if len(others) > 1:
            others.sort()
            meets = bits[[place[other] for other in others]] & bits[place[first]]
            _grow((first,), others, meets, counts, count_min, length_max)


def _grow(
    prefix: tuple[int, ...], others: list[int], meets: Bits, counts: dict[tuple[int, ...], int], count_min: float, length_max: int
) -> None:
    """Add the sets that begin with `prefix` and hold two or more of `others`; `meets[i]` are the baskets of `prefix` and `others[i]`."""
    for index, item in enumerate(others[:-1]):
        both = meets[index + 1 :] & meets[index]
        found = np.bitwise_count(both).sum(axis=1, dtype=np.int64)
        enough = np.flatnonzero(found >= count_min)
        longer = (*prefix, item)
        kept = [others[index + 1 + int(other)] for other in enough]
        for other, count in zip(kept, found[enough], strict=True):
            counts[*longer, other] = int(count)
        if len(counts) > SETS_MAX:
            raise PatternError(f"more than {SETS_MAX} frequent sets: raise the support")
        if len(kept) > 1 and len(longer) + 2 <= length_max:
            _grow(longer, kept, both[enough], counts, count_min, length_max)


def _bits(holds: sparse.csc_matrix, item: int) -> Bits:
    baskets = holds.indices[holds.indptr[item] : holds.indptr[item + 1]]
    present = np.zeros((holds.shape[0] + 63) // 64 * 64, dtype=bool)
    present[baskets] = True
    return np.packbits(present, bitorder="little").view(np.uint64)

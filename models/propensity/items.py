"""Item-item collaborative filtering on implicit feedback: a subject took an item or did not.

The similarity of two items is the cosine of two columns of the subject-item matrix, shrunk to zero for items with few
common subjects. A subject's score of an item is the sum of its similarities to the subject's items. Only the nearest
neighbours of an item are kept, so the model is small.

`hit_rate` is the share of subjects that later take one of the first ten items by score, beside the same for items ordered by
popularity, a strong baseline in a supermarket. An item is most similar to itself, so repeat purchases are among the hits;
`new_only` leaves repeats out, which is harder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gateway.core import limits
from gateway.core.attributes.groups import Basket
from models.arrays import Floats, Ints
from models.groups import GroupError
from models.measures import Interval, interval
from models.propensity.training_set import TrainingError

SHRINKAGE = 20.0
NEIGHBOURS_MAX = 400
FIRST = 10
SUBJECTS_MIN = 20
DRAWS = 1_000
BASKET = "together"


class Hits(msgspec.Struct, frozen=True):
    """Hit rates over `subjects`: by item similarity, by popularity, and the difference, each with its 95 % interval."""

    subjects: int
    by_items: Interval
    by_popularity: Interval
    difference: Interval


class ItemItem:
    """The model: `fit` on pairs of subject and item numbers, `scores` for the items that subjects have."""

    def __init__(self, shrinkage: float = SHRINKAGE, neighbours_max: int = NEIGHBOURS_MAX) -> None:
        self._shrinkage, self._neighbours_max = shrinkage, neighbours_max
        self._alike: sparse.csr_array

    def fit(self, subjects: Ints, items: Ints, count: int) -> Self:
        """Fit to pairs (subjects, items), both (n,); items are numbered below `count`. Raises TrainingError if there is no pair."""
        if not len(items):
            raise TrainingError("no subject took any item: there are no similarities")
        taken = interaction_matrix(subjects, items, int(subjects.max()) + 1, count)
        together = (taken.T @ taken).tocoo()
        takers = np.asarray(taken.sum(axis=0), np.float64)
        row, column, both = together.row, together.col, together.data.astype(np.float64)
        cosine = both / np.sqrt(takers[row] * takers[column])
        alike = sparse.csr_array((cosine * both / (both + self._shrinkage), (row, column)), shape=(count, count))
        self._alike = _nearest(alike, self._neighbours_max)
        return self

    def similarity(self, one: int, other: int) -> float:
        """Similarity of two items, 0 to 1."""
        return float(self._alike[one, other])

    def scores(self, has: sparse.csr_array) -> Floats:
        """Scores (subjects, items) for a 0/1 matrix (subjects, items) of the items that each subject has."""
        scores: Floats = (has @ self._alike.T).toarray().astype(np.float64)
        return scores


def define_basket(subjects: Ints, items: Ints, categories: Sequence[str], attributes: Mapping[str, str]) -> Basket:
    """Similarities of offer categories for a gateway, from pairs (subjects, items), both (n,); items are positions in `categories`.

    `attributes` names the attribute of a person that counts the purchases of a category. Only similarities of at least GROUP_SUBJECTS_MIN
    common subjects are kept, and none of a category to itself, which its own attribute states. Raises GroupError if none is left.
    """
    model = ItemItem().fit(subjects, items, len(categories))
    taken = interaction_matrix(subjects, items, int(subjects.max()) + 1, len(categories))
    together = (taken.T @ taken).toarray()
    weights: dict[str, dict[str, float]] = {}
    for one, category in enumerate(categories):
        near = {
            attributes[other]: model.similarity(one, at)
            for at, other in enumerate(categories)
            if at != one and other in attributes and together[one, at] >= limits.GROUP_SUBJECTS_MIN
        }
        if near:
            weights[category] = near
    if not weights:
        raise GroupError(f"no two categories were bought by {limits.GROUP_SUBJECTS_MIN} people: no similarities are defined")
    return Basket(BASKET, weights)


def interaction_matrix(subjects: Ints, items: Ints, people: int, count: int) -> sparse.csr_array:
    """The 0/1 matrix (people, items) of pairs (n,), numbered from 0; a pair may occur several times."""
    pairs = np.unique(np.stack((subjects, items)), axis=1)
    return sparse.csr_array((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), shape=(people, count))


def hit_rate(
    subjects: Ints, items: Ints, times: Ints, *, seed: int, new_only: bool = False, folds: int = 5, past: float = 0.7, first: int = FIRST
) -> Hits:
    """Hit rates by similarity and by popularity, split by subject and by time; intervals by bootstrap over subjects.

    `subjects`, `items` and `times` are (n,). Each fold fits similarities to the past of some subjects (the first `past` of the
    times) and tests the others: from past items, the `first` by score should hold one later item. With `new_only`,
    past items are neither proposed nor hits. Raises TrainingError if there are fewer than SUBJECTS_MIN subjects or
    none can be tested.
    """
    people, count = int(subjects.max()) + 1, int(items.max()) + 1
    if people < SUBJECTS_MIN:
        raise TrainingError(f"{people} subjects are too few to train on some and test on others: at least {SUBJECTS_MIN} are needed")
    early = times <= np.quantile(times, past)
    has = interaction_matrix(subjects[early], items[early], people, count)
    later = interaction_matrix(subjects[~early], items[~early], people, count).toarray() > 0
    if new_only:
        later &= has.toarray() == 0
    tested = (np.diff(has.indptr) > 0) & later.any(axis=1)
    fold_of = np.random.default_rng(seed).permutation(people) % folds
    hits: list[NDArray[np.bool_]] = []
    for fold in range(folds):
        train, test = np.flatnonzero(fold_of != fold), np.flatnonzero((fold_of == fold) & tested)
        known = has[train]
        takers, taken = known.nonzero()
        model = ItemItem().fit(takers.astype(np.int64), taken.astype(np.int64), count)
        popular = np.broadcast_to(np.asarray(known.sum(axis=0), np.float64), (len(test), count))
        had = has[test].toarray() > 0 if new_only else np.zeros((len(test), count), bool)
        scores = model.scores(has[test]) + popular * 1e-9  # popularity orders items of equal score
        hits.append(np.stack([_hit(np.where(had, -np.inf, way), later[test], first) for way in (scores, popular)], axis=1))
    return _summed(np.concatenate(hits).astype(np.float64), seed)


def _hit(scores: Floats, later: NDArray[np.bool_], first: int) -> NDArray[np.bool_]:
    """Whether one of the `first` items by score was taken later, (subjects,)."""
    proposed = np.argsort(-scores, axis=1, kind="stable")[:, :first]
    found: NDArray[np.bool_] = np.any(np.take_along_axis(later, proposed, axis=1), axis=1)
    return found


def _summed(hits: Floats, seed: int) -> Hits:
    if not len(hits):
        raise TrainingError("no subject took an item after the cutoff that could be tested")
    draws = np.random.default_rng(seed)
    drawn = np.stack([hits[draws.integers(len(hits), size=len(hits))].mean(axis=0) for _ in range(DRAWS)])
    whole, gap = hits.mean(axis=0), drawn[:, 0] - drawn[:, 1]
    return Hits(len(hits), interval(whole[0], drawn[:, 0]), interval(whole[1], drawn[:, 1]), interval(whole[0] - whole[1], gap))


def _nearest(alike: sparse.csr_array, count: int) -> sparse.csr_array:
    """The matrix with only the `count` most similar neighbours of each item."""
    order = np.lexsort((-alike.data, np.repeat(np.arange(alike.shape[0]), np.diff(alike.indptr))))
    rank = np.arange(len(order)) - np.repeat(alike.indptr[:-1], np.diff(alike.indptr))
    kept = order[rank < count]
    rows = np.repeat(np.arange(alike.shape[0]), np.diff(alike.indptr))[kept]
    return sparse.csr_array((alike.data[kept], (rows, alike.indices[kept])), shape=alike.shape)

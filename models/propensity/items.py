"""Item-item filtering: who took this also took that, from what people did rather than from stars they gave.

Implicit feedback: a subject took an item or did not. Two items are alike by the cosine of who took them, and the cosine of
two items that hardly anybody took together is drawn to zero (shrinkage): one shared buyer is an accident. A subject's score
of an item is the sum of its likenesses to what they have. Only items that lie near are kept, so the model is small.

`hit_rate` asks the question that matters: do people later take one of the first ten? Against it stands popularity, which is
hard to beat in a supermarket: everybody buys milk. An item is most like itself, so "the same again" is among the answers;
`new_only` asks for what people never had, which is the harder question.
"""

from __future__ import annotations

from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.arrays import Floats, Ints
from models.measures import Interval, interval
from models.propensity.training_set import TrainingError

SHRINKAGE = 20.0
NEIGHBOURS_MAX = 400
FIRST = 10
SUBJECTS_MIN = 20
DRAWS = 1_000


class Hits(msgspec.Struct, frozen=True):
    """Of `subjects` people, the share who later took one of the first ten: by items, by popularity, and the difference."""

    subjects: int
    by_items: Interval
    by_popularity: Interval
    difference: Interval


class ItemItem:
    """`fit` on pairs of subject and item numbers; `scores` for what people have."""

    def __init__(self, shrinkage: float = SHRINKAGE, neighbours_max: int = NEIGHBOURS_MAX) -> None:
        self._shrinkage, self._neighbours_max = shrinkage, neighbours_max
        self._alike: sparse.csr_array

    def fit(self, subjects: Ints, items: Ints, count: int) -> Self:
        """Learn from who took what; `count` is how many items there are."""
        if not len(items):
            raise TrainingError("no subject took any item: nothing is alike")
        taken = taken_by(subjects, items, int(subjects.max()) + 1, count)
        together = (taken.T @ taken).tocoo()
        takers = np.asarray(taken.sum(axis=0), np.float64)
        row, column, both = together.row, together.col, together.data.astype(np.float64)
        cosine = both / np.sqrt(takers[row] * takers[column])
        alike = sparse.csr_array((cosine * both / (both + self._shrinkage), (row, column)), shape=(count, count))
        self._alike = _nearest(alike, self._neighbours_max)
        return self

    def alike(self, one: int, other: int) -> float:
        """How alike two items are, 0..1."""
        return float(self._alike[one, other])

    def scores(self, has: sparse.csr_array) -> Floats:
        """Scores (subjects, items) for a 0/1 matrix of what each subject has."""
        scores: Floats = (has @ self._alike.T).toarray().astype(np.float64)
        return scores


def taken_by(subjects: Ints, items: Ints, people: int, count: int) -> sparse.csr_array:
    """The 0/1 matrix (people, items) of numbers from 0; taking twice is taking."""
    pairs = np.unique(np.stack((subjects, items)), axis=1)
    return sparse.csr_array((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), shape=(people, count))


def hit_rate(
    subjects: Ints, items: Ints, times: Ints, *, seed: int, new_only: bool = False, folds: int = 5, past: float = 0.7, first: int = FIRST
) -> Hits:
    """Hit rate by items and by popularity, split by subject and by time; intervals come from drawing subjects anew.

    Likeness is learnt from the past of some subjects. Of the others, the past is what they have, and what they took later is
    what the `first` should hold; with `new_only` things they had before neither are proposed nor count.
    """
    people, count = int(subjects.max()) + 1, int(items.max()) + 1
    if people < SUBJECTS_MIN:
        raise TrainingError(f"{people} subjects are too few to learn from some and ask others: at least {SUBJECTS_MIN} are needed")
    early = times <= np.quantile(times, past)
    has = taken_by(subjects[early], items[early], people, count)
    later = taken_by(subjects[~early], items[~early], people, count).toarray() > 0
    if new_only:
        later &= has.toarray() == 0
    asked = (np.diff(has.indptr) > 0) & later.any(axis=1)
    fold_of = np.random.default_rng(seed).permutation(people) % folds
    hits: list[NDArray[np.bool_]] = []
    for fold in range(folds):
        learn, judge = np.flatnonzero(fold_of != fold), np.flatnonzero((fold_of == fold) & asked)
        known = has[learn]
        takers, taken = known.nonzero()
        model = ItemItem().fit(takers.astype(np.int64), taken.astype(np.int64), count)
        popular = np.broadcast_to(np.asarray(known.sum(axis=0), np.float64), (len(judge), count))
        had = has[judge].toarray() > 0 if new_only else np.zeros((len(judge), count), bool)
        # Where likeness knows nothing it falls back on popularity, as anything that proposes ten things must.
        scores = model.scores(has[judge]) + popular * 1e-9
        hits.append(np.stack([_hit(np.where(had, -np.inf, way), later[judge], first) for way in (scores, popular)], axis=1))
    return _summed(np.concatenate(hits).astype(np.float64), seed)


def _hit(scores: Floats, later: NDArray[np.bool_], first: int) -> NDArray[np.bool_]:
    """Whether one of the `first` by score was taken later, by subject."""
    proposed = np.argsort(-scores, axis=1, kind="stable")[:, :first]
    found: NDArray[np.bool_] = np.any(np.take_along_axis(later, proposed, axis=1), axis=1)
    return found


def _summed(hits: Floats, seed: int) -> Hits:
    if not len(hits):
        raise TrainingError("nobody took anything that could be judged after the cutoff")
    draws = np.random.default_rng(seed)
    drawn = np.stack([hits[draws.integers(len(hits), size=len(hits))].mean(axis=0) for _ in range(DRAWS)])
    whole, gap = hits.mean(axis=0), drawn[:, 0] - drawn[:, 1]
    return Hits(len(hits), interval(whole[0], drawn[:, 0]), interval(whole[1], drawn[:, 1]), interval(whole[0] - whole[1], gap))


def _nearest(alike: sparse.csr_array, count: int) -> sparse.csr_array:
    """The strongest `count` neighbours of each item."""
    order = np.lexsort((-alike.data, np.repeat(np.arange(alike.shape[0]), np.diff(alike.indptr))))
    rank = np.arange(len(order)) - np.repeat(alike.indptr[:-1], np.diff(alike.indptr))
    kept = order[rank < count]
    rows = np.repeat(np.arange(alike.shape[0]), np.diff(alike.indptr))[kept]
    return sparse.csr_array((alike.data[kept], (rows, alike.indices[kept])), shape=alike.shape)

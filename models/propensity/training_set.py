"""A history as arrays, and the only ways in which it is split: nobody stands on both sides.

Twenty rows of one person resemble each other, so a model that has met the person forecasts the rest of them too well. Every
split therefore goes by people (`groups`), and where the rows have times also by time: learn from some people's past, judge by
other people's future. A split that breaks this is a fault that says how many people it shows to both sides.

What a table cannot teach is said before anything is trained: too few rows, one outcome only, more columns than may be
declared. What it can teach badly is a remark with its count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from models.arrays import Floats, Ints, Rows
from models.errors import ModelsError

ROWS_MIN = 200  # fewer, and folds hold too few rows of a class to say anything
PEOPLE_MIN = 10
OF_A_CLASS_MIN = 10
ATTRIBUTES_MAX = 1_000
FOLDS = 5
PAST = 0.7  # share of the rows that a split by time learns from


class TrainingError(ModelsError):
    """The history cannot teach anything; the text says why."""


class SplitError(ModelsError):
    """A split shows the same people to the model and to its judge; the text says how many."""


class TrainingSet(NamedTuple):
    """Rows that go together: features (n, k) with NaN for unknown, outcome 0/1, person; and where known time and segment.

    `withheld` are the same rows with some knowledge silent. A model learns from both, so that what a street does not
    know has a measured effect; it is judged by the rows as they are.
    """

    rows: Rows
    taken: Ints
    groups: Ints
    times: Ints | None = None
    segments: Ints | None = None
    names: tuple[str, ...] = ()
    withheld: Rows | None = None

    def take(self, index: Ints) -> TrainingSet:
        """The rows at `index`."""
        return self._replace(
            rows=self.rows[index],
            taken=self.taken[index],
            groups=self.groups[index],
            times=None if self.times is None else self.times[index],
            segments=None if self.segments is None else self.segments[index],
            withheld=None if self.withheld is None else self.withheld[index],
        )

    def shown(self) -> TrainingSet:
        """What a model learns from: the rows and, below them, the same with knowledge withheld."""
        if self.withheld is None:
            return self
        twice = self.take(np.tile(np.arange(len(self.taken)), 2))
        return twice._replace(rows=np.vstack((self.rows, self.withheld)), withheld=None)

    @property
    def people(self) -> int:
        """How many there are."""
        return len(np.unique(self.groups))

    def with_dummies(self) -> tuple[TrainingSet, tuple[int, ...]]:
        """The training set with one 0/1 column a segment added, and where those columns are."""
        if self.segments is None:
            return self, ()
        known = np.unique(self.segments)
        dummies = (self.segments[:, np.newaxis] == known).astype(np.float32)
        width = self.rows.shape[1]
        wider = self._replace(
            rows=np.hstack((self.rows, dummies)),
            withheld=None if self.withheld is None else np.hstack((self.withheld, dummies)),
            names=(*self.names, *(f"segment_{segment}" for segment in known)),
        )
        return wider, tuple(range(width, width + len(known)))


def training_set_of_columns(
    columns: dict[str, NDArray[np.float32]], names: Sequence[str], taken: Ints, groups: Ints, times: Ints | None = None
) -> TrainingSet:
    """A training set from named columns, in the order of `names`; `TrainingError` names those that are missing, with their count."""
    if missing := [name for name in names if name not in columns]:
        raise TrainingError(f"{len(missing)} of {len(names)} columns are missing: {', '.join(missing)[:300]}")
    rows = np.stack([columns[name] for name in names], axis=1).astype(np.float32)
    return TrainingSet(rows, taken.astype(np.int64), groups.astype(np.int64), times, names=tuple(names))


def checked(data: TrainingSet) -> tuple[TrainingSet, tuple[str, ...]]:
    """The training set with infinite values as unknown, and remarks on it; `TrainingError` when it cannot teach anything."""
    _refuse(data)
    rows, people = len(data.taken), data.people
    width = data.rows.shape[1]
    infinite = int(np.isinf(data.rows).sum())
    unknown = np.isnan(data.rows).all(axis=0)
    varied = _varies(data.rows)
    remarks = (
        (infinite, f"{infinite} infinite values are read as unknown"),
        (int(unknown.sum()), f"{int(unknown.sum())} of {width} columns are unknown in every row: the model will pay them no heed"),
        (int((~varied & ~unknown).sum()), f"{int((~varied & ~unknown).sum())} of {width} columns have the same value in every row"),
        (width * 10 > rows, f"{width} columns on {rows} rows of {people} people: fewer than ten rows a column, so expect chance findings"),
        (rows == people, f"every one of {rows} rows counts as a person of its own: if people recur here, the figures are too kind"),
    )
    finite = data._replace(rows=np.where(np.isinf(data.rows), np.float32(np.nan), data.rows))
    return finite, tuple(text for holds, text in remarks if holds)


def _refuse(data: TrainingSet) -> None:
    rows, width = len(data.taken), data.rows.shape[1]
    if {len(data.rows), len(data.groups)} != {rows}:
        raise TrainingError(f"{len(data.rows)} rows, {rows} outcomes and {len(data.groups)} people do not belong together")
    if unknown := sorted(set(np.unique(data.taken).tolist()) - {0, 1}):
        raise TrainingError(f"an outcome is 0 or 1, and this table also has {', '.join(map(str, unknown[:5]))}")
    if not 1 <= width <= ATTRIBUTES_MAX:
        raise TrainingError(f"{width} columns: from 1 to {ATTRIBUTES_MAX} attributes can be declared")
    if rows < ROWS_MIN or data.people < PEOPLE_MIN:
        raise TrainingError(
            f"{rows} usable rows of {data.people} respondents are too few: at least {ROWS_MIN} rows of {PEOPLE_MIN} respondents are needed"
        )
    if not len(alive(data.rows)):
        raise TrainingError(f"none of {width} columns varies: there is nothing to go by")
    positives = int(data.taken.sum())
    if min(positives, rows - positives) == 0:
        raise TrainingError(f"every one of {rows} rows has the same outcome: there is nothing to tell apart")
    if min(positives, rows - positives) < OF_A_CLASS_MIN:
        raise TrainingError(f"{positives} of {rows} rows were taken: at least {OF_A_CLASS_MIN} of either outcome are needed")


def _varies(rows: Rows) -> NDArray[np.bool_]:
    """Whether a column has two known values that differ."""
    finite = np.isfinite(rows)
    low = np.where(finite, rows, np.inf).min(axis=0)
    high = np.where(finite, rows, -np.inf).max(axis=0)
    varied: NDArray[np.bool_] = low < high
    return varied


def alive(rows: Rows) -> Ints:
    """The columns that can teach something: two known values that differ, or some known and some unknown."""
    unknown = np.isnan(rows)
    mixed = unknown.any(axis=0) & ~unknown.all(axis=0)
    return np.flatnonzero(_varies(rows) | mixed)


def check_split(groups: Ints, train: Ints, test: Ints) -> None:
    """`SplitError` when anybody stands on both sides."""
    if both := len(np.intersect1d(groups[train], groups[test])):
        raise SplitError(f"{both} of {len(np.unique(groups))} people stand on both sides of the split: split by person")


def folds(data: TrainingSet, count: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Rows to learn from and rows to judge by. Everybody is in exactly one judging part; with times only their later rows are judged."""
    late = None if data.times is None else data.times > np.quantile(data.times, PAST)
    for train, test in GroupKFold(count, shuffle=True, random_state=seed).split(data.rows, groups=data.groups):
        kept = (train, test) if late is None else (train[~late[train]], test[late[test]])
        check_split(data.groups, *kept)
        yield kept


def log_loss(taken: Ints, log_odds: Floats) -> float:
    """The mean of -log(probability of what happened), from log-odds, without rounding where it is sure."""
    return float(np.mean(np.logaddexp(0.0, np.where(taken == 1, -log_odds, log_odds))))


def probability(log_odds: Floats) -> Floats:
    """What log-odds mean."""
    likely: Floats = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -700.0, 700.0)))
    return likely

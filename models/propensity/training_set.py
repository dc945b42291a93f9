"""Training sets as arrays, and splits by subject.

The rows of one subject resemble each other, so a model fitted to a part forecasts the others too well. Every split
therefore keeps a subject on one side, and if the rows have times, it trains on the past and tests on the future.

A training set that cannot be used is refused before training: too few rows, a single outcome, more columns than may be
declared. Weaknesses are remarks with counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from gateway.core import limits
from models.arrays import Floats, Ints, Rows
from models.errors import ModelsError
from models.inputs import Inputs

ROWS_MIN = 200  # with fewer, folds have too few rows of a class
PEOPLE_MIN = 10
OF_A_CLASS_MIN = 10
FOLDS = 5
PAST = 0.7  # share of the rows that a split by time trains on


class TrainingError(ModelsError):
    """The training set cannot be used; the message names the reason."""


class SplitError(ModelsError):
    """A split has some subjects on both sides; the message has the number."""


class TrainingSet(NamedTuple):
    """Features (n, k) with NaN for unknown, outcomes 0/1 (n,), subject numbers (n,); times in ms and segments (n,) if known.

    `masked` are the same rows with more values unknown (see `masking`): models are fitted to both and tested on `rows`.
    """

    rows: Rows
    taken: Ints
    groups: Ints
    times: Ints | None = None
    segments: Ints | None = None
    names: tuple[str, ...] = ()
    masked: Rows | None = None
    inputs: Inputs | None = None

    def take(self, index: Ints) -> TrainingSet:
        """The training set of the rows at `index`."""
        return self._replace(
            rows=self.rows[index],
            taken=self.taken[index],
            groups=self.groups[index],
            times=None if self.times is None else self.times[index],
            segments=None if self.segments is None else self.segments[index],
            masked=None if self.masked is None else self.masked[index],
        )

    def augmented(self) -> TrainingSet:
        """The rows and, below, the masked versions, (2 n, k); models are fitted to this."""
        if self.masked is None:
            return self
        twice = self.take(np.tile(np.arange(len(self.taken)), 2))
        return twice._replace(rows=np.vstack((self.rows, self.masked)), masked=None)

    @property
    def people(self) -> int:
        """Number of subjects."""
        return len(np.unique(self.groups))

    def with_dummies(self) -> tuple[TrainingSet, tuple[int, ...]]:
        """The training set with one 0/1 column a segment added, and the numbers of these columns."""
        if self.segments is None:
            return self, ()
        known = np.unique(self.segments)
        dummies = (self.segments[:, np.newaxis] == known).astype(np.float32)
        width = self.rows.shape[1]
        wider = self._replace(
            rows=np.hstack((self.rows, dummies)),
            masked=None if self.masked is None else np.hstack((self.masked, dummies)),
            names=(*self.names, *(f"segment_{segment}" for segment in known)),
        )
        return wider, tuple(range(width, width + len(known)))


def training_set_of_columns(
    columns: dict[str, NDArray[np.float32]], names: Sequence[str], taken: Ints, groups: Ints, times: Ints | None = None
) -> TrainingSet:
    """A training set from named columns, (n,), in the order of `names`. Raises TrainingError naming missing columns."""
    if missing := [name for name in names if name not in columns]:
        raise TrainingError(f"{len(missing)} of {len(names)} columns are missing: {', '.join(missing)[:300]}")
    rows = np.stack([columns[name] for name in names], axis=1).astype(np.float32)
    return TrainingSet(rows, taken.astype(np.int64), groups.astype(np.int64), times, names=tuple(names))


def validated(data: TrainingSet) -> tuple[TrainingSet, tuple[str, ...]]:
    """The training set with infinite values as unknown, and remarks on its weaknesses. Raises TrainingError if it cannot be used."""
    _refuse(data)
    rows, people = len(data.taken), data.people
    width = data.rows.shape[1]
    infinite = int(np.isinf(data.rows).sum())
    unknown = np.isnan(data.rows).all(axis=0)
    varied = _varies(data.rows)
    remarks = (
        (infinite, f"{infinite} infinite values are read as unknown"),
        (int(unknown.sum()), f"{int(unknown.sum())} of {width} columns are unknown in every row: the model does not use them"),
        (int((~varied & ~unknown).sum()), f"{int((~varied & ~unknown).sum())} of {width} columns have the same value in every row"),
        (width * 10 > rows, f"{width} columns on {rows} rows of {people} people: fewer than ten rows a column, so expect chance findings"),
        (rows == people, f"each of {rows} rows counts as a person of its own: if people recur here, the figures are too optimistic"),
    )
    finite = data._replace(rows=np.where(np.isinf(data.rows), np.float32(np.nan), data.rows))
    return finite, tuple(text for holds, text in remarks if holds)


def _refuse(data: TrainingSet) -> None:
    rows, width = len(data.taken), data.rows.shape[1]
    if {len(data.rows), len(data.groups)} != {rows}:
        raise TrainingError(f"{len(data.rows)} rows, {rows} outcomes and {len(data.groups)} people do not belong together")
    if unknown := sorted(set(np.unique(data.taken).tolist()) - {0, 1}):
        raise TrainingError(f"an outcome is 0 or 1, and this table also has {', '.join(map(str, unknown[:5]))}")
    if not 1 <= width <= limits.COLUMNS_MAX:
        raise TrainingError(
            f"{width:,} columns, one a value of a category: a model has from 1 to {limits.COLUMNS_MAX:,}; leave attributes out by --drop"
        )
    if rows < ROWS_MIN or data.people < PEOPLE_MIN:
        raise TrainingError(
            f"{rows} usable rows of {data.people} respondents are too few: at least {ROWS_MIN} rows of {PEOPLE_MIN} respondents are needed"
        )
    if not len(informative_columns(data.rows)):
        raise TrainingError(f"none of {width} columns varies: a model has nothing to use")
    positives = int(data.taken.sum())
    if min(positives, rows - positives) == 0:
        raise TrainingError(f"all {rows} rows have the same outcome: a model needs both")
    if min(positives, rows - positives) < OF_A_CLASS_MIN:
        raise TrainingError(f"{positives} of {rows} rows were taken: at least {OF_A_CLASS_MIN} of either outcome are needed")


def _varies(rows: Rows) -> NDArray[np.bool_]:
    """Whether each column has two known values that differ, (k,)."""
    finite = np.isfinite(rows)
    low = np.where(finite, rows, np.inf).min(axis=0)
    high = np.where(finite, rows, -np.inf).max(axis=0)
    varied: NDArray[np.bool_] = low < high
    return varied


def informative_columns(rows: Rows) -> Ints:
    """Numbers of the columns with two known values that differ, or with known and unknown values."""
    unknown = np.isnan(rows)
    mixed = unknown.any(axis=0) & ~unknown.all(axis=0)
    return np.flatnonzero(_varies(rows) | mixed)


def check_split(groups: Ints, train: Ints, test: Ints) -> None:
    """Raise SplitError if a subject has rows both in `train` and in `test`; `groups` numbers the subject of each row."""
    if both := len(np.intersect1d(groups[train], groups[test])):
        raise SplitError(f"{both} of {len(np.unique(groups))} people are on both sides of the split: split by person")


def folds(data: TrainingSet, count: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Row numbers to train on and to test on, for `count` folds by subject; with times, only later rows are tested."""
    late = None if data.times is None else data.times > np.quantile(data.times, PAST)
    for train, test in GroupKFold(count, shuffle=True, random_state=seed).split(data.rows, groups=data.groups):
        kept = (train, test) if late is None else (train[~late[train]], test[late[test]])
        check_split(data.groups, *kept)
        yield kept


def log_loss(taken: Ints, log_odds: Floats) -> float:
    """Mean log-loss of log-odds (n,), exact for probabilities near 0 and 1."""
    return float(np.mean(np.logaddexp(0.0, np.where(taken == 1, -log_odds, log_odds))))


def probability(log_odds: Floats) -> Floats:
    """Probabilities of log-odds, (n,)."""
    likely: Floats = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -700.0, 700.0)))
    return likely

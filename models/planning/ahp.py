"""Analytic hierarchy process (Saaty 1980): weights from pairwise comparisons, and the consistency of the comparisons.

Three estimates of the weights are shown side by side, because published work uses all three and these differ exactly when a judge is
inconsistent: the principal eigenvector, the geometric mean of each row, the mean of each row after normalising the columns. The
consistency ratio shows whether any of the three is reliable (below 0.1). A missing check is the commonest fault of published matrices, so
a matrix that fails is reported as inconsistent, with the three comparisons that contradict each other most.

Verbal judgements are vague. Buckley's fuzzy weights (1985) carry that through: the geometric mean of each row of triangular numbers,
divided by the sum of all rows. The fuzzy weight of a criterion is made one number by its centroid, (low + middle + high) / 3, and these are
scaled to sum to 1. Crisp judgements give the crisp row geometric mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.planning.judgements import Judgements
from models.planning.sheets import PlanningError

Floats = NDArray[np.float64]

CONSISTENT_BELOW = 0.1
SCALE_MAX = 9.0
# Mean consistency index of random reciprocal matrices of 1..10 criteria (Saaty 1980, table 2.1).
RANDOM_INDEX = (0.0, 0.0, 0.58, 0.90, 1.12, 1.24, 1.32, 1.41, 1.45, 1.49)
_RECIPROCAL_TOLERANCE = 0.05  # printed tables round reciprocals to two places


class Triad(msgspec.Struct, frozen=True):
    """Three comparisons that contradict each other: first against third is `stated`, by way of the second it is `implied`."""

    first: str
    second: str
    third: str
    stated: float
    implied: float


class MatrixWeights(msgspec.Struct, frozen=True):
    """Weights and consistency of one matrix. Weights are in the order of `criteria` and sum to 1."""

    criteria: tuple[str, ...]
    eigenvector: tuple[float, ...]
    row_geometric_mean: tuple[float, ...]
    column_mean: tuple[float, ...]
    lambda_max: float
    consistency_ratio: float
    worst: Triad | None

    @property
    def is_consistent(self) -> bool:
        """True if the consistency ratio allows the weights to be used."""
        return self.consistency_ratio < CONSISTENT_BELOW


class FuzzyWeights(msgspec.Struct, frozen=True):
    """Buckley's weights: a triangular number per criterion, and its centroid in `weights`, which sum to 1."""

    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]
    weights: tuple[float, ...]

    @property
    def is_crisp(self) -> bool:
        """True if no judgement was vague."""
        return self.low == self.high


class GroupWeights(msgspec.Struct, frozen=True):
    """Weights of each judge, and of the group by the geometric mean of the judges' matrices, cell by cell."""

    judges: tuple[MatrixWeights, ...]
    group: MatrixWeights
    fuzzy: FuzzyWeights


def comparison_matrix(judgements: Judgements) -> Floats:
    """Fuzzy reciprocal matrix (3, n, n), low, middle and high, from the upper triangles; the reciprocal of (l, m, u) is (1/u, 1/m, 1/l).

    Cells on or below the diagonal may be empty; otherwise they must be the reciprocals. Raises PlanningError, naming the cell, if a value
    is outside 1/9 to 9 or a reciprocal is wrong; also if rows and columns differ, or there are fewer than 2 or more than 10 criteria.
    """
    sheet = judgements.middle
    size = len(sheet.rows)
    if sheet.rows != sheet.columns:
        raise PlanningError("rows and columns must name the same criteria in the same order")
    if not 2 <= size <= len(RANDOM_INDEX):
        raise PlanningError(
            f"{size} criteria were given; a judge can compare 2 to {len(RANDOM_INDEX)}: build a hierarchy of smaller groups"
        )
    full = np.tile(np.eye(size), (3, 1, 1))
    for i, j in combinations(range(size), 2):
        where = f"{sheet.rows[i]!r} against {sheet.columns[j]!r}"
        values = np.array([part.cells[i, j] for part in judgements])
        mirrored = np.array([part.cells[j, i] for part in judgements])
        _check_comparison(where, values, mirrored)
        full[:, i, j], full[:, j, i] = values, 1 / values[::-1]
    return full


def matrix_weights(matrix: Floats, criteria: Sequence[str]) -> MatrixWeights:
    """Weights and consistency of a positive reciprocal matrix (n, n)."""
    size = len(matrix)
    values, vectors = np.linalg.eig(matrix)
    place = int(np.argmax(values.real))
    lambda_max = float(values[place].real)
    index = max(0.0, (lambda_max - size) / (size - 1))
    by_chance = RANDOM_INDEX[size - 1]
    return MatrixWeights(
        criteria=tuple(criteria),
        eigenvector=_shares(np.abs(vectors[:, place].real)),
        row_geometric_mean=_shares(np.exp(np.log(matrix).mean(axis=1))),
        column_mean=_shares((matrix / matrix.sum(axis=0)).mean(axis=1)),
        lambda_max=lambda_max,
        consistency_ratio=index / by_chance if by_chance else 0.0,
        worst=_worst_triad(matrix, criteria),
    )


def group_weights(matrices: Sequence[Floats], criteria: Sequence[str]) -> GroupWeights:
    """Weights of each fuzzy matrix (3, n, n) and of the group.

    The group's matrix is the geometric mean, the only mean that stays reciprocal (Aczél and Saaty 1983). All but the fuzzy weights use the
    middle values.
    """
    together = np.exp(np.mean([np.log(matrix) for matrix in matrices], axis=0))
    return GroupWeights(
        judges=tuple(matrix_weights(matrix[1], criteria) for matrix in matrices),
        group=matrix_weights(together[1], criteria),
        fuzzy=fuzzy_weights(together),
    )


def fuzzy_weights(matrix: Floats) -> FuzzyWeights:
    """Buckley's weights of a fuzzy reciprocal matrix (3, n, n)."""
    rows = np.exp(np.log(matrix).mean(axis=2))
    fuzzy = rows / rows.sum(axis=1)[::-1, None]  # the lowest weight has the highest total below it
    low, middle, high = (tuple(part) for part in fuzzy.tolist())
    return FuzzyWeights(low, middle, high, _shares(fuzzy.mean(axis=0)))


def _check_comparison(where: str, values: Floats, mirrored: Floats) -> None:
    """Check low, middle and high of one comparison, and of its reverse where it is stated."""
    for value, reverse in zip(values.tolist(), mirrored.tolist()[::-1], strict=True):
        if not 0.98 / SCALE_MAX <= value <= 1.02 * SCALE_MAX:  # 1/9 is printed as 0.11; an empty cell (NaN) is not either
            raise PlanningError(f"{where} holds {value:g}; comparisons go from 1/9 to 9")
        if not np.isnan(reverse) and abs(reverse - 1 / value) > _RECIPROCAL_TOLERANCE:
            raise PlanningError(f"{where} holds {value:g}, the reverse {reverse:g} instead of {1 / value:.3g}: one is a misprint")


def _shares(values: Floats) -> tuple[float, ...]:
    return tuple((values / values.sum()).tolist())


def _worst_triad(matrix: Floats, criteria: Sequence[str]) -> Triad | None:
    triads = list(combinations(range(len(matrix)), 3))
    if not triads:
        return None

    def gap(triad: tuple[int, int, int]) -> float:
        i, j, k = triad
        return abs(float(np.log(matrix[i, j] * matrix[j, k] / matrix[i, k])))

    i, j, k = max(triads, key=gap)
    if gap((i, j, k)) < 1e-9:
        return None
    return Triad(criteria[i], criteria[j], criteria[k], stated=float(matrix[i, k]), implied=float(matrix[i, j] * matrix[j, k]))

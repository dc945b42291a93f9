"""Analytic hierarchy process (Saaty 1980): weights from pairwise comparisons, and the consistency of the comparisons.

Three estimates of the weights are shown side by side, because published work uses all three and they differ exactly when a judge is
inconsistent: the principal eigenvector, the geometric mean of each row, the mean of each row after normalising the columns. The
consistency ratio shows whether any of the three is reliable (below 0.1). A missing check is the commonest fault of published matrices, so
a matrix that fails is reported as inconsistent, with the three comparisons that contradict each other most.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.planning.sheets import PlanningError, Sheet

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


class GroupWeights(msgspec.Struct, frozen=True):
    """Weights of each judge, and of the group by the geometric mean of the judges' matrices, cell by cell."""

    judges: tuple[MatrixWeights, ...]
    group: MatrixWeights


def comparison_matrix(sheet: Sheet) -> Floats:
    """Reciprocal matrix (n, n) from the upper triangle of a sheet.

    Cells on or below the diagonal may be empty; otherwise they must be the reciprocals. Raises PlanningError, naming the cell, if a value
    is outside 1/9 to 9 or a reciprocal is wrong; also if rows and columns differ, or there are fewer than 2 or more than 10 criteria.
    """
    size = len(sheet.rows)
    if sheet.rows != sheet.columns:
        raise PlanningError("rows and columns must name the same criteria in the same order")
    if not 2 <= size <= len(RANDOM_INDEX):
        raise PlanningError(
            f"{size} criteria were given; a judge can compare 2 to {len(RANDOM_INDEX)}: build a hierarchy of smaller groups"
        )
    full = np.eye(size)
    for i, j in combinations(range(size), 2):
        value, mirrored = sheet.cells[i, j], sheet.cells[j, i]
        where = f"{sheet.rows[i]!r} against {sheet.columns[j]!r}"
        if not 0.98 / SCALE_MAX <= value <= 1.02 * SCALE_MAX:  # 1/9 is printed as 0.11; an empty cell (NaN) is not either
            raise PlanningError(f"{where} holds {value:g}; comparisons go from 1/9 to 9")
        if not np.isnan(mirrored) and abs(mirrored - 1 / value) > _RECIPROCAL_TOLERANCE:
            raise PlanningError(f"{where} holds {value:g}, the reverse {mirrored:g} instead of {1 / value:.3g}: one is a misprint")
        full[i, j], full[j, i] = value, 1 / value
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
    """Weights of each matrix and of the group: the geometric mean is the only mean that stays reciprocal (Aczél and Saaty 1983)."""
    together = np.exp(np.mean([np.log(matrix) for matrix in matrices], axis=0))
    return GroupWeights(judges=tuple(matrix_weights(matrix, criteria) for matrix in matrices), group=matrix_weights(together, criteria))


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

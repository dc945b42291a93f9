"""The sure thing as a table for a gateway: the probability to buy by each of some columns of the model alone (`per_parameter`)."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core import limits
from gateway.core.attributes.groups import Critical
from models.arrays import Ints, Rows
from models.groups import GroupError
from models.propensity.per_parameter import PerParameter


def define_sure_thing(rows: Rows, taken: Ints, names: Sequence[str], columns: Sequence[str]) -> tuple[Critical, ...]:
    """Critical values of `columns` (some of `names`) in training rows (n, names) with outcomes (n,), 0 or 1.

    Raises GroupError for an unknown column, and for fewer rows than GROUP_SUBJECTS_MIN of either outcome.
    """
    for name in columns:
        if name not in names:
            raise GroupError(f"{name!r} is no column of the training set: {', '.join(names)}")
    if min(int(taken.sum()), int((1 - taken).sum())) < limits.GROUP_SUBJECTS_MIN:
        raise GroupError(f"at least {limits.GROUP_SUBJECTS_MIN} rows with and without a purchase are needed")
    fitted = PerParameter().fit(rows[:, [list(names).index(name) for name in columns]], taken)
    return tuple(
        Critical(name, tuple(map(float, edges)), tuple(map(float, chances)))
        for name, (edges, chances) in zip(columns, fitted.critical_tables(), strict=True)
    )

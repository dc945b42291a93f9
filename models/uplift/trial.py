"""A randomised trial as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.arrays import Ints, Rows


class Trial(NamedTuple):
    """Customers of a trial: rows (n, k) with NaN for unknown, treatment and outcome (0/1), (n,), and unit numbers from 0, (n,).

    Rows of one unit (a person, a household, a shop) stay on one side of a split and are drawn together.
    """

    rows: Rows
    treated: Ints
    outcome: Ints
    units: Ints

    def take(self, index: Ints) -> Trial:
        """The customers at `index`."""
        return Trial(self.rows[index], self.treated[index], self.outcome[index], self.units[index])

    @property
    def strata(self) -> Ints:
        """Number of each customer's arm and outcome, 0 to 3, (n,)."""
        return self.treated * 2 + self.outcome


def trial_of(rows: Rows, treated: Ints, outcome: Ints) -> Trial:
    """A trial in which every row is a unit of its own."""
    return Trial(rows.astype(np.float32), treated, outcome, np.arange(len(outcome)))

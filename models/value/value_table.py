"""Lifetime value as a table that a gateway looks up: by days with a purchase, hours since the last and the first one, and mean amount.

The edges of the bins are quantiles over the subjects. A cell has the value that the fitted models give for the medians of its bins, with
its interval, so no cell depends on a single subject's purchases. `agreement` compares the table with the value of each subject.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from gateway.core.attributes.derive import estimate
from gateway.core.attributes.groups import Association, Binned, Estimate, ValueTable, Variety, Velocity
from gateway.core.attributes.schema import FoldName, Schema
from models.groups import GroupError, associations, category_attributes, purchase_attribute, rows_of, wanted_groups
from models.value.bg_nbd import RfmSummary
from models.value.effort import clv_edges
from models.value.lifetime import LifetimeValues, Terms, subject_values

Floats = NDArray[np.float64]

NAME, STRENGTH = "value", "strength"
WEEK_H = 168.0
BINS = (8, 8, 6, 4)  # days with a purchase, hours since the last, hours since the first, mean amount: 1,536 cells
FOLDS: tuple[FoldName, ...] = ("days", "recency", "tenure", "mean")


class Hours(NamedTuple):
    """Shortest and longest interval until a person's groups are worked out anew."""

    shortest: float
    longest: float


class Agreement(msgspec.Struct, frozen=True):
    """Rank correlation of the table's values with those of the subjects, and mean difference as a share of the mean value."""

    subjects: int
    rank_correlation: float
    difference: float


def table_attributes(schema: Schema) -> tuple[str, str, str, str]:
    """The attributes of the table's inputs. Raises GroupError that states an attribute to add."""
    days, since, tenure, amount = (purchase_attribute(schema, [fold]) for fold in FOLDS)
    return days, since, tenure, amount


def value_table(values: pd.DataFrame, lifetimes: LifetimeValues, terms: Terms, seed: int = 0) -> ValueTable:
    """The table for `values`, one column for each of `table_attributes`, one row a subject. Raises GroupError without purchases."""
    known = values.dropna()
    if known.empty:
        raise GroupError("no subject has purchases with a stated amount: no value table can be made")
    inputs = tuple(_binned(name, known[name].to_numpy(dtype=np.float64), bins) for name, bins in zip(known.columns, BINS, strict=True))
    middles = [_middles(of.edges, known[of.attribute].to_numpy(dtype=np.float64)) for of in inputs]
    days, since, tenure, amount = (axis.ravel() for axis in np.meshgrid(*middles, indexing="ij"))
    summary = RfmSummary(np.maximum(days - 1.0, 0.0), np.maximum(tenure - since, 0.0) / WEEK_H, np.maximum(tenure, since) / WEEK_H)
    middle, low, high = subject_values(lifetimes.bg_nbd, lifetimes.gamma_gamma, summary, amount, WEEK_H / 24.0, terms, seed)
    return ValueTable(NAME, inputs, tuple(Estimate(*map(float, cell)) for cell in zip(low, middle, high, strict=True)))


def table_values(table: ValueTable, values: pd.DataFrame) -> Floats:
    """The table's value of each subject, (n,); NaN where an input is unknown."""
    found = [estimate(table, row) for row in rows_of(values)]
    return np.array([np.nan if of is None else of.middle for of in found])


def agreement(looked_up: Floats, exact: Floats) -> Agreement:
    """How near the table's values come to the values of the subjects themselves, (n,) each."""
    known = ~np.isnan(looked_up) & ~np.isnan(exact)
    ours, theirs = looked_up[known], exact[known]
    return Agreement(int(known.sum()), float(spearmanr(ours, theirs).statistic), float(np.abs(ours - theirs).mean() / theirs.mean()))


def value_definitions(
    table: ValueTable, values: Floats, schema: Schema, hours: Hours
) -> tuple[list[ValueTable | Association], dict[str, Variety | Velocity]]:
    """Definitions and policies that the schema can use: the table, associations, tiers at quantiles of `values` (n,), refresh intervals.

    Raises GroupError if no attribute uses the table.
    """
    wanted = wanted_groups(schema)
    has_tiers = any(one.tier_min for one in schema.attributes)
    if NAME not in wanted and not has_tiers:
        raise GroupError(f'no attribute uses the value: add one with score = {{ name = "{NAME}" }}, or a tier_min')
    definitions: list[ValueTable | Association] = [table]
    policies: dict[str, Variety | Velocity] = {}
    if has_tiers:
        policies["variety"] = Variety(NAME, clv_edges(values[~np.isnan(values)]))
    if len(category_attributes(schema)) > 1:
        policies["velocity"] = Velocity(STRENGTH, hours.shortest, hours.longest)
    definitions += associations(schema, wanted | {STRENGTH} if "velocity" in policies else wanted)
    return definitions, policies


def _binned(name: str, numbers: Floats, bins: int) -> Binned:
    """Edges at quantiles, each between two values that occur, so that edges between whole numbers are halves."""
    different = np.unique(numbers)
    between = (different[1:] + different[:-1]) / 2.0
    cuts = np.quantile(numbers, np.linspace(0, 1, bins + 1)[1:-1])
    places = np.clip(np.searchsorted(between, cuts), 0, max(len(between) - 1, 0))
    return Binned(name, tuple(float(edge) for edge in np.unique(between[places])) if len(between) else ())


def _middles(edges: Sequence[float], numbers: Floats) -> Floats:
    """The median of the numbers in each bin."""
    place = np.searchsorted(np.array(edges), numbers, side="right")
    return np.array([np.median(numbers[place == at]) for at in range(len(edges) + 1)])

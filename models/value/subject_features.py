"""What is known of each subject at a date, from days with a purchase only: the columns that next month is foretold from.

Everything is computed from days before the date, so a row of March knows nothing of April. Three ways of looking at the same
days stand beside each other: plain counts and gaps, the RFM score that marketing has used for decades, and what BG/NBD
expects.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.value.bg_nbd import BgNbd, RfmSummary, expected_purchases, probability_alive

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RECENT_DAYS = (30, 60, 90, 180)
NEXT_DAYS = 30.0

NAMES: tuple[str, ...] = (
    "days_since_last",
    "age_days",
    "purchases",
    "purchases_a_month",
    "gap_mean",
    "gap_spread",
    "overdue",
    "spent",
    "spent_mean",
    "spent_last",
    *(f"purchases_{days}" for days in RECENT_DAYS),
    *(f"spent_{days}" for days in RECENT_DAYS),
    "expected_purchases",
    "chance_active",
)


class FeatureTable(NamedTuple):
    """Subjects with a purchase before the date: their group numbers, the columns of NAMES (n, k), and the summary for BG/NBD in days."""

    subjects: Ints
    columns: Floats
    summary: RfmSummary


def features_before(days: pd.DataFrame, date: int, purchases: BgNbd | None = None) -> FeatureTable:
    """What the table of days (columns number, day, spent; sorted by both) says before day `date`.

    Without a fitted `purchases` the last two columns are 0; the summary is what such a model is fitted to.
    """
    past = days[days["day"] < date]
    gaps = past["day"].diff().where(past["number"].diff() == 0)
    by = past.assign(gap=gaps).groupby("number", sort=True)
    table = by.agg(
        first=("day", "min"), last=("day", "max"), purchases=("day", "size"), spent=("spent", "sum"), spent_last=("spent", "last"),
        gap_mean=("gap", "mean"), gap_spread=("gap", "std"),
    )  # fmt: skip
    age, since = (date - 1 - table["first"]).astype(float), (date - table["last"]).astype(float)
    gap_mean = table["gap_mean"].fillna(age + 1.0)
    columns = {
        "days_since_last": since,
        "age_days": age,
        "purchases": table["purchases"],
        "purchases_a_month": table["purchases"] / (age + NEXT_DAYS) * NEXT_DAYS,
        "gap_mean": gap_mean,
        "gap_spread": table["gap_spread"].fillna(gap_mean),
        "overdue": since / (gap_mean + 1.0),
        "spent": table["spent"],
        "spent_mean": table["spent"] / table["purchases"],
        "spent_last": table["spent_last"],
    }
    for span in RECENT_DAYS:
        recent = past[past["day"] >= date - span].groupby("number")["spent"].agg(["size", "sum"]).reindex(table.index, fill_value=0.0)
        columns |= {f"purchases_{span}": recent["size"], f"spent_{span}": recent["sum"]}
    summary = RfmSummary(_floats(table["purchases"] - 1), _floats(table["last"] - table["first"]), _floats(age))
    nothing = np.zeros(len(table))
    foretold = (
        (expected_purchases(purchases, summary, NEXT_DAYS), probability_alive(purchases, summary)) if purchases else (nothing, nothing)
    )
    matrix = np.column_stack([*(_floats(columns[name]) for name in NAMES[: -len(foretold)]), *foretold])
    return FeatureTable(table.index.to_numpy(dtype=np.int64), matrix, summary)


def rfm_edges(columns: Floats) -> tuple[Floats, ...]:
    """Quintile edges of recency, frequency and money, from the rows that teach."""
    measured = (columns[:, NAMES.index(name)] for name in ("days_since_last", "purchases", "spent"))
    return tuple(np.quantile(column, np.array((0.2, 0.4, 0.6, 0.8))).astype(np.float64) for column in measured)


def rfm_score(columns: Floats, edges: tuple[Floats, ...]) -> Floats:
    """The classic score from 3 to 15: a fifth of points each for having come lately, often, and spent much."""
    recency, frequency, money = (columns[:, NAMES.index(name)] for name in ("days_since_last", "purchases", "spent"))
    points = (5.0 - np.searchsorted(edges[0], recency), np.searchsorted(edges[1], frequency) + 1.0, np.searchsorted(edges[2], money) + 1.0)
    score: Floats = np.sum(points, axis=0).astype(np.float64)
    return score


def _floats(column: pd.Series[Any]) -> Floats:
    return column.to_numpy(dtype=np.float64)

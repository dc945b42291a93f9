"""Features of each subject at a date, computed from days with a purchase: input of the next-month forecast.

Only days before the date are used, so that a row of March contains nothing of April. There are three groups of columns over the same
days: counts and gaps, the inputs of the RFM score, and the expectations of BG/NBD.
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
    "probability_alive",
)


class FeatureTable(NamedTuple):
    """Subjects with a purchase before the date: group numbers (n,), the columns of NAMES (n, k), and the BG/NBD summary in days."""

    subjects: Ints
    columns: Floats
    summary: RfmSummary


def features_before(days: pd.DataFrame, date: int, purchases: BgNbd | None = None) -> FeatureTable:
    """Features at day `date`, from a table of days with a purchase (columns number, day, spent; sorted by number and day).

    Without a fitted `purchases` model the last two columns are 0; `summary` is the input for fitting one.
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
    model_based = (
        (expected_purchases(purchases, summary, NEXT_DAYS), probability_alive(purchases, summary)) if purchases else (nothing, nothing)
    )
    matrix = np.column_stack([*(_floats(columns[name]) for name in NAMES[: -len(model_based)]), *model_based])
    return FeatureTable(table.index.to_numpy(dtype=np.int64), matrix, summary)


def rfm_edges(columns: Floats) -> tuple[Floats, ...]:
    """Quintile edges, (4,) each, of recency, frequency and money in the training rows."""
    measured = (columns[:, NAMES.index(name)] for name in ("days_since_last", "purchases", "spent"))
    return tuple(np.quantile(column, np.array((0.2, 0.4, 0.6, 0.8))).astype(np.float64) for column in measured)


def rfm_score(columns: Floats, edges: tuple[Floats, ...]) -> Floats:
    """RFM score (n,), 3 to 15: one to five points each for recency, frequency and money by `edges`."""
    recency, frequency, money = (columns[:, NAMES.index(name)] for name in ("days_since_last", "purchases", "spent"))
    points = (5.0 - np.searchsorted(edges[0], recency), np.searchsorted(edges[1], frequency) + 1.0, np.searchsorted(edges[2], money) + 1.0)
    score: Floats = np.sum(points, axis=0).astype(np.float64)
    return score


def _floats(column: pd.Series[Any]) -> Floats:
    return column.to_numpy(dtype=np.float64)

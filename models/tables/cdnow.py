"""CDNOW: recency, frequency and monetary value of 2,357 customers (Fader & Hardie), in weeks.

The customers first bought in early 1997. One file has no money (for BG/NBD and Pareto/NBD), the other the mean value of a
repeat purchase (for gamma-gamma).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.arrays import Floats
from models.tables.reading import Counts, RowFilter, TableError, read_all, read_texts

_PLAIN = ("frequency", "recency", "T")
_WITH_MONEY = ("x", "t_x", "T", "zbar")


class Buyers(NamedTuple):
    """By customer, (n,): repeat purchases, week of the last one, weeks observed, mean value of a repeat purchase in USD or NaN."""

    repeats: Floats
    last_week: Floats
    weeks: Floats
    mean_value: Floats
    counts: Counts


def read_buyers(path: Path) -> Buyers:
    """The customers in the CSV file at `path`, of either form. Raises TableError if it cannot be read or has neither form."""
    header = set(read_all(path).columns)
    names = _WITH_MONEY if set(_WITH_MONEY) <= header else _PLAIN
    if not set(names) <= header:
        raise TableError(f"{path} has neither the columns {', '.join(_PLAIN)} nor {', '.join(_WITH_MONEY)}")
    row_filter = RowFilter(read_texts(path, names))
    repeats, last_week, weeks = (row_filter.number(name, low=0.0) for name in names[:3])
    mean_value = row_filter.number("zbar", low=0.0) if names is _WITH_MONEY else np.full(len(repeats), np.nan)
    row_filter.reject(last_week > weeks, "last_after_end")
    kept = row_filter.kept
    return Buyers(repeats[kept], last_week[kept], weeks[kept], mean_value[kept], row_filter.counts())

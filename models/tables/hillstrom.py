"""Hillstrom: a randomised trial of two e-mails, and whether customers visited the shop.

"MineThatData E-Mail Analytics and Data Mining Challenge" (2008): 64,000 customers in three random arms (men's e-mail, women's
e-mail, none), followed for two weeks; one row is one customer. The arms are randomised, so a difference between them is a
causal effect, and no propensity of treatment has to be estimated.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.arrays import Ints
from models.tables.reading import Counts, RowFilter, read_texts

NONE, WOMENS, MENS = "No E-Mail", "Womens E-Mail", "Mens E-Mail"
_ZIPS = ("Urban", "Surburban", "Suburban", "Rural")  # "Surburban" is how the file spells it
_CHANNELS = ("Phone", "Web", "Multichannel")
_FLAG = {"0": 0.0, "1": 1.0}


class Trial(NamedTuple):
    """By customer, (n,): columns, arm, visit (0/1) and money spent in USD."""

    rows: pd.DataFrame
    arms: NDArray[np.str_]
    visited: Ints
    spent: NDArray[np.float64]
    counts: Counts

    def against_none(self, arm: str) -> tuple[pd.DataFrame, Ints, Ints]:
        """Customers of `arm` and of no e-mail: columns, treatment (0/1) and visit (0/1), (m,) each."""
        used = np.isin(self.arms, (arm, NONE))
        return self.rows[used].reset_index(drop=True), (self.arms[used] == arm).astype(np.int64), self.visited[used]


def read_trial(path: Path) -> Trial:
    """The trial in the CSV file at `path`. Raises TableError if it cannot be read."""
    names = ("recency", "history", "mens", "womens", "zip_code", "newbie", "channel", "segment", "visit", "spend")
    row_filter = RowFilter(read_texts(path, names))
    arms = row_filter.category("segment", (NONE, WOMENS, MENS))
    visited = row_filter.coded("visit", _FLAG)
    zips, channels = row_filter.category("zip_code", _ZIPS), row_filter.category("channel", _CHANNELS)
    columns = {
        "recency": row_filter.number("recency", 0.0, 120.0),
        "history": row_filter.number("history", low=0.0),
        "mens": row_filter.coded("mens", _FLAG),
        "womens": row_filter.coded("womens", _FLAG),
        "newbie": row_filter.coded("newbie", _FLAG),
        "rural": (zips == "Rural").astype(np.float64),
        "urban": (zips == "Urban").astype(np.float64),
        "web": (channels != "Phone").astype(np.float64),
        "phone": (channels != "Web").astype(np.float64),
    }
    spent = row_filter.number("spend", low=0.0)
    kept = row_filter.kept
    return Trial(
        rows=pd.DataFrame({name: values[kept] for name, values in columns.items()}),
        arms=arms[kept],
        visited=visited[kept].astype(np.int64),
        spent=spent[kept],
        counts=row_filter.counts(),
    )

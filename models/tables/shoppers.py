"""Online shoppers: sessions on a shop's site, and whether each ended in a purchase.

UCI "Online Shoppers Purchasing Intention" (Sakar et al. 2019): one row a session, each of another visitor, so sessions are
independent. `PageValues` leaks the outcome: the shop's analytics compute it from transactions that followed the visited
pages. It is therefore kept apart from the other columns.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.arrays import Ints
from models.tables.reading import Counts, RowFilter, read_texts

LEAK = "PageValues"
TARGET = "Revenue"
AMOUNTS = (
    "Administrative",
    "Administrative_Duration",
    "Informational",
    "Informational_Duration",
    "ProductRelated",
    "ProductRelated_Duration",
)
RATES = ("BounceRates", "ExitRates", "SpecialDay")
CODES = ("OperatingSystems", "Browser", "Region", "TrafficType")
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "June", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # as the file spells them
MONTHS = {name: float(number) for number, name in enumerate(_NAMES, start=1)}
VISITORS = {"Returning_Visitor": 0.0, "New_Visitor": 1.0, "Other": 2.0}
_TRUTH = {"True": 1.0, "False": 0.0, "TRUE": 1.0, "FALSE": 0.0}


class Shoppers(NamedTuple):
    """By session, (n,): columns without the leaking one, that one (page values), and purchase (0/1)."""

    rows: pd.DataFrame
    page_values: NDArray[np.float64]
    bought: Ints
    counts: Counts

    def take(self, index: Ints) -> Shoppers:
        """The sessions at `index`."""
        return Shoppers(self.rows.iloc[index], self.page_values[index], self.bought[index], self.counts)


def read_shoppers(path: Path) -> Shoppers:
    """The sessions in the CSV file at `path`. Raises TableError if it cannot be read."""
    row_filter = RowFilter(read_texts(path, (*AMOUNTS, *RATES, *CODES, "Month", "VisitorType", "Weekend", LEAK, TARGET)))
    bought = row_filter.coded(TARGET, _TRUTH)
    columns = {name: row_filter.number(name, low=0.0) for name in AMOUNTS}
    columns |= {name: row_filter.number(name, 0.0, 1.0) for name in RATES}
    columns |= {name: row_filter.number(name, low=0.0) for name in CODES}
    columns["Month"] = row_filter.coded("Month", MONTHS)
    columns["VisitorType"] = row_filter.coded("VisitorType", VISITORS)
    columns["Weekend"] = row_filter.coded("Weekend", _TRUTH)
    page_values = row_filter.number(LEAK, low=0.0)
    kept = row_filter.kept
    return Shoppers(
        rows=pd.DataFrame({name: values[kept] for name, values in columns.items()}),
        page_values=page_values[kept],
        bought=bought[kept].astype(np.int64),
        counts=row_filter.counts(),
    )

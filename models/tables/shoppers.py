"""From the table of online sessions to columns of numbers: what a visitor did, and whether it ended in a purchase.

UCI "Online Shoppers Purchasing Intention" (Sakar et al. 2019): one row a session, every session another visitor's, so
the session is the unit that is independent. `PageValues` is the trap: the shop's analytics compute it from the
transactions that followed the visited pages, so it holds some of the answer. It is read, but apart from the others, and
nothing gets it by accident.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.arrays import Ints
from models.tables.reading import Counts, Sieve, read_texts

TRAP = "PageValues"
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
    """Sessions without the trap, the trap apart, and whether each ended in a purchase (0/1)."""

    rows: pd.DataFrame
    page_values: NDArray[np.float64]
    bought: Ints
    counts: Counts

    def take(self, index: Ints) -> Shoppers:
        """The sessions at `index`."""
        return Shoppers(self.rows.iloc[index], self.page_values[index], self.bought[index], self.counts)


def read_shoppers(path: Path) -> Shoppers:
    """The sessions in the CSV file at `path`, or `TableError`."""
    sieve = Sieve(read_texts(path, (*AMOUNTS, *RATES, *CODES, "Month", "VisitorType", "Weekend", TRAP, TARGET)))
    bought = sieve.coded(TARGET, _TRUTH)
    columns = {name: sieve.number(name, low=0.0) for name in AMOUNTS}
    columns |= {name: sieve.number(name, 0.0, 1.0) for name in RATES}
    columns |= {name: sieve.number(name, low=0.0) for name in CODES}
    columns["Month"] = sieve.coded("Month", MONTHS)
    columns["VisitorType"] = sieve.coded("VisitorType", VISITORS)
    columns["Weekend"] = sieve.coded("Weekend", _TRUTH)
    page_values = sieve.number(TRAP, low=0.0)
    kept = sieve.kept
    return Shoppers(
        rows=pd.DataFrame({name: values[kept] for name, values in columns.items()}),
        page_values=page_values[kept],
        bought=bought[kept].astype(np.int64),
        counts=sieve.counts(),
    )

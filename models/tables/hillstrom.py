"""From the e-mail trial to arms: who was sent what by lot, and whether they came.

Hillstrom's "MineThatData E-Mail Analytics and Data Mining Challenge" (2008): 64,000 customers, three arms by lot (men's
e-mail, women's e-mail, none), followed for two weeks. One row is one customer. Chance assigned the arms, so a
difference between arms is an effect, and no propensity has to be guessed.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.arrays import Ints
from models.tables.reading import Counts, Sieve, read_texts

NONE, WOMENS, MENS = "No E-Mail", "Womens E-Mail", "Mens E-Mail"
_ZIPS = ("Urban", "Surburban", "Suburban", "Rural")  # "Surburban" is how the file spells it
_CHANNELS = ("Phone", "Web", "Multichannel")
_FLAG = {"0": 0.0, "1": 1.0}


class Trial(NamedTuple):
    """Customers, the arm each was dealt, whether each visited (0/1) and what each spent."""

    rows: pd.DataFrame
    arms: NDArray[np.str_]
    visited: Ints
    spent: NDArray[np.float64]
    counts: Counts

    def against_none(self, arm: str) -> tuple[pd.DataFrame, Ints, Ints]:
        """Customers of `arm` and of no e-mail: rows, whether treated (0/1), whether visited (0/1)."""
        used = np.isin(self.arms, (arm, NONE))
        return self.rows[used].reset_index(drop=True), (self.arms[used] == arm).astype(np.int64), self.visited[used]


def read_trial(path: Path) -> Trial:
    """The trial in the CSV file at `path`, or `TableError`."""
    names = ("recency", "history", "mens", "womens", "zip_code", "newbie", "channel", "segment", "visit", "spend")
    sieve = Sieve(read_texts(path, names))
    arms = sieve.word("segment", (NONE, WOMENS, MENS))
    visited = sieve.coded("visit", _FLAG)
    zips, channels = sieve.word("zip_code", _ZIPS), sieve.word("channel", _CHANNELS)
    columns = {
        "recency": sieve.number("recency", 0.0, 120.0),
        "history": sieve.number("history", low=0.0),
        "mens": sieve.coded("mens", _FLAG),
        "womens": sieve.coded("womens", _FLAG),
        "newbie": sieve.coded("newbie", _FLAG),
        "rural": (zips == "Rural").astype(np.float64),
        "urban": (zips == "Urban").astype(np.float64),
        "web": (channels != "Phone").astype(np.float64),
        "phone": (channels != "Web").astype(np.float64),
    }
    spent = sieve.number("spend", low=0.0)
    kept = sieve.kept
    return Trial(
        rows=pd.DataFrame({name: values[kept] for name, values in columns.items()}),
        arms=arms[kept],
        visited=visited[kept].astype(np.int64),
        spent=spent[kept],
        counts=sieve.counts(),
    )

"""From the table of telephone calls to columns: who was called, in which times, and whether a deposit was taken.

UCI "Bank Marketing", `bank-additional-full` (Moro, Cortez & Rita 2014): calls of a Portuguese bank from May 2008 to
November 2010, in the order of time though without dates. A run of rows with the same month and weekday is one day of
calling; outcomes of one day depend on each other and on the times, so the day is the unit that is drawn, and what is
learned on a day serves from the next one on.

`duration` is not read at all: how long the call lasted is known when its outcome is.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.arrays import Ints
from models.tables.reading import Counts, Sieve, read_all, read_texts

TARGET = "y"
TRAP = "duration"
TIMES = ("emp.var.rate", "cons.price.idx", "cons.conf.idx", "euribor3m", "nr.employed")
PERSON = ("age", "campaign", "pdays", "previous")
WORDS = ("job", "marital", "education", "default", "housing", "loan", "contact", "poutcome")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")


class Calls(NamedTuple):
    """Calls in the order of time, whether each was a success (0/1), and the number of its day, from 0."""

    rows: pd.DataFrame
    bought: Ints
    days: Ints
    counts: Counts

    def take(self, index: Ints) -> Calls:
        """The calls at `index`, days numbered anew."""
        days = np.unique(self.days[index], return_inverse=True)[1].astype(np.int64)
        return Calls(self.rows.iloc[index].reset_index(drop=True), self.bought[index], days, self.counts)


def read_calls(path: Path) -> Calls:
    """The calls in the CSV file at `path` (commas or semicolons), or `TableError`."""
    separator = ";" if len(read_all(path).columns) == 1 else ","
    sieve = Sieve(read_texts(path, (*TIMES, *PERSON, *WORDS, "month", "day_of_week", TARGET), separator))
    bought = sieve.coded(TARGET, {"yes": 1.0, "no": 0.0})
    columns: dict[str, object] = {name: sieve.number(name) for name in (*TIMES, *PERSON)}
    month, weekday = sieve.word("month", MONTHS), sieve.word("day_of_week", WEEKDAYS)
    kept = sieve.kept
    table = pd.DataFrame(columns)[kept].reset_index(drop=True)
    texts = read_texts(path, WORDS, separator).fillna("unknown")[kept].reset_index(drop=True)
    table = pd.concat((table, texts), axis=1).assign(month=month[kept], day_of_week=weekday[kept])
    turned = (month[kept][1:] != month[kept][:-1]) | (weekday[kept][1:] != weekday[kept][:-1])
    days = np.concatenate(([0], np.cumsum(turned))).astype(np.int64)
    return Calls(rows=table, bought=bought[kept].astype(np.int64), days=days, counts=sieve.counts())

"""Bank marketing: telephone calls of a Portuguese bank, and whether a deposit was taken.

UCI "Bank Marketing", `bank-additional-full` (Moro, Cortez & Rita 2014): calls from May 2008 to November 2010, in the order
of time but without dates. A run of rows with the same month and weekday is one day of calling. Outcomes of one day depend
on each other, so the day is the unit of the bootstrap, and a model fitted after a day is used from the next one on.

`duration` is not read: the duration of a call is known only together with its outcome.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.arrays import Ints
from models.tables.reading import Counts, RowFilter, read_all, read_texts

TARGET = "y"
LEAK = "duration"
TIMES = ("emp.var.rate", "cons.price.idx", "cons.conf.idx", "euribor3m", "nr.employed")
PERSON = ("age", "campaign", "pdays", "previous")
CATEGORIES = ("job", "marital", "education", "default", "housing", "loan", "contact", "poutcome")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")


class Calls(NamedTuple):
    """Calls in the order of time, (n,): columns, success (0/1), and number of the day from 0."""

    rows: pd.DataFrame
    bought: Ints
    days: Ints
    counts: Counts

    def take(self, index: Ints) -> Calls:
        """The calls at `index`, with renumbered days."""
        days = np.unique(self.days[index], return_inverse=True)[1].astype(np.int64)
        return Calls(self.rows.iloc[index].reset_index(drop=True), self.bought[index], days, self.counts)


def read_calls(path: Path) -> Calls:
    """The calls in the CSV file at `path` (commas or semicolons). Raises TableError if it cannot be read."""
    separator = ";" if len(read_all(path).columns) == 1 else ","
    row_filter = RowFilter(read_texts(path, (*TIMES, *PERSON, *CATEGORIES, "month", "day_of_week", TARGET), separator))
    bought = row_filter.coded(TARGET, {"yes": 1.0, "no": 0.0})
    columns: dict[str, object] = {name: row_filter.number(name) for name in (*TIMES, *PERSON)}
    month, weekday = row_filter.category("month", MONTHS), row_filter.category("day_of_week", WEEKDAYS)
    kept = row_filter.kept
    table = pd.DataFrame(columns)[kept].reset_index(drop=True)
    texts = read_texts(path, CATEGORIES, separator).fillna("unknown")[kept].reset_index(drop=True)
    table = pd.concat((table, texts), axis=1).assign(month=month[kept], day_of_week=weekday[kept])
    turned = (month[kept][1:] != month[kept][:-1]) | (weekday[kept][1:] != weekday[kept][:-1])
    days = np.concatenate(([0], np.cumsum(turned))).astype(np.int64)
    return Calls(rows=table, bought=bought[kept].astype(np.int64), days=days, counts=row_filter.counts())

"""Tables derived from a history by SQL: baskets, sequences of visits, RFM summaries, monthly panels.

Each function is one query over the checked views, so DuckDB does the work and only the result is held in memory. Days are UTC days.
Amounts are in minor units.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.history.mapping import HistoryError
from models.history.reading import History

DAY_MS = 86_400_000
DWELL_S = 60.0  # default of presence.dwell_s: the gateway counts a visit from then on, and a shorter one not at all
VISIT_GAP_MS = 4 * 3_600_000  # after a longer gap the subject has left the street

_RFM = """
    WITH days AS (
        SELECT subject, at_ms // 86400000 AS day, sum(amount_minor) AS spent FROM purchases
        WHERE at_ms < $until_ms AND subject IS NOT NULL GROUP BY ALL
    ),
    numbered AS (SELECT *, min(day) OVER (PARTITION BY subject) AS first FROM days)
    SELECT subject, count(*) - 1 AS frequency, (max(day) - min(day)) / $unit_days AS recency,
        (($until_ms - 1) // 86400000 - min(day)) / $unit_days AS age,
        COALESCE(avg(spent) FILTER (day > first), 0)::DOUBLE AS monetary_minor
    FROM numbered GROUP BY subject ORDER BY subject
"""
_SPAN = "SELECT min(at_ms), max(at_ms), count(*), count(DISTINCT subject) FROM purchases"
_ITEMS = "SELECT item, count(DISTINCT basket) AS baskets FROM baskets GROUP BY item HAVING count(DISTINCT basket) >= ? ORDER BY item"
_LINES = """
    WITH kept AS (SELECT unnest($items::VARCHAR[]) AS item, unnest(range(len($items::VARCHAR[]))) AS column_number),
    lines AS (SELECT DISTINCT basket, column_number FROM baskets JOIN kept USING (item))
    SELECT dense_rank() OVER (ORDER BY basket) - 1 AS row_number, column_number FROM lines
"""
_MARGINS = (
    "SELECT item, sum(amount_minor)::DOUBLE / count(DISTINCT basket) AS amount FROM baskets WHERE amount_minor IS NOT NULL GROUP BY item"
)
_SEQUENCES = """
    WITH visits AS (
        SELECT subject, at_ms, CASE WHEN $by = 'zone' THEN zone ELSE kind END AS step FROM interactions
        WHERE what = 'visit' AND COALESCE(dwell_s >= $dwell_s, true)
    ),
    stepped AS (
        SELECT *, COALESCE(at_ms - lag(at_ms) OVER (PARTITION BY subject ORDER BY at_ms) > $gap_ms, false)::INTEGER AS opens
        FROM visits WHERE step IS NOT NULL
    ),
    numbered AS (SELECT *, sum(opens) OVER (PARTITION BY subject ORDER BY at_ms) AS number FROM stepped)
    SELECT subject, min(at_ms) AS at_ms, list(step ORDER BY at_ms) AS steps FROM numbered
    GROUP BY subject, number HAVING count(*) >= 2 ORDER BY subject, at_ms
"""
_PANEL = """
    SELECT subject, date_diff('month', to_timestamp($from_ms / 1000)::TIMESTAMP, to_timestamp(at_ms / 1000)::TIMESTAMP) + 1 AS month,
        count(*) AS purchases, COALESCE(sum(amount_minor), 0)::DOUBLE AS amount_minor
    FROM purchases WHERE at_ms >= $from_ms GROUP BY ALL ORDER BY subject, month
"""
_DAYS = """
    SELECT subject, at_ms // 86400000 AS day, sum(amount_minor)::DOUBLE AS spent FROM purchases
    WHERE subject IS NOT NULL GROUP BY ALL ORDER BY subject, day
"""


class Span(NamedTuple):
    """Period of the purchases (milliseconds, both ends included), number of purchases, number of subjects."""

    from_ms: int
    until_ms: int
    purchases: int
    subjects: int


class Baskets(NamedTuple):
    """Baskets as pairs: basket `rows[i]` holds item `columns[i]` of `items`; `total` baskets in all, including those of rare items only.

    `rare` is the number of items left out because of too few baskets for the support.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    items: tuple[str, ...]
    total: int
    rare: int = 0


def span(history: History) -> Span:
    """Period of the purchases. Raises HistoryError if there are none."""
    ((first, last, purchases, subjects),) = history.sql(_SPAN).fetchall()
    if not purchases:
        raise HistoryError("the history holds no purchase: give baskets, or interactions with what=purchase")
    return Span(first, last, purchases, subjects)


def rfm(history: History, until_ms: int, unit_days: float = 7.0) -> pd.DataFrame:
    """RFM summary of each subject before `until_ms`: columns subject, frequency, recency, age, monetary_minor.

    frequency: days with a purchase after the first one. recency: first to last purchase; age: first purchase to the last day before
    `until_ms`, both in units of `unit_days`. monetary_minor: mean amount of the days after the first whose amount is stated; 0 if there
    are none.
    """
    return history.sql_named(_RFM, until_ms=until_ms, unit_days=unit_days).df()


def baskets(history: History, support: float) -> Baskets:
    """Baskets over the items in at least the share `support` of them. Raises HistoryError if there is no usable basket."""
    ((total, every_item),) = history.sql("SELECT count(DISTINCT basket), count(DISTINCT item) FROM baskets").fetchall()
    if not total:
        raise HistoryError("the history holds no basket that can be used")
    items = [item for item, _ in history.sql(_ITEMS, support * total - 1e-9).fetchall()]
    lines = history.sql_named(_LINES, items=items).fetchnumpy()
    rows, columns = (np.asarray(lines[name], dtype=np.int64) for name in ("row_number", "column_number"))
    return Baskets(rows, columns, tuple(items), total, rare=every_item - len(items))


def mean_amounts(history: History) -> dict[str, float]:
    """Mean amount of each item per basket that holds it, minor units; only items with stated amounts."""
    return dict(history.sql(_MARGINS).fetchall())


def sequences(history: History, by: Literal["zone", "kind"] = "zone", gap_ms: int = VISIT_GAP_MS) -> pd.DataFrame:
    """Sequences of visits: columns subject, at_ms (of the first visit), steps (list of two or more zones or kinds).

    A gap of more than `gap_ms` between two visits begins another sequence. Visits shorter than DWELL_S are left out, as on a gateway.
    """
    return history.sql_named(_SEQUENCES, by=by, gap_ms=gap_ms, dwell_s=DWELL_S).df()


def panel(history: History, from_ms: int) -> pd.DataFrame:
    """Purchases by subject and calendar month: columns subject, month (1 is the month of `from_ms`), purchases, amount_minor."""
    return history.sql_named(_PANEL, from_ms=from_ms).df()


def days(history: History) -> pd.DataFrame:
    """Days with a purchase: columns subject, day (since 1970-01-01 UTC), spent (minor units, NaN if not stated)."""
    return history.sql(_DAYS).df()

"""Behaviour of each subject in a history: the input columns of `segments`, one row per subject.

Only columns that a history can state are computed; a share of nothing is unknown (NaN), not zero. `novelty_share` is left to tables that
have it: computed from visits it would be 1 - `revisit_share`, and count the same fact for one segment and against another.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.history.reading import RowCounts, find_tables, open_history
from models.planning.sheets import PlanningError, Sheet

MONTH_MS = 30.4375 * 86_400_000
SUBJECTS_MIN = 2

_BEHAVIOUR = """
    WITH ends AS (SELECT max(at_ms) AS end_ms FROM interactions),
    known AS (
        SELECT subject, greatest(((SELECT end_ms FROM ends) - min(at_ms)) / $month_ms, 1) AS months,
            count(*) FILTER (what = 'visit') AS visits,
            count(DISTINCT zone) FILTER (what = 'visit') AS zones,
            count(zone) FILTER (what = 'visit') AS placed,
            count(DISTINCT kind) FILTER (what = 'visit') AS kinds,
            count(*) FILTER (what = 'purchase') AS purchases,
            count(*) FILTER (what = 'purchase' AND decision IS NULL AND offer IS NULL) AS full_price,
            count(DISTINCT decision) FILTER (what = 'shown') AS shown
        FROM interactions GROUP BY subject
    ),
    shown AS (SELECT DISTINCT subject, decision FROM interactions WHERE what = 'shown'),
    replied AS (
        SELECT subject, count(DISTINCT decision) AS answered,
            count(DISTINCT decision) FILTER (what = 'opened') AS opened,
            count(DISTINCT decision) FILTER (what = 'redeemed') AS redeemed
        FROM interactions JOIN shown USING (subject, decision)
        WHERE what IN ('opened', 'accepted', 'dismissed', 'redeemed') GROUP BY subject
    ),
    usual AS (SELECT kind, avg(amount_minor) AS amount FROM interactions WHERE what = 'purchase' AND amount_minor > 0 GROUP BY kind),
    spent AS (
        SELECT subject, avg(amount_minor / usual.amount) AS ratio FROM interactions
        JOIN usual ON interactions.kind IS NOT DISTINCT FROM usual.kind WHERE what = 'purchase' AND amount_minor > 0 GROUP BY subject
    )
    SELECT subject, visits / months AS visits_month, (placed - zones) / NULLIF(placed, 0) AS revisit_share,
        COALESCE(answered, 0) / NULLIF(shown, 0) AS answered_share, purchases / months AS purchases_month,
        ratio AS amount_ratio, full_price / NULLIF(purchases, 0) AS full_price_share,
        COALESCE(opened, 0) / NULLIF(shown, 0) AS opened_share, NULLIF(kinds, 0) AS variety,
        COALESCE(redeemed, 0) / NULLIF(shown, 0) AS redeemed_share
    FROM known LEFT JOIN replied USING (subject) LEFT JOIN spent USING (subject) ORDER BY subject
"""


def behaviour_table(folder: Path) -> tuple[Sheet, Sequence[RowCounts]]:
    """Sheet of all subjects in the history in `folder`, without columns that are unknown for all, and the row counts of its table.

    Raises PlanningError if the folder has no interactions, or fewer than SUBJECTS_MIN subjects.
    """
    path = find_tables(folder).get("interactions")
    if path is None:
        raise PlanningError(f"{folder} holds no interactions: baskets alone do not show behaviour in the street")
    with open_history(interactions=path) as history:
        table, counted = history.sql_named(_BEHAVIOUR, month_ms=MONTH_MS).df(), history.row_counts
    if len(table) < SUBJECTS_MIN:
        raise PlanningError(f"{path} has {len(table)} subjects: at least {SUBJECTS_MIN} are needed")
    columns = tuple(name for name in table.columns[1:] if table[name].notna().any())
    cells = table[list(columns)].to_numpy(dtype=np.float64)
    return Sheet(tuple(table["subject"].astype(str)), columns, cells), counted

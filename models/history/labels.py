"""Labelled proposals, the training rows of propensity models: features as scored by the gateway, label by the answers within a horizon.

Features are not computed again: the `f_` columns are the gateway's own, so training and serving cannot differ. A proposal whose horizon
is still open when the history ends has no label; labelled as refused, it would teach the model that new offers are disliked, so it is
left out and counted. Answers before the proposal or after the horizon are ignored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.history.columns import ANSWERS, FEATURE_PREFIX
from models.history.mapping import HistoryError, nearest
from models.history.reading import History
from models.inputs import Inputs

HORIZON_MS = 24 * 3_600_000
TAKEN = ("accepted", "redeemed")

_LABELLED = """
    WITH proposals AS (
        SELECT decision, min_by(rowid, at_ms) AS first, count(*) AS times FROM interactions_staged
        WHERE refused_for IS NULL AND what = 'proposed' GROUP BY decision
    ),
    answered AS (
        SELECT decision, subject, at_ms FROM interactions WHERE list_contains($outcomes::VARCHAR[], what)
    ),
    ends AS (SELECT max(at_ms) AS end_ms FROM interactions)
    SELECT p.subject, p.decision, p.at_ms, p.zone, p.offer, p.propensity, p.p_select,
        p.at_ms + $horizon_ms > (SELECT end_ms FROM ends) AS too_recent,
        EXISTS (
            SELECT 1 FROM answered
            WHERE answered.decision = p.decision AND answered.subject = p.subject
                AND answered.at_ms BETWEEN p.at_ms AND p.at_ms + $horizon_ms
        ) AS taken,
        {features}
    FROM interactions_staged AS p JOIN proposals ON p.rowid = proposals.first
    ORDER BY p.at_ms, p.decision
"""
_PROPOSED = "SELECT count(*), count(DISTINCT decision) FROM interactions WHERE what = 'proposed'"


class LabelledProposals(NamedTuple):
    """Arrays over proposals, oldest first.

    `inputs` are the columns of `rows` float32 (n, columns), NaN where unknown; `taken` is the label, 0 or 1; `subjects` group numbers
    from 0; `zones` and `offers` empty, `propensity` and `p_select` NaN where not stated; `left_out` counts proposals without a
    label, by reason.
    """

    inputs: Inputs
    rows: NDArray[np.float32]
    taken: NDArray[np.int64]
    subjects: NDArray[np.int64]
    at_ms: NDArray[np.int64]
    zones: NDArray[np.str_]
    offers: NDArray[np.str_]
    propensity: NDArray[np.float64]
    p_select: NDArray[np.float64]
    left_out: Mapping[str, int]


def labelled_proposals(history: History, outcomes: Collection[str] = TAKEN, horizon_ms: int = HORIZON_MS) -> LabelledProposals:
    """One row for every proposal whose horizon is over, labelled 1 if one of `outcomes` followed within `horizon_ms`.

    Raises HistoryError if an outcome is not a type of answer, there are no feature columns, or no proposal is old enough.
    """
    for outcome in outcomes:
        if outcome not in ANSWERS:
            raise HistoryError(f"{outcome!r} is not an answer{nearest(outcome, ANSWERS)}")
    if history.inputs is None:
        raise HistoryError("the interactions have no f_ columns: only a gateway's export has the features that were scored")
    ((proposed, decisions),) = history.sql(_PROPOSED).fetchall()
    if not proposed:
        raise HistoryError("the interactions hold no usable proposal")
    columns = [FEATURE_PREFIX + name for name in history.inputs.columns]
    labelled = _LABELLED.replace("{features}", ", ".join(f"p.{name}" for name in columns))
    table = history.sql_named(labelled, outcomes=list(outcomes), horizon_ms=horizon_ms).df()
    kept = table[~table["too_recent"]]
    if kept.empty:
        raise HistoryError(f"no proposal is older than the horizon of {horizon_ms // 1000} s: wait, or shorten the horizon")
    return LabelledProposals(
        inputs=history.inputs,
        rows=kept[columns].to_numpy(dtype=np.float32),
        taken=kept["taken"].to_numpy(dtype=np.int64),
        subjects=np.unique(kept["subject"].to_numpy(dtype=str), return_inverse=True)[1].astype(np.int64),
        at_ms=kept["at_ms"].to_numpy(dtype=np.int64),
        zones=kept["zone"].fillna("").to_numpy(dtype=str),
        offers=kept["offer"].fillna("").to_numpy(dtype=str),
        propensity=kept["propensity"].to_numpy(dtype=np.float64),
        p_select=kept["p_select"].to_numpy(dtype=np.float64),
        left_out={
            reason: count
            for reason, count in (("too_recent", len(table) - len(kept)), ("repeated_decision", proposed - decisions))
            if count
        },
    )

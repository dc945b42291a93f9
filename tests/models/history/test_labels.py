"""Labelled proposals: features as scored by the gateway, labels by the answers within the horizon."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.history.labels import HORIZON_MS, LabelledProposals, labelled_proposals
from models.history.mapping import HistoryError
from models.history.reading import open_history
from models.tables.coupon import INPUTS
from tests.models.history import tables
from tests.models.history.tables import happened, proposed

COLUMNS = (*tables.INTERACTION_COLUMNS, *tables.FEATURES)
HOUR_MS = 3_600_000


def labelled(tmp_path: Path, rows: list[dict[str, object]], horizon_ms: int = HORIZON_MS) -> LabelledProposals:
    with open_history(interactions=tables.interactions(tmp_path / "i.csv", rows, COLUMNS)) as history:
        return labelled_proposals(history, horizon_ms=horizon_ms)


def test_outcomes_count_within_the_horizon_and_after_the_proposal(tmp_path: Path) -> None:
    rows = [
        proposed("a", 0, "taken"),
        happened("a", 30, "accepted", decision="taken"),
        proposed("a", 1, "redeemed"),
        happened("a", 60, "redeemed", decision="redeemed"),
        proposed("b", 2, "too late"),
        happened("b", 63, "accepted", decision="too late"),
        proposed("b", 3, "before"),
        happened("b", 2.5, "accepted", decision="before"),
        proposed("b", 4, "seen only"),
        happened("b", 5, "shown", decision="seen only"),
        proposed("b", 6, "of another"),
        happened("c", 7, "accepted", decision="of another"),
        happened("z", 90, "visit", zone="cafe"),
    ]
    found = labelled(tmp_path, rows, horizon_ms=HOUR_MS)
    assert found.taken.tolist() == [1, 1, 0, 0, 0, 0]
    assert found.subjects.tolist() == [0, 0, 1, 1, 1, 1]
    assert found.p_select.tolist() == [0.5] * 6
    assert found.left_out == {}


def test_a_proposal_whose_horizon_is_open_has_no_label(tmp_path: Path) -> None:
    rows = [proposed("a", 0, "old"), proposed("a", 50, "young"), proposed("a", 51, "young"), happened("a", 61, "visit", zone="cafe")]
    found = labelled(tmp_path, rows, horizon_ms=HOUR_MS)
    assert len(found.taken) == 1
    assert found.left_out == {"too_recent": 1, "repeated_decision": 1}
    with pytest.raises(HistoryError, match="older than the horizon"):
        labelled(tmp_path, rows)


def test_features_arrive_as_the_gateway_scored_them(tmp_path: Path) -> None:
    row = proposed("a", 0, "d", hour=18.5, visits_bar=2.0) | {"f_temperature": ""}
    found = labelled(tmp_path, [row, happened("a", 3000, "visit", zone="cafe")])
    assert found.rows.shape == (1, len(INPUTS.columns))
    assert found.rows.dtype == np.float32
    assert found.rows[0, INPUTS.columns.index("hour")] == 18.5
    assert found.rows[0, INPUTS.columns.index("visits_bar")] == 2.0
    assert np.isnan(found.rows[0, INPUTS.columns.index("temperature")])


def test_histories_without_labels_raise(tmp_path: Path) -> None:
    bare = tables.interactions(tmp_path / "bare.csv", [happened("a", 1, "visit", zone="cafe")])
    with open_history(interactions=bare) as history, pytest.raises(HistoryError, match="no f_ columns"):
        labelled_proposals(history)
    silent = tables.interactions(tmp_path / "silent.csv", [happened("a", 1, "visit", zone="cafe")], COLUMNS)
    with open_history(interactions=silent) as history:
        with pytest.raises(HistoryError, match="no usable proposal"):
            labelled_proposals(history)
        with pytest.raises(HistoryError, match="the nearest is 'accepted'"):
            labelled_proposals(history, outcomes=("acepted",))

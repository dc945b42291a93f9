"""Segments by behaviour; clusters only where the data has some."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from models.planning.segments import BEHAVIOUR, INDICATORS, SEGMENTS, STRATEGIES, assign_segments, fit_clusters
from models.planning.sheets import PlanningError, Sheet
from tests.kit.shared import shared_path

COLUMNS = BEHAVIOUR


def people(*rows: dict[str, float]) -> Sheet:
    cells = np.array([[row.get(name, 0.5) for name in COLUMNS] for row in rows])
    return Sheet(tuple(f"s{number}" for number in range(len(rows))), COLUMNS, cells)


def test_each_segment_is_found_by_its_own_indicators() -> None:
    extremes = [{name: 1.0 if sign > 0 else 0.0 for name, sign in INDICATORS[segment].items()} for segment in SEGMENTS]
    ordinary: list[dict[str, float]] = [{} for _ in range(8)]
    assert assign_segments(people(*extremes, *ordinary)).segments[:4] == SEGMENTS


def test_the_segments_are_the_published_ones_and_none_asks_for_personal_attributes() -> None:
    published = json.loads(shared_path("published/segments.json").read_text("utf-8"))["segments"]
    assert set(published) == set(SEGMENTS) == set(STRATEGIES)
    assert not {"age", "gender", "income", "job", "education"} & set(BEHAVIOUR)


def test_every_segment_has_offers_and_the_loyal_are_not_pushed() -> None:
    assert all(strategy.tags for strategy in STRATEGIES.values())
    assert [name for name, strategy in STRATEGIES.items() if strategy.discounts] == ["economic"]


def test_a_subject_with_too_little_data_has_no_segment() -> None:
    made = people({}, {"visits_month": 1.0}, {})
    made.cells[1, 1:] = np.nan
    assigned = assign_segments(made)
    assert assigned.segments[1] is None
    assert assigned.counts()["unknown"] == 1
    assert sum(assigned.counts().values()) == 3


def test_a_table_without_behaviour() -> None:
    with pytest.raises(PlanningError, match="no column of behaviour"):
        assign_segments(Sheet(("s",), ("age",), np.ones((1, 1))))


def test_four_planted_clusters_are_found_exactly() -> None:
    draws = np.random.default_rng(5)
    truth = np.repeat(np.arange(4), 100)
    cells = np.array([(0, 0), (6, 0), (0, 6), (6, 6)])[truth] + draws.normal(0, 0.5, (400, 2))
    clusters = fit_clusters(cells)
    assert clusters.has_structure
    assert clusters.components == 4
    assert adjusted_rand_score(truth, clusters.labels) == 1.0


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_noise_has_no_cluster_structure(kind: str) -> None:
    draws = np.random.default_rng(6)
    cells = draws.normal(size=(300, 3)) if kind == "normal" else draws.uniform(size=(300, 3))
    clusters = fit_clusters(cells)
    assert not clusters.has_structure
    assert not clusters.labels.any()


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        (np.ones((15, 2)), "too few to find clusters"),
        (np.column_stack([np.arange(50.0), np.ones(50)]), "column 2 is constant"),
        (np.full((50, 2), np.nan), "every cell filled"),
    ],
)
def test_invalid_tables_are_not_clustered(cells: np.ndarray[tuple[int, int], np.dtype[np.float64]], complaint: str) -> None:
    with pytest.raises(PlanningError, match=complaint):
        fit_clusters(cells)

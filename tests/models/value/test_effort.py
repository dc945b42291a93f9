"""Volume, variety and velocity in the proportions of the sources, and within consent."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.types import Purpose
from models.value.bg_nbd import ValuationError
from models.value.decision_parameters import DAY_MS, association_intensity, association_strength, marketing_decision_value
from models.value.effort import REFRESH_S_MAX, REFRESH_S_MIN, TIERS, clv_edges, refresh_s, rows_for, tier_of

LEARNING: tuple[Purpose, ...] = ("learning",)
NOW_MS = 1_767_225_600_000
SHARE = st.floats(0, 1)
MONEY = st.floats(-1e6, 1e12, allow_nan=False)


def test_mdv_doubled_doubles_the_quota_until_the_cap() -> None:
    assert [rows_for(mdv, rows_per_minor=0.5, rows_max=1_000) for mdv in (400, 800, 1_600, 3_200, 6_400)] == [200, 400, 800, 1_000, 1_000]


def test_mdv_0_skips_mining() -> None:
    assert rows_for(0.0) == rows_for(-5.0) == 0


@given(MONEY, MONEY)
def test_volume_is_monotone_and_bounded(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= rows_for(low) <= rows_for(high) <= 1_000_000


def test_mdv_is_incremental_margin_times_reach_less_processing() -> None:
    assert marketing_decision_value(0.04, 250.0, 1_000, processing_minor=2_000.0) == pytest.approx(8_000.0)
    assert marketing_decision_value(-0.01, 250.0, 1_000) < 0
    with pytest.raises(ValuationError, match="difference of two probabilities"):
        marketing_decision_value(1.5, 1.0, 1.0)
    with pytest.raises(ValuationError, match="not be negative"):
        marketing_decision_value(0.5, 1.0, -1.0)


def test_variety_grows_with_clv_only_inside_consent() -> None:
    edges = clv_edges(np.arange(1.0, 101.0))
    assert [tier_of(clv, edges, LEARNING) for clv in (0.0, 50.0, 51.0, 80.0, 99.0)] == [1, 1, 2, 2, 3]
    assert {tier_of(clv, edges, ("presence", "offers", "measurement")) for clv in (0.0, 99.0, 1e12)} == {0}


def test_tier_0_holds_nothing_of_the_person_and_each_tier_holds_the_one_before() -> None:
    assert not any(name.startswith("visits_") or name in {"journeys", "associations", "cohorts"} for name in TIERS[0])
    for smaller, larger in itertools.pairwise(TIERS):
        assert set(smaller) < set(larger)


def test_velocity_goes_from_min_at_sba_0_to_max_at_sba_1() -> None:
    assert (refresh_s(0.0), refresh_s(1.0)) == (REFRESH_S_MIN, REFRESH_S_MAX)
    assert refresh_s(0.25, 100.0, 500.0) == 200.0


@given(SHARE, SHARE)
def test_velocity_is_monotone(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert REFRESH_S_MIN <= refresh_s(low) <= refresh_s(high) <= REFRESH_S_MAX


def test_sba_is_a_share_that_weighs_recent_choices_more() -> None:
    choices = pd.DataFrame(
        [("a", "bar", NOW_MS - 60 * DAY_MS), ("a", "cafe", NOW_MS), ("b", "bar", NOW_MS - 900 * DAY_MS), ("b", "bar", NOW_MS + 1)],
        columns=["subject", "kind", "at_ms"],
    )
    shares = association_strength(choices, NOW_MS, half_life_days=30.0)
    assert shares.loc["a"].to_dict() == {"bar": pytest.approx(0.2), "cafe": pytest.approx(0.8)}
    assert shares.loc["b"].to_dict() == {"bar": 1.0, "cafe": 0.0}
    with pytest.raises(ValuationError, match="no choice up to now_ms"):
        association_strength(choices, 0)


def test_iba_is_1_for_always_the_same_and_0_for_all_alike() -> None:
    shares = np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]])
    assert association_intensity(shares).tolist() == pytest.approx([1.0, 0.0, 0.5])
    assert association_intensity(np.ones((2, 1))).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: rows_for(float("nan")),
        lambda: rows_for(1.0, rows_per_minor=0.0),
        lambda: refresh_s(1.1),
        lambda: refresh_s(0.5, 10.0, 5.0),
        lambda: clv_edges(np.array([])),
        lambda: clv_edges(np.array([1.0, np.inf])),
        lambda: association_strength(pd.DataFrame({"subject": [], "kind": [], "at_ms": []}), 1, half_life_days=0.0),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: object) -> None:
    assert callable(wrong)
    with pytest.raises(ValuationError):
        wrong()

"""Volume, variety and velocity in the proportions of the sources, and within consent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.attributes.derive import tier_of
from gateway.core.attributes.groups import Variety
from gateway.core.types import Purpose
from models.value.bg_nbd import ValuationError
from models.value.effort import clv_edges, marketing_decision_value, rows_for

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
    variety = Variety("value", clv_edges(np.arange(1.0, 101.0)))
    assert [tier_of(variety, clv, LEARNING) for clv in (0.0, 50.0, 51.0, 80.0, 99.0)] == [1, 1, 2, 2, 3]
    assert {tier_of(variety, clv, ("presence", "offers", "measurement")) for clv in (0.0, 99.0, 1e12)} == {0}


def test_equal_quantiles_make_one_edge() -> None:
    assert clv_edges(np.full(10, 5.0)) == (5.0,)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: rows_for(float("nan")),
        lambda: rows_for(1.0, rows_per_minor=0.0),
        lambda: clv_edges(np.array([])),
        lambda: clv_edges(np.array([1.0, np.inf])),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: object) -> None:
    assert callable(wrong)
    with pytest.raises(ValuationError):
        wrong()

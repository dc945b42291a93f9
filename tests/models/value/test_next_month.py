"""Purchases of the next month on Online Retail, for subjects and months outside the training set."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.history.reading import RowCounts
from models.value import next_month
from models.value.bg_nbd import BgNbd, ValuationError
from models.value.next_month import NextMonthReport, next_month_benchmark, online_retail_benchmark
from models.value.subject_features import NAMES, features_before, rfm_edges, rfm_score
from tests.kit.shared import shared_path

NOTHING = RowCounts("baskets", 0, 0, {})


@pytest.fixture(scope="module")
def report() -> NextMonthReport:
    return online_retail_benchmark(shared_path("data/tables/online_retail/online_retail.csv.xz"), seed=0)


def test_every_line_of_online_retail_is_used_or_refused(report: NextMonthReport) -> None:
    table = report.table
    assert set(table.refused) == {"cancelled", "no_subject"}
    assert table.rows_in == table.used + sum(table.refused.values())


def test_the_champion_beats_rfm_on_the_next_month_and_bgnbd_within_chance(report: NextMonthReport) -> None:
    following = report.months[0]
    assert following.month == report.trained_months + 1 == 10
    assert following.above_rfm.low > 0
    assert following.above_bgnbd.value > 0 > following.above_bgnbd.low > -0.01
    assert following.champion.top_lift.value > following.rfm.top_lift.value
    assert following.champion.top_lift.low > 2.0


def test_it_is_no_worse_on_later_months_and_calibrated_on_the_next(report: NextMonthReport) -> None:
    assert [month.month for month in report.months] == [10, 11, 12]
    for month in report.months:
        assert month.above_rfm.value > 0
        assert month.above_bgnbd.value > 0
    assert report.months[0].figures.calibration_error < 0.06
    assert sum(report.chosen.values()) == report.folds


def _days(subjects: int, months: int, seed: int, *, habit: bool) -> pd.DataFrame:
    """Purchase days: half of the subjects buy every eighth day on average and half rarely (`habit`), or all buy at random."""
    draws = np.random.default_rng(seed)
    rows = []
    for subject in range(subjects):
        chance = (0.12 if subject % 2 else 0.01) if habit else 0.04
        bought = np.flatnonzero(draws.random(months * 30) < chance)
        rows += [(f"s{subject:04d}", 20_454 + int(day), 1_000.0) for day in bought]
    return pd.DataFrame(rows, columns=["subject", "day", "spent"])


def test_test_subjects_are_not_in_the_training_set_and_no_month_contains_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    days = _days(160, 12, 1, habit=True)
    seen: list[tuple[set[int], int]] = []
    original = next_month._month_rows

    def watched(of: pd.DataFrame, edges: np.ndarray, month: int, purchases: BgNbd) -> object:
        seen.append((set(of["number"]), month))
        return original(of, edges, month, purchases)

    monkeypatch.setattr(next_month, "_month_rows", watched)
    found = next_month_benchmark(days, NOTHING, seed=0, folds=2)
    trained = [subjects_seen for subjects_seen, month in seen if month <= found.trained_months]
    tested = [subjects_seen for subjects_seen, month in seen if month > found.trained_months]
    assert len(tested) == len(found.months) * found.folds
    for fold in range(found.folds):
        assert not trained[fold * len(trained) // found.folds] & tested[fold * len(found.months)]
    assert found.months[0].champion.auc.value > 0.8


def test_features_at_a_date_do_not_depend_on_later_days() -> None:
    days = pd.DataFrame({"number": [0, 0, 0, 1], "day": [10, 20, 35, 50], "spent": [100.0, 200.0, 900.0, 5.0]})
    early = features_before(days[days["day"] < 35], 30)
    late = features_before(days, 30)
    assert early.subjects.tolist() == late.subjects.tolist() == [0]
    assert np.array_equal(early.columns, late.columns)
    row = dict(zip(NAMES, late.columns[0], strict=True))
    assert (row["days_since_last"], row["age_days"], row["purchases"], row["gap_mean"]) == (10, 19, 2, 10)
    assert (row["spent"], row["spent_last"], row["purchases_30"], row["spent_30"]) == (300, 200, 2, 300)
    assert (row["purchases_60"], row["expected_purchases"]) == (2, 0)


def test_the_rfm_score_goes_from_3_to_15() -> None:
    columns = np.zeros((100, len(NAMES)))
    rank = np.arange(100.0)
    columns[:, NAMES.index("days_since_last")] = rank[::-1]
    columns[:, NAMES.index("purchases")] = rank
    columns[:, NAMES.index("spent")] = rank
    score = rfm_score(columns, rfm_edges(columns))
    assert (score.min(), score.max()) == (3.0, 15.0)
    assert (np.diff(score) >= 0).all()


def test_noise_is_not_forecast() -> None:
    found = next_month_benchmark(_days(160, 12, 10, habit=False), NOTHING, seed=0, folds=2)
    assert np.mean([month.champion.auc.value for month in found.months]) == pytest.approx(0.5, abs=0.1)


def test_tables_that_are_too_small_raise() -> None:
    days = _days(160, 12, 3, habit=True)
    everyday = pd.DataFrame(
        [(f"s{n}", 20_454 + day, 1.0) for n in range(120) for day in range(0, 360, 5)], columns=["subject", "day", "spent"]
    )
    for wrong, why in (
        (days.iloc[:0], "no day with a purchase"),
        (days[days["day"] < 20_454 + 100], "months are too few"),
        (days[days["subject"] < "s0050"], "subjects are too few"),
        (everyday, "all labels of"),
    ):
        with pytest.raises(ValuationError, match=why):
            next_month_benchmark(wrong, NOTHING, folds=2)

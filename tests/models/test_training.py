"""Training finds a planted effect and no effect in shuffled outcomes, and never tests on subjects that it was fitted to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import GroupKFold

from models import baselines, measures, training
from models.dataset.loading import LoadedTable
from models.propensity.boosting import DIRECTIONS, Recipe
from models.propensity.estimators import Estimator
from models.propensity.masking import MASKED_SHARE, mask
from models.propensity.training_set import TrainingError, validated
from tests.kit.shared import shared_path
from tests.models import tables

COUPONS = "data/tables/in_vehicle_coupon/in_vehicle_coupon.csv.gz"


def small(table: LoadedTable) -> tuple[Estimator, ...]:
    """Boosting with few small trees."""
    return training.feature_estimators(table.inputs, ["boosting"], (Recipe(rounds=30, rate=0.15, depth=3, leaf_rows_min=20),))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> LoadedTable:
    return tables.load(tables.write(tmp_path_factory.mktemp("tables") / "planted.csv", tables.planted(60, 20, seed=1)))


def test_a_planted_effect_is_found(table: LoadedTable) -> None:
    comparison, _, _ = training.compare(table.data, 0, small(table), repetitions=1)
    assert comparison.estimator == "boosting"
    assert comparison.champion.auc.low > 0.75
    assert comparison.champion.auc.low < comparison.champion.auc.value < comparison.champion.auc.high
    # visits_this_kind joins coupon and habit; one-hot columns alone have no such interaction.
    assert comparison.difference.low > 0
    # Without the habits only the expiry is known: worse, and still better than chance.
    assert comparison.blind_auc is not None
    assert 0.5 < comparison.blind_auc < comparison.champion.auc.value - 0.05
    assert [one.name for one in comparison.baselines][:2] == [baselines.PLAIN, baselines.UNTUNED]
    assert comparison.logistic == comparison.baselines[0].figures
    assert comparison.remarks == ("1 of 22 columns have the same value in every row",)


def test_the_best_of_all_estimators_is_chosen(table: LoadedTable) -> None:
    compete = training.feature_estimators(table.inputs, ["hybrid", "logistic", "per-parameter"])
    comparison, _, _ = training.compare(table.data, 0, compete, repetitions=1)
    losses = {of.estimator: of.figures.log_loss for of in comparison.estimators}
    assert set(losses) == {"hybrid", "logistic", "per-parameter"}
    assert comparison.estimator == min(losses, key=lambda estimator: losses[estimator])
    # The champion's own figures are of the choice inside the folds, so its log-loss is not below that of the best in hindsight.
    assert comparison.champion.log_loss >= comparison.estimators[0].figures.log_loss
    assert comparison.expected.low < comparison.champion.auc.low < comparison.champion.auc.high < comparison.expected.high
    (winner,) = (estimator for estimator in compete if estimator.name == comparison.estimator)
    assert training.fit_champion(table.data, 0, winner).estimator == comparison.estimator


def test_without_a_schema_there_is_no_comparison(table: LoadedTable) -> None:
    with pytest.raises(TrainingError, match="needs the schema"):
        training.compare(table.data._replace(inputs=None), 0, small(table))


def test_shuffled_outcomes_give_an_auc_of_one_half(table: LoadedTable) -> None:
    shuffled = table.data._replace(taken=np.random.default_rng(3).permutation(table.data.taken))
    comparison, _, _ = training.compare(shuffled, 0, small(table), repetitions=1)
    assert abs(comparison.champion.auc.value - 0.5) < 0.05
    assert abs(comparison.logistic.auc.value - 0.5) < 0.05


def test_the_same_seed_gives_the_same_champion(table: LoadedTable) -> None:
    first, second = (training.fit_champion(table.data, 4, small(table)[0]) for _ in range(2))
    rows = table.data.rows[:100]
    assert first.propensity(rows).tolist() == second.propensity(rows).tolist()
    assert first.calibration.name == second.calibration.name


def test_constraints_hold_everywhere(table: LoadedTable) -> None:
    champion = training.fit_champion(table.data, 0, small(table)[0])
    rows = table.data.rows[:200]
    for name, sign in DIRECTIONS.items():
        steps = np.linspace(0.0, 30.0, 31)
        moved = np.repeat(rows[:, np.newaxis, :], len(steps), axis=1)
        moved[:, :, table.inputs.columns.index(name)] = steps
        forecast = champion.propensity(moved.reshape(-1, rows.shape[1])).reshape(len(rows), -1)
        assert np.all(sign * np.diff(forecast, axis=1) >= 0), name


def test_a_column_without_data_changes_nothing(table: LoadedTable) -> None:
    """A column that is unknown in every row, as noise is here: were it absent, the same trees would come out."""
    rows, taken, names = table.data.rows, table.data.taken, table.inputs.columns
    wide = np.hstack((np.full((len(rows), 1), np.nan, np.float32), rows))
    recipe = Recipe(rounds=10)
    answer = recipe.make(names).fit(rows, taken).decision_function(rows)
    assert answer.tolist() == recipe.make(("noise", *names)).fit(wide, taken).decision_function(wide).tolist()


def test_masking_hides_the_stated_share(table: LoadedTable) -> None:
    rows = table.data.rows
    seen, columns = mask(rows, table.inputs, seed=2), table.inputs.columns
    hidden = np.isnan(seen).mean(axis=0)
    weather = [columns.index(f"weather_{word}") for word in ("sunny", "rainy", "snowy")]
    assert hidden[weather] == pytest.approx([MASKED_SHARE] * 3, abs=0.05)
    assert (np.isnan(seen[:, weather]).sum(axis=1) % 3 == 0).all()  # all columns of the weather are masked together
    assert abs(hidden[columns.index("visits_bar")] - (1 - (1 - MASKED_SHARE) * (1 - MASKED_SHARE / 2))) < 0.05
    assert hidden[columns.index("hour")] == 0
    known = ~np.isnan(seen)
    assert np.array_equal(seen[known], rows[known])
    # Habits of the offered kind are masked in both of their columns.
    for kind in table.inputs.schema.zone_kinds:
        asked = rows[:, columns.index(f"offer_{kind}")] == 1
        own, this = (np.isnan(seen[asked, columns.index(f"visits_{name}")]) for name in (kind, "this_kind"))
        assert np.array_equal(own, this)


def test_a_few_rows_are_refused(tmp_path: Path) -> None:
    ten = tables.load(tables.write(tmp_path / "ten.csv", tables.planted(5, 2, seed=1)))
    with pytest.raises(TrainingError, match="10 usable rows of 5 respondents are too few"):
        validated(ten.data)


def test_a_single_outcome_is_refused(table: LoadedTable) -> None:
    with pytest.raises(TrainingError, match="same outcome"):
        validated(table.data._replace(taken=np.ones_like(table.data.taken)))


def test_measures_agree_with_scikit_learn() -> None:
    draws = np.random.default_rng(0)
    taken, weights = draws.integers(0, 2, 500), draws.integers(0, 4, 500).astype(np.float64)
    for forecast in (draws.random(500), draws.integers(0, 5, 500) / 5.0):
        area = measures.Ranking(taken, forecast).auc(weights)
        assert area == pytest.approx(roc_auc_score(taken, forecast, sample_weight=weights), abs=1e-12)
        assert measures.average_precision(taken, forecast) == pytest.approx(average_precision_score(taken, forecast), abs=1e-12)


def test_intervals_are_over_respondents_not_rows() -> None:
    """Twenty equal rows of a respondent count as one: the interval does not shrink with their number."""
    draws = np.random.default_rng(0)
    taken, forecast = draws.integers(0, 2, 80), draws.random(80)
    once = measures.areas(taken, np.arange(80), (forecast,), seed=1).of(0)
    many = measures.areas(np.repeat(taken, 20), np.repeat(np.arange(80), 20), (np.repeat(forecast, 20),), seed=1).of(0)
    assert (many.low, many.high) == pytest.approx((once.low, once.high), abs=1e-9)


def test_known_answer_plain_logistic_on_the_coupon_table() -> None:
    """Published for the whole table (12,684 rows, all columns, grouped): .714. On the 8,913 rows shared here: .7157 by this split.

    The tolerance of .006 is a third of the interval over respondents (.709 … .740 on our columns).
    """
    table = pd.read_csv(shared_path(COUPONS), dtype=str)
    codes = np.stack([pd.factorize(table[name])[0] for name in table.drop(columns=["Y", "respondent"])], axis=1).astype(np.float32)
    taken = table["Y"].to_numpy(dtype=np.int64)
    forecast = np.zeros(len(taken))
    for train, test in GroupKFold(5).split(codes, groups=table["respondent"]):
        forecast[test] = (
            baselines.plain_logistic(np.ones(codes.shape[1], bool)).fit(codes[train], taken[train]).predict_proba(codes[test])[:, 1]
        )
    assert roc_auc_score(taken, forecast) == pytest.approx(0.714, abs=0.006)


@pytest.mark.soak
def test_the_champion_is_above_plain_logistic_on_the_coupon_table() -> None:
    """The benchmark asks for +.02 on the same columns; measured +.053 (.042 … .064). One recipe here, to be quick."""
    table = tables.load(shared_path(COUPONS))
    compete = training.feature_estimators(table.inputs, ["boosting"], (Recipe(rounds=80, rate=0.1, depth=4),))
    comparison, _, _ = training.compare(table.data, 0, compete, repetitions=1)
    assert comparison.logistic.auc.value == pytest.approx(0.7256, abs=0.006)
    assert comparison.difference.low > 0.02
    assert comparison.champion.calibration_error < 0.04
    assert comparison.blind_auc is not None
    assert comparison.blind_auc > 0.70

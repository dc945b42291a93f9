"""Lifetime value: published parameters of CDNOW, and forecasts against its holdout weeks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import hyp2f1

from gateway.core.attributes.derive import tier_of
from gateway.core.attributes.groups import Variety
from gateway.core.types import Purpose
from models.history import derived
from models.history.reading import open_history
from models.value.bg_nbd import (
    BgNbd,
    RfmSummary,
    ValuationError,
    at_least,
    expected_purchases,
    fit_bg_nbd,
    log_likelihood,
    probability_alive,
    purchase_interval,
    rfm_summary,
)
from models.value.effort import clv_edges
from models.value.forecasts import choose_forecast, value_interval
from models.value.gamma_gamma import expected_spend, fit_gamma_gamma
from models.value.lifetime import Terms, discounted_purchases, lifetime_values
from tests.models.value import cdnow

LEARNING: tuple[Purpose, ...] = ("learning",)
PUBLISHED = BgNbd(0.243, 4.414, 0.793, 2.426, (0.0, 0.0, 0.0, 0.0), 0.0, 0)
CENTRAL = BgNbd(0.525, 6.183, 0.891, 1.614, (0.0, 0.0, 0.0, 0.0), 0.0, 0, modified=True)


@pytest.fixture(scope="module")
def fitted() -> BgNbd:
    return fit_bg_nbd(rfm_summary(cdnow.summary()))


@pytest.fixture(scope="module")
def summaries(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """RFM summaries of 39 and of 78 weeks, computed from the transactions by SQL."""
    path = cdnow.as_baskets(tmp_path_factory.mktemp("cdnow") / "baskets.csv")
    with open_history(baskets=path, memory_mb=256) as history:
        return derived.rfm(history, cdnow.END_OF_WEEK_39_MS), derived.rfm(history, cdnow.END_OF_WEEK_78_MS)


def test_cdnow_bg_nbd_parameters_equal_the_published_ones(fitted: BgNbd) -> None:
    assert [round(float(value), 3) for value in fitted.parameters] == [0.243, 4.414, 0.793, 2.426]
    assert fitted.log_likelihood == pytest.approx(-9582.4, abs=0.05)


def test_cdnow_mbg_nbd_parameters_are_those_of_other_implementations() -> None:
    """0.525, 6.183, 0.891, 1.614: test of `lifetimes` 0.11 (ModifiedBetaGeoFitter), which names the R package BTYDplus as its source."""
    summary = rfm_summary(cdnow.summary())
    model = fit_bg_nbd(summary, modified=True)
    assert [round(float(value), 3) for value in model.parameters] == [0.525, 6.183, 0.891, 1.614]
    assert (
        log_likelihood(model.parameters * 1.02, summary, modified=True).sum() < model.log_likelihood == pytest.approx(-9582.13, abs=0.005)
    )


def test_a_one_time_buyer_may_have_left_and_the_longer_ago_the_likelier(fitted: BgNbd) -> None:
    ages = np.array([0.0, 4.0, 20.0, 38.0])
    once = RfmSummary(np.zeros(4), np.zeros(4), ages)
    chance = probability_alive(CENTRAL, once)
    assert (chance < 1).all()
    assert (np.diff(chance) < 0).all()
    assert chance[0] == pytest.approx(1.614 / (1.614 + 0.891)), "right after the purchase: one minus the mean dropout probability"
    assert (probability_alive(fitted, once) == 1).all(), "1 by construction of BG/NBD, which is why it is not the figure that is reported"


@pytest.mark.parametrize("modified", [False, True])
def test_the_distribution_of_purchases_has_the_mean_of_the_forecast(modified: bool) -> None:  # noqa: FBT001
    model = BgNbd(0.8, 6.0, 0.7, 3.0, (0.0,) * 4, 0.0, 0, modified)
    people = RfmSummary(np.array([0.0, 3.0, 12.0]), np.array([0.0, 20.0, 38.0]), np.array([30.0, 40.0, 40.0]))
    counts = range(1, 400)
    mean = sum(at_least(model, people, 26.0, np.full(3, float(count))) for count in counts)
    assert mean == pytest.approx(expected_purchases(model, people, 26.0), rel=1e-4)
    assert (at_least(model, people, 26.0, np.zeros(3)) == 1).all()


@pytest.mark.parametrize("modified", [False, True])
def test_intervals_cover_later_purchases_of_simulated_people_at_their_level(modified: bool) -> None:  # noqa: FBT001
    """Planted truth: the model fitted to 40 weeks of 3,000 people, its intervals compared with their next 26 weeks."""
    known, later, spend = cdnow.drawn_with_future(3_000, (0.8, 6.0, 0.7, 3.0), 40.0, 26.0, seed=11, modified=modified)
    model = fit_bg_nbd(known, modified=modified)
    bounds = {level: purchase_interval(model, known, 26.0, level) for level in (0.5, 0.8, 0.9)}
    for level, (low, high) in bounds.items():
        assert level - 0.02 <= ((later >= low) & (later <= high)).mean() < 1.0, "whole numbers: the level or more"
    low, high = bounds[0.9]
    assert (bounds[0.5][1] - bounds[0.5][0] <= high - low).all()
    assert ((later >= low) & (later <= high - 2)).mean() < 0.9, "a narrower interval would not cover"
    money = fit_gamma_gamma(known.frequency, spend.before)
    low, high = value_interval(model, money, known, spend.before, 26.0, seed=1, level=0.9)
    assert 0.88 <= ((spend.after >= low) & (spend.after <= high)).mean() <= 0.98


def test_held_out_months_choose_the_model_that_made_the_data() -> None:
    """People of each model: the true one has the higher log probability, and the last month takes no part in the choice."""
    for modified, name in ((False, "BG/NBD"), (True, "MBG/NBD")):
        tables_by_day = cdnow.drawn_tables(6_000, (1.2, 5.0, 0.9, 2.0), (280, 310, 340), seed=5, modified=modified)
        forecast = choose_forecast(tables_by_day.__getitem__, 7.0)
        assert forecast.chosen == name
        assert forecast.covered >= 0.9
        assert forecast.expected == pytest.approx(forecast.bought, rel=0.15)
        other = {**tables_by_day, 0: tables_by_day[0].assign(frequency=tables_by_day[30]["frequency"])}
        changed = choose_forecast(other.__getitem__, 7.0)
        assert (changed.chosen, changed.log_scores) == (name, forecast.log_scores)
        assert changed.bought == 0.0


def test_without_months_to_hold_out_the_reason_is_stated() -> None:
    few = _table(frequency=[1.0] * 10, recency=[1.0] * 10, age=[2.0] * 10)
    assert choose_forecast(lambda _: few, 7.0).reason.startswith("no months held out: 10 subjects")


def test_cdnow_standard_errors_hold_under_resampling(fitted: BgNbd) -> None:
    summary = rfm_summary(cdnow.summary())
    draws = np.random.default_rng(1)
    refitted = []
    for _ in range(8):
        rows = draws.integers(len(summary.age), size=len(summary.age))
        refitted.append(np.log(fit_bg_nbd(RfmSummary(*(column[rows] for column in summary))).parameters[:2]))
    spread = np.std(refitted, axis=0, ddof=1)
    reported = np.array(fitted.standard_errors[:2]) / fitted.parameters[:2]
    assert ((spread > reported / 2.5) & (spread < reported * 2.5)).all()


def test_cdnow_gamma_gamma_parameters_equal_the_published_ones() -> None:
    model = fit_gamma_gamma(*cdnow.spends())
    assert np.abs(np.array((model.p, model.q, model.v)) - (6.25, 3.74, 15.44)).max() < 0.01
    assert model.subjects == 946
    assert model.correlation == pytest.approx(0.11, abs=0.01)
    # The published mean spend per transaction over all customers is about 36 dollars (lifetimes prints 35.2 for the expected one).
    assert expected_spend(model, np.zeros(1), np.zeros(1))[0] == pytest.approx(6.25 * 15.44 / (3.74 - 1), rel=0.01)


def test_our_sql_makes_the_published_summary(summaries: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    published = cdnow.summary().assign(zbar=cdnow.spends()[1]).set_index("subject")
    ours = summaries[0].assign(subject=summaries[0]["subject"].astype(int)).set_index("subject")
    theirs = published.loc[ours.index]
    assert len(ours) > 1_000
    assert (ours["frequency"] == theirs["frequency"]).all()
    for name, of in (("recency", ours["recency"]), ("age", ours["age"]), ("zbar", ours["monetary_minor"] / 100)):
        assert np.abs(of - theirs[name]).max() < 0.006, name


def test_cdnow_holdout_of_weeks_40_to_78(summaries: tuple[pd.DataFrame, pd.DataFrame], fitted: BgNbd) -> None:
    known, later = summaries
    actual = later["frequency"].to_numpy() - known["frequency"].to_numpy()
    forecast = expected_purchases(fitted, rfm_summary(known), 39.0)
    assert forecast.sum() == pytest.approx(actual.sum(), rel=0.10)
    assert np.corrcoef(forecast, actual)[0, 1] > 0.6
    best = np.argsort(-forecast)[: len(actual) // 10]
    assert actual[best].sum() > 0.45 * actual.sum()


def test_a_published_forecast_of_one_person() -> None:
    # Fader, Hardie, Lee (2005), section 5: x = 2, t_x = 30.43, T = 38.86 gives 1.226 transactions in the next 39 weeks.
    person = RfmSummary(np.array([2.0]), np.array([30.43]), np.array([38.86]))
    assert expected_purchases(PUBLISHED, person, 39.0)[0] == pytest.approx(1.226, abs=0.001)


def test_planted_parameters_are_found_again() -> None:
    planted = (0.8, 6.0, 0.7, 3.0)
    model = fit_bg_nbd(cdnow.drawn(4_000, planted, 52, seed=3))
    for value, error, truth in zip(model.parameters, model.standard_errors, planted, strict=True):
        assert abs(value - truth) < 3 * error
        assert error < truth


def test_the_likelihood_sums_to_one_over_a_short_time() -> None:
    """In a very short time there is no purchase or one, so P(0) and the integral of the density of one must sum to 1."""
    age, steps = 0.01, 400
    none = np.exp(log_likelihood(PUBLISHED.parameters, RfmSummary(np.zeros(1), np.zeros(1), np.array([age]))))[0]
    at = (np.arange(steps) + 0.5) * age / steps
    one = np.exp(log_likelihood(PUBLISHED.parameters, RfmSummary(np.ones(steps), at, np.full(steps, age)))).mean() * age
    assert none + one == pytest.approx(1.0, abs=1e-5)


def test_forecasts_stay_sound_at_the_edges() -> None:
    many = RfmSummary(np.array([0.0, 1.0, 500.0]), np.array([0.0, 0.0, 51.9]), np.array([0.0, 52.0, 52.0]))
    for a in (0.5, 1.0, 2.0):
        model = BgNbd(0.5, 5.0, a, 3.0, (0.0,) * 4, 0.0, 0)
        near, far = expected_purchases(model, many, 1.0), expected_purchases(model, many, 100.0)
        assert (near >= 0).all()
        assert (near < far).all()
        assert (far < 100 * (many.frequency + 0.5) / (many.age + 5.0) + 1e-9).all()
        assert ((probability_alive(model, many) >= 0) & (probability_alive(model, many) <= 1)).all()


@pytest.mark.parametrize("a", [0.05, 0.793, 1.7])
def test_the_quadrature_is_the_published_closed_form(a: float) -> None:
    summary = RfmSummary(np.array([0.0, 1.0, 7.0, 29.0]), np.array([0.0, 3.0, 30.0, 38.0]), np.full(4, 38.86))
    model = BgNbd(0.243, 4.414, a, 2.426, (0.0,) * 4, 0.0, 0)
    x, span = summary.frequency, 39.0
    before, after = model.alpha + summary.age, model.alpha + summary.age + span
    series = hyp2f1(model.r + x, model.b + x, a + model.b + x - 1, span / after)
    closed = (a + model.b + x - 1) / (a - 1) * (1 - (before / after) ** (model.r + x) * series) * probability_alive(model, summary)
    assert expected_purchases(model, summary, span) == pytest.approx(closed, rel=1e-5)


def test_without_dropout_the_forecast_is_that_of_rates_alone() -> None:
    summary = RfmSummary(np.array([0.0, 12.0]), np.array([0.0, 40.0]), np.array([10.0, 52.0]))
    model = BgNbd(2.0, 16.0, 1e-4, 1e5, (0.0,) * 4, 0.0, 0)
    assert expected_purchases(model, summary, 10.0) == pytest.approx(10 * (2.0 + summary.frequency) / (16.0 + summary.age), rel=1e-4)


def test_later_money_counts_less() -> None:
    person = RfmSummary(np.array([5.0]), np.array([30.0]), np.array([38.0]))
    month = 365.25 / 12 / 7
    plain = discounted_purchases(PUBLISHED, person, month, Terms(12, 0.0))[0]
    assert plain == pytest.approx(expected_purchases(PUBLISHED, person, 12 * month)[0])
    assert discounted_purchases(PUBLISHED, person, month, Terms(12, 0.5))[0] < plain
    assert discounted_purchases(PUBLISHED, person, month, Terms(24, 0.0))[0] > plain


def test_top_clv_subject_without_profiling_consent_gets_tier_0(summaries: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    worth = lifetime_values(summaries[0], 7.0).value_minor
    variety = Variety("value", clv_edges(worth))
    top = float(worth.max())
    assert tier_of(variety, top, ("presence", "offers", "measurement")) == 0
    assert tier_of(variety, top, ()) == 0
    assert tier_of(variety, top, LEARNING) == 3
    assert tier_of(variety, float(worth.min()), LEARNING) == 1


def _table(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"subject": [str(number) for number in range(len(columns["frequency"]))], **columns})


def test_invalid_summaries_raise() -> None:
    ten = _table(frequency=[1.0] * 10, recency=[1.0] * 10, age=[2.0] * 10, monetary_minor=[5.0] * 10)
    for table, why in (
        (ten, "10 subjects with 10 repeat buyers are too few"),
        (ten.drop(columns="recency"), "lacks the columns recency"),
        (ten.assign(recency=9.0), "later than the last day"),
        (ten.assign(frequency=0.0), "frequency 0 and a recency above 0"),
        (ten.assign(age=float("nan")), "missing or negative"),
    ):
        with pytest.raises(ValuationError, match=why):
            lifetime_values(table, 7.0)
    with pytest.raises(ValuationError, match="spends the same"):
        fit_gamma_gamma(np.ones(50), np.full(50, 9.0))
    with pytest.raises(ValuationError, match="0 subjects spent"):
        fit_gamma_gamma(np.zeros(50), np.zeros(50))
    with pytest.raises(ValuationError, match="months must be"):
        lifetime_values(ten, 7.0, Terms(months=0))

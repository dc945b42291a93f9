"""Each benchmark on few rows of the real table or on rows with a planted truth, and with planted leaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from models.benchmarks import bank, cdnow, coupon, groceries, hillstrom, journey, open_bandit, runner, shoppers
from models.benchmarks.benchmark import Benchmark, Line
from models.benchmarks.blending import Member, fit_blend
from models.dataset.loading import LoadedTable
from models.propensity.boosting import RECIPES
from models.propensity.estimators import Estimator
from models.tables import cdnow as cdnow_table
from models.tables import groceries as groceries_table
from models.tables import hillstrom as hillstrom_table
from models.tables import journey as journey_table
from models.tables import open_bandit as open_bandit_table
from models.tables import shoppers as shoppers_table
from models.tables.reading import Counts
from models.training import feature_estimators
from models.uplift.learners import LEARNERS
from tests.kit.shared import shared_path
from tests.models import tables as coupon_tables
from tests.models.benchmarks import made

DRAWS = 40
TWO = {name: LEARNERS[name] for name in ("T", "S")}


def _line(benchmark: Benchmark, figure: str) -> Line:
    (line,) = [line for line in benchmark.lines if line.figure.startswith(figure)]
    return line


def _one_boosting() -> tuple[Member, ...]:
    """The benchmark's own columns, with fewer and larger boosting steps."""
    first = shoppers.blend_members()[0]
    return (first._replace(make=lambda seed: HistGradientBoostingClassifier(max_iter=30, max_leaf_nodes=8, random_state=seed), seeds=1),)


def _one_recipe(table: LoadedTable) -> tuple[Estimator, ...]:
    return feature_estimators(table.inputs, ("boosting",), RECIPES[:1])


def test_page_values_are_used_only_where_stated() -> None:
    """Page values that equal the outcome: with them the AUC is one, without them nothing of them leaks."""
    leaking = shoppers.benchmark(made.sessions(600, 1, known=1.0), 0, made.quiet, _one_boosting(), DRAWS)
    silent = shoppers.benchmark(made.sessions(600, 1, known=0.0), 0, made.quiet, _one_boosting(), DRAWS)
    assert _line(leaking, "AUC, with Page").ours.value > 0.99
    assert _line(leaking, "AUC, without").ours == _line(silent, "AUC, without").ours
    assert 0.6 < _line(leaking, "AUC, without").ours.value < 0.95
    assert "computed from completed purchases" in leaking.notes[0]
    assert leaking.base_rate is not None


def test_the_shoppers_benchmark_on_few_sessions() -> None:
    table = shoppers_table.read_shoppers(shared_path("data/tables/online_shoppers/online_shoppers_intention.csv.gz"))
    few = table.take(np.sort(np.random.default_rng(0).permutation(len(table.bought))[:1_500]))
    benchmark = shoppers.benchmark(few, 0, made.quiet, _one_boosting(), DRAWS)
    with_it, without = _line(benchmark, "AUC, with Page"), _line(benchmark, "AUC, without")
    assert with_it.ours.value > 0.91
    assert 0.70 < without.ours.value < 0.82
    assert with_it.published == 0.937
    assert with_it.untuned is not None


def test_without_a_pattern_no_target_is_reached() -> None:
    table = made.sessions(600, 2, known=0.0)
    noise = table._replace(bought=made.chance(np.full(600, 0.3), 9))
    line = _line(shoppers.benchmark(noise, 0, made.quiet, _one_boosting(), DRAWS), "AUC, with Page")
    assert 0.4 < line.ours.value < 0.6
    assert line.reached is False
    assert line.gap == pytest.approx(0.937 - line.ours.value)


def test_recent_success_uses_only_calls_before_the_last_full_ten() -> None:
    bought = made.chance(np.full(300, 0.5), 0)
    before = bank.recent_success(bought)
    changed = bought.copy()
    changed[140:] = 1 - changed[140:]
    after = bank.recent_success(changed)
    assert (before[:150] == after[:150]).all()  # outcomes of calls 140 to 149 are known from call 150 on
    assert (before[150] != after[150]).any()


def test_models_roll_over_whole_days() -> None:
    days = np.repeat(np.arange(6), [3, 2, 4, 1, 5, 2])
    assert bank.next_day(days, 4) == 5
    assert list(bank.rolling(days, 5, new_answers=4)) == [slice(5, 9), slice(9, 15), slice(15, 17)]


@pytest.mark.soak
def test_the_bank_benchmark_follows_the_drift() -> None:
    """Success depends on the day only, and the rates drift: rolling models follow, models trained once do not."""
    rates = np.clip(0.25 + 0.2 * np.sin(np.arange(60) / 3.0), 0.0, 1.0)
    benchmark = bank.benchmark(made.calls(1_500, 25, rates, seed=3), 0, made.quiet, new_answers=250, draws=DRAWS)
    line = _line(benchmark, "AUC")
    assert line.ours.value > 0.6
    assert line.covered is None
    flat = bank.benchmark(made.calls(1_500, 25, np.full(60, 0.25), seed=3), 0, made.quiet, new_answers=800, draws=DRAWS)
    assert 0.42 < _line(flat, "AUC").ours.value < 0.58
    assert _line(flat, "AUC").reached is False


def test_a_respondent_is_on_one_side_of_a_split(tmp_path: Path) -> None:
    """Each respondent has one random answer: split by respondent it cannot be forecast, split by row it can."""
    rows = coupon_tables.planted(respondents=60, rows_each=8, seed=0)
    answers = np.random.default_rng(1).integers(0, 2, 60)
    answered = [row | {"Y": str(answers[int(row["respondent"])])} for row in rows]
    table = coupon_tables.load(coupon_tables.write(tmp_path / "table.csv", answered))
    benchmark = coupon.benchmark(table, 0, made.quiet, _one_recipe(table), DRAWS)
    leak = float(benchmark.notes[2].split("AUC of ")[1].split(":")[0])
    assert _line(benchmark, "AUC").ours.value < 0.65
    assert leak > 0.75
    assert benchmark.unit == "respondent"


@pytest.mark.soak
def test_the_coupon_benchmark_on_few_respondents() -> None:
    table = coupon_tables.load(shared_path("data/tables/in_vehicle_coupon/in_vehicle_coupon.csv.gz"))
    part = table._replace(data=table.data.take(np.flatnonzero(table.data.groups < 90)))
    line = _line(coupon.benchmark(part, 0, made.quiet, _one_recipe(table), DRAWS), "above plain logistic")
    assert line.ours.value > 0.0
    assert line.target == 0.02


def _trial(customers: int, effect: float) -> hillstrom_table.Trial:
    """Half get the women's e-mail; it raises visits of buyers of women's goods by `effect`. Buyers of men's goods visit more without it."""
    draws = np.random.default_rng(4)
    womens, mens = draws.integers(0, 2, (2, customers))
    rows = pd.DataFrame({"womens": womens, "mens": mens, "noise": draws.random(customers)})
    arms = np.where(draws.random(customers) < 0.5, hillstrom_table.WOMENS, hillstrom_table.NONE)
    moved = effect * ((arms == hillstrom_table.WOMENS) & (rows["womens"] == 1)).to_numpy()
    visited = made.chance(0.1 + 0.3 * rows["mens"].to_numpy() + moved, 5)
    return hillstrom_table.Trial(rows.astype(np.float64), arms, visited, np.zeros(customers), Counts(customers, customers, {}))


def test_the_uplift_benchmark_finds_persuadables_and_leaves_sure_things_out() -> None:
    benchmark = hillstrom.benchmark(_trial(4_000, effect=0.3), 0, made.quiet, arms=(hillstrom_table.WOMENS,), learners=TWO, draws=DRAWS)
    assert _line(benchmark, "women's e-mail: uplift").ours.value > 0.2
    assert _line(benchmark, "women's e-mail: Qini").ours.low > 0.0
    (sure,) = [note for note in benchmark.notes if "sure thing" in note]
    assert "ours gives them 0.0%" in sure


def test_an_e_mail_without_effect_has_no_uplift() -> None:
    benchmark = hillstrom.benchmark(_trial(3_000, effect=0.0), 0, made.quiet, arms=(hillstrom_table.WOMENS,), learners=TWO, draws=DRAWS)
    assert _line(benchmark, "women's e-mail: Qini").ours.low < 0.0
    assert _line(benchmark, "women's e-mail: uplift").ours.value < 0.0661
    assert benchmark.notes[0] == "women's e-mail: learners chosen: T 5"


def test_the_open_bandit_benchmark_estimates_or_states_a_reason() -> None:
    root = shared_path("data/tables/open_bandit_small")
    benchmark = runner.BENCHMARKS["open_bandit"].run(root, 0, made.quiet, True)  # noqa: FBT003 (the signature of all benchmarks)
    assert _line(benchmark, "men: clicks a showing, Thompson").ours.value == pytest.approx(0.0069, abs=5e-5)
    assert _line(benchmark, "women: clicks a showing, random policy").ours.value == pytest.approx(0.0046, abs=5e-5)
    men, women = benchmark.notes
    assert "-> accepted" in men
    assert "-> refused: the log could not make" in women
    estimated = [line for line in benchmark.lines if "from the other log" in line.figure]
    assert [line.figure[:4] for line in estimated] == ["men:"] * 4
    assert all(line.covered and line.published == line.aside for line in estimated)


def test_a_thin_overlap_gets_no_estimate() -> None:
    root = shared_path("data/tables/open_bandit_small")
    lot = open_bandit_table.read_choices(root, open_bandit_table.RANDOM, open_bandit_table.WOMEN)
    log = open_bandit_table.read_choices(root, open_bandit_table.THOMPSON, open_bandit_table.WOMEN)
    thin = log._replace(p_select=np.append(log.p_select[:-1], 1e-6))
    lines, note = open_bandit.campaign_lines("women", lot, thin, 46, 0)
    assert not [line for line in lines if "from the other log" in line.figure]
    assert "largest 21,739" in note
    assert "refused: effective sample size" in note
    sound = log._replace(p_select=np.clip(log.p_select, 0.01, 1.0))  # not what was logged, but without thin choices
    lines, note = open_bandit.campaign_lines("women", lot, sound, 46, 0)
    assert "missing mass" in note


def test_groceries_and_cdnow_are_exact() -> None:
    root = shared_path("data/tables")
    rules = groceries.benchmark(groceries_table.read_baskets(root / "groceries/groceries_baskets.txt.gz"), made.quiet)
    assert [line.ours.value for line in rules.lines] == [410, 2_918, 5_668, 2_513]
    plain = cdnow_table.read_buyers(root / "cdnow/cdnow_customers_summary.csv")
    money = cdnow_table.read_buyers(root / "cdnow/cdnow_customers_summary_with_transactions.csv")
    assert [line.figure for line in cdnow.benchmark(plain, money, made.quiet).lines if not line.reached] == []


def test_one_basket_less_breaks_the_counts() -> None:
    table = groceries_table.read_baskets(shared_path("data/tables/groceries/groceries_baskets.txt.gz"))
    benchmark = groceries.benchmark(table._replace(baskets=table.baskets[1_000:]), made.quiet)
    assert not benchmark.reached


def _households(count: int) -> journey_table.Journey:
    table = journey_table.read_journey(shared_path("data/tables/complete_journey"))
    kept = table.mailings["household"].drop_duplicates().sort_values().to_numpy()[:count]
    return table._replace(
        lines=table.lines[table.lines["household"].isin(kept)],
        mailings=table.mailings[table.mailings["household"].isin(kept)],
        redemptions=table.redemptions[table.redemptions["household"].isin(kept)],
    )


def test_features_of_a_mailing_are_from_before_its_campaign() -> None:
    """Without the data after the summer, no row of an earlier campaign changes."""
    whole = _households(60)
    split = pd.Timestamp("2017-07-01")
    cut = whole._replace(lines=whole.lines[whole.lines["day"] < split], redemptions=whole.redemptions[whole.redemptions["day"] < split])
    known, less = journey.mailings_of(whole), journey.mailings_of(cut)
    early = (known.starts <= split).to_numpy()
    pd.testing.assert_frame_equal(known.rows[early], less.rows[early])
    assert not known.rows[~early].equals(less.rows[~early])


@pytest.mark.soak
def test_the_journey_benchmark_on_few_households() -> None:
    benchmark = journey.benchmark(_households(350), 0, made.quiet, DRAWS, aside=True)
    line = _line(benchmark, "AUC, redemption")
    assert line.ours.value > 0.65
    assert set(line.others) == {"RFM", "BG/NBD"}
    assert _line(benchmark, "AUC, month 10").ours.value > 0.7
    assert all(line.covered is not None for line in benchmark.lines)
    assert "sample of lines" in benchmark.notes[-1]


def test_time_spans_are_put_aside_at_the_end() -> None:
    """Rates drift up for good: the last spans are unlike the others, and a figure of them is outside the interval of equal spans."""
    found = bank.next_spans(np.array([0.70, 0.72, 0.74, 0.70, 0.72, 0.74]), 3)
    assert (found.low, found.high) == pytest.approx((0.72 - 2.5706 * 0.017889 * 0.5**0.5, 0.72 + 2.5706 * 0.017889 * 0.5**0.5), abs=1e-4)
    spans = bank._spans(np.repeat(np.arange(30), 4))
    assert len(spans) == bank.SPANS_TESTED
    assert np.concatenate(spans).tolist() == list(range(120))
    assert all(span[0] % 4 == 0 for span in spans)


def test_a_blend_is_chosen_by_inner_folds() -> None:
    table = made.sessions(400, 6, known=0.0)
    blend = fit_blend(shoppers.blend_members(), table.rows, table.bought, None, 0)
    assert 1 <= len(blend.members) <= 2
    forecast = blend.forecast(table.rows)
    assert ((forecast > 0) & (forecast < 1)).all()


@pytest.mark.soak
@pytest.mark.parametrize("name", runner.BENCHMARKS)
def test_a_whole_benchmark_reaches_its_targets(name: str) -> None:
    data = shared_path("data/tables")
    (benchmark,) = runner.run(data, [name], 0, made.quiet)
    assert [line.figure for line in benchmark.lines if line.reached is False and "lift in the best" not in line.figure] == []

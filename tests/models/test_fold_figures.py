"""Intervals over folds: by hand, and how often they hold the truth for new people."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from models.fold_figures import FoldFigures, Measure, Part, Z
from models.measures import Interval, Ranking
from tests.models import simulated
from tests.models.simulated import World, share_covered, study

CROWDED = World(people=60, columns=30, spread=0.5)
WORLDS = (World(60, 15, 1.0), World(150, 15, 1.0), CROWDED)


def _means(values: np.ndarray, parts: list[Part], ratio: float) -> FoldFigures:
    """The mean of a value, one unit a row."""
    makers: dict[str, Callable[[Part], Measure]] = {
        "mean": lambda part: lambda weights: float(weights @ values[part.rows] / weights.sum()),
        "zero": lambda _: lambda _: 0.0,
    }
    return FoldFigures(makers, parts, np.arange(len(values)), seed=0, test_to_train=ratio)


def test_the_variance_of_nadeau_and_bengio_by_hand() -> None:
    """Four parts of equal rows with the means 1, 2, 3 and 6: variance 14 / 3, times 1/4 + 1/3."""
    parts = [Part(0, np.arange(at, at + 5)) for at in range(0, 20, 5)]
    found = _means(np.repeat([1.0, 2.0, 3.0, 6.0], 5), parts, 1 / 3)
    half = Z * (14 / 3 * (1 / 4 + 1 / 3)) ** 0.5
    assert (found.of("mean").low, found.of("mean").high) == pytest.approx((3.0 - half, 3.0 + half))
    assert found.difference("mean", "zero") == found.of("mean")
    assert found.difference("mean", "mean") == Interval(0.0, 0.0, 0.0)


def test_parts_that_agree_by_chance_are_no_certainty() -> None:
    """Equal means in all parts, of values that differ: the variance of one part over its people is used."""
    values = np.tile([0.0, 1.0], 500)
    found = _means(values, [Part(0, np.arange(at, at + 200)) for at in range(0, 1_000, 200)], 1 / 4).of("mean")
    of_part = 0.25 / 200  # variance of the mean of 200 values of variance 1/4
    assert found.high - found.value == pytest.approx(Z * (of_part * 0.45) ** 0.5, rel=0.1)


def test_repetitions_shorten_the_interval_up_to_the_second_term() -> None:
    once = [Part(0, np.arange(at, at + 5)) for at in range(0, 20, 5)]
    often = once + [part._replace(repetition=1) for part in once] * 40
    one, many = (_means(np.repeat([1.0, 2.0, 3.0, 6.0], 5), parts, 1 / 3).of("mean") for parts in (once, often))
    between = 14 / 4 * 164 / 163  # variance of 164 parts instead of 14 / 3 of four
    assert (many.high - many.low) / (one.high - one.low) == pytest.approx((between * (1 / 164 + 1 / 3) / (14 / 3 * (1 / 4 + 1 / 3))) ** 0.5)


def test_fewer_new_people_show_figures_farther_off() -> None:
    found = study(CROWDED, 0)
    widths = [found.of_new(people).high - found.of_new(people).low for people in (10, 100, 1_000_000)]
    assert widths[0] > widths[1] > widths[2]
    assert widths[2] == pytest.approx(found.intervals["AUC"].high - found.intervals["AUC"].low, rel=1e-3)


def test_a_part_with_one_outcome_has_no_auc_and_is_left_out() -> None:
    taken, forecast = np.array([0, 1, 0, 1, 1, 1]), np.array([0.1, 0.9, 0.2, 0.8, 0.5, 0.6])
    parts = [Part(0, np.arange(4)), Part(0, np.arange(4, 6))]
    found = FoldFigures({"AUC": lambda part: Ranking(taken[part.rows], forecast[part.rows]).auc}, parts, np.arange(6), 0, test_to_train=1.0)
    assert found.value("AUC") == 1.0


def _covered(world: World, seeds: range, repetitions: int = 1) -> tuple[dict[str, float], dict[str, float]]:
    studies = [study(world, seed, repetitions) for seed in seeds]
    truths = [of.truth for of in studies]
    return share_covered(truths, [of.intervals for of in studies]), share_covered(truths, [of.people_only for of in studies])


def test_intervals_hold_the_truth_and_those_over_people_alone_do_not() -> None:
    ours, people_only = _covered(CROWDED, range(40))
    assert min(ours.values()) >= 0.9, ours
    assert people_only["difference of AUC"] < 0.9 <= ours["difference of AUC"]


def test_what_new_people_show_lies_in_its_interval() -> None:
    """Groups of 50 new people are measured with the model of each study; the interval of the truth itself holds fewer of them."""
    inside, narrow = [], []
    for seed in range(25):
        found = study(CROWDED, seed)
        draws = np.random.default_rng(seed)
        model = simulated.fit(*simulated.draw(CROWDED, CROWDED.people, draws)[:2])
        rows, taken, _ = simulated.draw(CROWDED, 50, np.random.default_rng(1_000 + seed))
        shown = Ranking(taken, model(rows)).auc(np.ones(len(taken)))
        inside.append(found.of_new(50).low <= shown <= found.of_new(50).high)
        narrow.append(found.people_only["AUC"].low <= shown <= found.people_only["AUC"].high)
    assert np.mean(inside) >= 0.9
    assert np.mean(narrow) < np.mean(inside)


@pytest.mark.soak
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("repetitions", [1, 2])
def test_intervals_hold_nine_of_ten_truths(world: World, repetitions: int) -> None:
    ours, people_only = _covered(world, range(1_000, 1_400), repetitions)
    assert min(ours.values()) >= 0.9, ours
    assert people_only["difference of AUC"] < ours["difference of AUC"] - 0.05
    assert people_only["AUC"] < ours["AUC"] - 0.05

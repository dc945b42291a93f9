"""Item-item filtering by hand and on real baskets, waves with an exact holdout, and daily pseudonyms."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from models.errors import ModelsError
from models.propensity.daily_pseudonyms import DailyPseudonyms, ExpiredKeyError
from models.propensity.items import Hits, ItemItem, hit_rate, interaction_matrix
from models.propensity.training_set import TrainingError
from models.propensity.waves import plan_waves
from tests.kit.shared import shared_path

# --- items --------------------------------------------------------------------------------------
# Three people: 0 took coffee and cake, 1 coffee and cake and tea, 2 tea.
SUBJECTS, ITEMS = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 0, 1, 2, 2])


def test_three_people_by_hand() -> None:
    """Coffee and cake: 2 together of 2 and 2, cosine 1. Coffee and tea: 1 together, 1/sqrt(2·2) = .5. Shrinkage 1: times n/(n + 1)."""
    plain, shrunk = (ItemItem(shrinkage).fit(SUBJECTS, ITEMS, 3) for shrinkage in (0.0, 1.0))
    assert [plain.similarity(0, other) for other in (0, 1, 2)] == pytest.approx([1.0, 1.0, 0.5])
    assert [shrunk.similarity(0, other) for other in (1, 2)] == pytest.approx([2 / 3, 0.5 * 1 / 2])
    has = interaction_matrix(np.array([0]), np.array([2]), 1, 3)  # a subject with tea
    assert plain.scores(has)[0].tolist() == pytest.approx([0.5, 0.5, 1.0])


def test_only_the_nearest_are_kept() -> None:
    model = ItemItem(0.0, neighbours_max=2).fit(SUBJECTS, ITEMS, 3)
    assert [model.similarity(0, other) for other in (0, 1, 2)] == pytest.approx([1.0, 1.0, 0.0])


def test_no_pair_is_refused() -> None:
    with pytest.raises(TrainingError, match="no subject took any item"):
        ItemItem().fit(np.zeros(0, np.int64), np.zeros(0, np.int64), 3)


def journey(*, new_only: bool) -> Hits:
    folder = shared_path("data/tables/complete_journey")
    lines = pd.read_csv(folder / "transactions_sample.csv.gz", usecols=["household_id", "product_id", "transaction_timestamp"])
    products = pd.read_csv(folder / "products.csv.gz", usecols=["product_id", "product_type"]).dropna()
    lines = lines.merge(products, on="product_id")
    subjects, items = (np.unique(lines[name], return_inverse=True)[1].astype(np.int64) for name in ("household_id", "product_type"))
    times = pd.to_datetime(lines["transaction_timestamp"]).to_numpy().astype(np.int64)
    return hit_rate(subjects, items, times, seed=0, new_only=new_only)


def test_items_beat_popularity_on_complete_journey() -> None:
    """By household and by time: measured .633 against .592, +.041 (.023 … .060)."""
    hits = journey(new_only=False)
    assert hits.subjects > 1_400
    assert hits.difference.low > 0.0
    assert hits.by_items.value == pytest.approx(0.633, abs=0.03)


def test_for_new_items_similarity_shows_no_gain() -> None:
    """Of new items, similarity finds .490, popularity .486, +.004 (-.009 … +.017)."""
    hits = journey(new_only=True)
    assert hits.difference.low < 0.0 < hits.difference.high
    assert hits.by_items.value > 0.45


# --- waves --------------------------------------------------------------------------------------
@pytest.mark.parametrize(("count", "share"), [(1_000, 0.05), (997, 0.05), (333, 0.1), (10, 0.5), (200, 0.0)])
def test_every_wave_holds_its_share_to_within_one(count: int, share: float) -> None:
    subjects = [f"s{number}" for number in range(count)]
    likely = np.random.default_rng(0).random(count)
    waves = plan_waves(subjects, likely, first_ms=1_000, gap_ms=60_000, salt="spring", holdout=share)
    sizes = np.bincount(waves.wave, minlength=10)
    held = np.bincount(waves.wave, waves.holdout, minlength=10)
    assert np.ptp(sizes) <= 1
    assert np.all(np.abs(held - share * sizes) <= 1.0)
    assert held.sum() == round(share * count)
    assert all(likely[waves.wave == wave].min() >= likely[waves.wave == wave + 1].max() for wave in range(9))
    assert waves.starts_ms[waves.wave == 3].tolist() == [181_000] * sizes[3]


def test_a_plan_does_not_depend_on_the_order_but_on_the_salt() -> None:
    subjects, likely = [f"s{number}" for number in range(500)], np.round(np.random.default_rng(0).random(500), 1)
    turned = list(reversed(subjects))
    plans = [plan_waves(who, values, first_ms=0, gap_ms=1, salt="spring") for who, values in ((subjects, likely), (turned, likely[::-1]))]
    assert plans[0].wave.tolist() == plans[1].wave[::-1].tolist()
    assert plans[0].holdout.tolist() == plans[1].holdout[::-1].tolist()
    other = plan_waves(subjects, likely, first_ms=0, gap_ms=1, salt="summer")
    assert other.holdout.tolist() != plans[0].holdout.tolist()


@pytest.mark.parametrize(
    ("subjects", "likely", "holdout", "message"),
    [
        (["a", "a"], [0.1, 0.2], 0.1, "1 subjects"),
        (["a"] * 1, [0.1], 1.5, "cannot be made"),
        (["a", "b"], [0.1, np.nan], 0.1, "1 probabilities"),
    ],
)
def test_a_plan_that_cannot_be_made_is_refused(subjects: list[str], likely: list[float], holdout: float, message: str) -> None:
    with pytest.raises(ModelsError, match=message):
        plan_waves(subjects, np.array(likely), first_ms=0, gap_ms=1, salt="s", waves=1, holdout=holdout)


# --- days ---------------------------------------------------------------------------------------
def test_two_days_two_keys_no_join() -> None:
    drawn = iter(range(1, 100))
    days = DailyPseudonyms(lambda count: bytes([next(drawn)]) * count)
    tags = [f"tag-{number}" for number in range(200)]
    monday, tuesday = ({days.of(tag, date(2026, 11, day)) for tag in tags} for day in (2, 3))
    assert len(monday) == len(tuesday) == 200  # within a day all are countable
    assert not monday & tuesday  # and across days none can be joined
    assert next(drawn) == 3  # one key a day was drawn
    with pytest.raises(ExpiredKeyError, match="was dropped when 2026-11-03 began"):
        days.of("tag-1", date(2026, 11, 2))


def test_a_pseudonym_is_the_same_within_a_day() -> None:
    days = DailyPseudonyms(lambda count: b"k" * count)
    assert days.of("tag", date(2026, 11, 2)) == days.of("tag", date(2026, 11, 2)) != days.of("gat", date(2026, 11, 2))


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ModelsError, match="32 bytes, 4 were drawn"):
        DailyPseudonyms(lambda _: b"weak").of("tag", date(2026, 11, 2))

"""One table of features: named once, in one order, unknown where unknown, and recognised by its hash."""

from __future__ import annotations

import hashlib
import math
from typing import get_args

import msgspec
import numpy as np
import pytest

from gateway.core import features
from gateway.core.features import FEATURES, NAMES, Feature, Situation
from gateway.core.types import OfferKind

SITUATION = Situation(
    hour=17.5,
    heading="home",
    weather="rainy",
    temperature_c=8.0,
    offer_kind="bar",
    expiry_hours=2.0,
    travel_min=3.5,
    visits_month={"bar": 4.0, "coffee_house": 0.0},
    noise_dba=64.5,
    pm2_5_ug_m3=0.0,
    crowd_per_hour=420.0,
    context_age_min=2.5,
)


def told(situation: Situation) -> dict[str, float]:
    return dict(zip(NAMES, features.row(situation), strict=True))


def hash_of(table: tuple[Feature, ...]) -> str:
    """As the definition says: name, tab, unit, a line each, BLAKE2b of 16 bytes."""
    return hashlib.blake2b("\n".join(f"{one.name}\t{one.unit}" for one in table).encode(), digest_size=16).hexdigest()


def test_names_are_unique_and_complete() -> None:
    assert len(NAMES) == len(set(NAMES)) == len(FEATURES) == 25
    assert {name.removeprefix("offer_") for name in NAMES if name.startswith("offer_")} == set(get_args(OfferKind)) - {"other"}


def test_a_row_says_what_the_situation_says() -> None:
    row = told(SITUATION)
    assert (row["hour"], row["travel"], row["expiry"], row["temperature"]) == (17.5, 3.5, 2.0, 8.0)
    assert [row[f"weather_{kind}"] for kind in ("sunny", "rainy", "snowy")] == [0.0, 1.0, 0.0]
    assert [row[f"heading_{kind}"] for kind in ("nowhere_urgent", "home", "work")] == [0.0, 1.0, 0.0]
    assert [row[f"offer_{kind}"] for kind in features.KINDS] == [float(kind == "bar") for kind in features.KINDS]
    assert (row["visits_bar"], row["visits_coffee_house"], row["visits_this_kind"]) == (4.0, 0.0, 4.0)
    assert (row["noise"], row["air"], row["crowd"], row["context_age"]) == (64.5, 0.0, 420.0, 2.5)


def test_unknown_is_nan_and_nothing_else_is() -> None:
    of_zone: dict[str, None] = dict.fromkeys(("noise_dba", "pm2_5_ug_m3", "crowd_per_hour", "context_age_min"))
    row = told(msgspec.structs.replace(SITUATION, weather=None, temperature_c=None, visits_month={}, **of_zone))
    unknown = {name for name, value in row.items() if math.isnan(value)}
    told_of_zone = {"temperature", "noise", "air", "crowd", "context_age"}
    assert unknown == {name for name in NAMES if name in told_of_zone or name.startswith(("weather_", "visits_"))}
    assert not any(math.isnan(row[name]) for name in NAMES if name not in unknown)


def test_a_history_that_knows_nothing_of_the_zone_need_not_say_so() -> None:
    """Tables of answers seldom know noise or crowds: what they leave out is unknown, not zero."""
    bare = Situation(12.0, "home", None, None, "bar", 2.0, 3.0, {})
    row = told(bare)
    assert all(math.isnan(row[name]) for name in ("noise", "air", "crowd", "context_age"))


def test_a_zero_is_not_unknown() -> None:
    assert told(msgspec.structs.replace(SITUATION, temperature_c=0.0, visits_month={"bar": 0.0}))["visits_this_kind"] == 0.0


def test_an_offer_of_no_kind_stands_for_none() -> None:
    row = told(msgspec.structs.replace(SITUATION, offer_kind="other"))
    assert sum(row[f"offer_{kind}"] for kind in features.KINDS) == 0.0
    assert math.isnan(row["visits_this_kind"])


def test_the_order_is_that_of_the_table() -> None:
    assert features.row(SITUATION) == [feature.read(SITUATION) for feature in FEATURES]
    assert tuple(feature.name for feature in FEATURES) == NAMES
    assert NAMES[:4] == ("hour", "travel", "expiry", "temperature")


@pytest.mark.parametrize("index", range(len(FEATURES)))
def test_the_hash_knows_every_name_and_unit(index: int) -> None:
    assert hash_of(FEATURES) == features.SCHEMA_HASH
    for changed in (FEATURES[index]._replace(name=FEATURES[index].name + "_"), FEATURES[index]._replace(unit="furlong")):
        assert hash_of((*FEATURES[:index], changed, *FEATURES[index + 1 :])) != features.SCHEMA_HASH


def test_the_hash_knows_the_order() -> None:
    assert hash_of((FEATURES[1], FEATURES[0], *FEATURES[2:])) != features.SCHEMA_HASH
    assert hash_of(FEATURES[:-1]) != features.SCHEMA_HASH


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_matrix_is_what_the_model_takes(count: int) -> None:
    rows = features.matrix([SITUATION] * count)
    assert rows.shape == (count, len(FEATURES))
    assert rows.dtype == np.float32
    expected = np.array([features.row(SITUATION)] * count, dtype=np.float32).reshape(count, len(FEATURES))
    assert np.array_equal(rows, expected, equal_nan=True)

"""The coupon table by the schema of the demonstration: each text becomes its number, and rows without an outcome are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.dataset.loading import load_table
from models.dataset.roles import Roles
from models.tables.coupon import INPUTS, PERSONAL, SCHEMA, TARGET
from tests.kit.shared import shared_path
from tests.models import tables

ROW = {
    "respondent": "7",
    "destination": "Home",
    "weather": "Rainy",
    "temperature": "80",
    "time": "6PM",
    "couponType": "Restaurant(20-50)",
    "expiration": "1d",
    "toCoupon_GEQ15min": "1",
    "toCoupon_GEQ25min": "0",
    "CoffeeHouse": "never",
    "RestaurantLessThan20": "less1",
    "Restaurant20To50": "1~3",
    "CarryAway": "4~8",
    "Bar": "gt8",
    "gender": "Female",
    "Y": "1",
}


def values(path: Path) -> dict[str, float]:
    """The values of the table's first row by column."""
    table = tables.load(path)
    return dict(zip(table.inputs.columns, table.data.rows[0].tolist(), strict=True))


def rows(path: Path, *given: dict[str, str]) -> Path:
    """A table of these rows, and of one with the other outcome."""
    return tables.write(path / "table.csv", [*given, ROW | {"Y": "0"}])


def test_every_category_becomes_its_number(tmp_path: Path) -> None:
    found = values(rows(tmp_path, ROW))
    assert {name: value for name, value in found.items() if value and not np.isnan(value)} == {
        "hour": 18.0,
        "temperature": 27.0,
        "expiry": 24.0,
        "travel": 15.0,
        "heading_home": 1.0,
        "weather_rainy": 1.0,
        "offer_restaurant_dear": 1.0,
        "visits_restaurant_cheap": 0.5,
        "visits_restaurant_dear": 2.0,
        "visits_carry_away": 6.0,
        "visits_bar": 10.0,
        "visits_this_kind": 2.0,
    }
    assert found["visits_coffee_house"] == 0.0, "never is known"


@pytest.mark.parametrize(("at_15", "at_25", "minutes"), [("0", "0", 5.0), ("1", "0", 15.0), ("1", "1", 25.0)])
def test_travel_is_the_lower_bound_of_the_table(tmp_path: Path, at_15: str, at_25: str, minutes: float) -> None:
    row = ROW | {"toCoupon_GEQ15min": at_15, "toCoupon_GEQ25min": at_25}
    assert values(rows(tmp_path, row))["travel"] == minutes


def test_absent_values_are_unknown(tmp_path: Path) -> None:
    found = values(rows(tmp_path, ROW | {"weather": "", "temperature": "", "Restaurant20To50": ""}))
    unknown = {name for name, value in found.items() if np.isnan(value)}
    assert unknown == {"weather_sunny", "weather_rainy", "weather_snowy", "temperature", "visits_restaurant_dear", "visits_this_kind"}


@pytest.mark.parametrize(("column", "word"), [("destination", "Moon"), ("couponType", "Zoo"), ("temperature", "warm"), ("Bar", "often")])
def test_a_text_without_a_value_is_unknown_and_counted(tmp_path: Path, column: str, word: str) -> None:
    table = tables.load(rows(tmp_path, ROW | {column: word}))
    assert table.table.rows_used == 2
    assert table.table.unreadable == {column: 1}
    assert np.isnan(table.data.rows[0]).any()
    assert not np.isnan(table.data.rows[1]).any()


def test_personal_columns_identify_respondents_as_their_numbers_do(tmp_path: Path) -> None:
    """The original file has no respondents, and other names: on the real table both ways give the same groups and rows."""
    import pandas as pd  # noqa: PLC0415 (only this test looks at the table by itself)

    path = shared_path("data/tables/in_vehicle_coupon/in_vehicle_coupon.csv.gz")
    original = pd.read_csv(path, dtype=str).drop(columns="respondent").rename(columns={"couponType": "coupon", "cartype": "car"})
    original.to_csv(tmp_path / "original.csv", index=False)
    with_ids, without = tables.load(path), load_table(tmp_path / "original.csv", Roles(TARGET, groups=PERSONAL), schema=SCHEMA)
    pairs = set(zip(with_ids.data.groups.tolist(), without.data.groups.tolist(), strict=True))
    assert len(pairs) == with_ids.data.people == without.data.people == 397
    assert np.array_equal(with_ids.data.rows, without.data.rows, equal_nan=True)


def test_the_real_table_is_read_whole() -> None:
    table = tables.load(shared_path("data/tables/in_vehicle_coupon/in_vehicle_coupon.csv.gz"))
    assert table.table.rows_in == len(table.data.rows) == 8_913
    assert (table.table.refused, table.table.unreadable) == ({}, {})
    assert not {"gender", "age", "income"} & {one.name for one in table.inputs.used}
    assert set(INPUTS.columns) - set(table.inputs.columns) == {"noise", "air", "crowd", "context_age"}, "the table does not state these"

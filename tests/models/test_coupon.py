"""The reader of the coupon table: categories become numbers, and rejected rows are counted by reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.tables.coupon import INPUTS, read_coupons
from models.tables.reading import TableError
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


def test_every_category_becomes_its_number(tmp_path: Path) -> None:
    history = read_coupons(tables.write(tmp_path / "table.csv", [ROW]))
    known = {name: value for name, value in dict(zip(INPUTS.columns, history.rows[0].tolist(), strict=True)).items() if value}
    assert {name: value for name, value in known.items() if not np.isnan(value)} == {
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
    assert history.rows[0, INPUTS.columns.index("visits_coffee_house")] == 0.0, "never is known"
    assert history.taken.tolist() == [1]
    assert (history.rows_in, history.refused) == (1, {})


@pytest.mark.parametrize(("at_15", "at_25", "minutes"), [("0", "0", 5.0), ("1", "0", 15.0), ("1", "1", 25.0)])
def test_travel_is_the_lower_bound_of_the_table(tmp_path: Path, at_15: str, at_25: str, minutes: float) -> None:
    row = ROW | {"toCoupon_GEQ15min": at_15, "toCoupon_GEQ25min": at_25}
    assert read_coupons(tables.write(tmp_path / "table.csv", [row])).rows[0, INPUTS.columns.index("travel")] == minutes


def test_absent_values_are_unknown(tmp_path: Path) -> None:
    row = ROW | {"weather": "", "temperature": "", "Restaurant20To50": ""}
    (values,) = read_coupons(tables.write(tmp_path / "table.csv", [row])).rows
    unknown = {name for name, value in zip(INPUTS.columns, values, strict=True) if np.isnan(value)}
    of_table = {"weather_sunny", "weather_rainy", "weather_snowy", "temperature", "visits_restaurant_dear", "visits_this_kind"}
    assert unknown == of_table | {"noise", "air", "crowd", "context_age"}, "the table has no noise, air or crowd"


@pytest.mark.parametrize(
    ("column", "word"),
    [
        ("destination", "Moon"),
        ("time", ""),
        ("couponType", "Zoo"),
        ("temperature", "warm"),
        ("temperature", "9e99"),
        ("Bar", "often"),
        ("Y", "2"),
    ],
)
def test_a_row_with_an_unknown_category_is_counted_and_left_out(tmp_path: Path, column: str, word: str) -> None:
    history = read_coupons(tables.write(tmp_path / "table.csv", [ROW, ROW | {column: word}]))
    assert history.rows_in == 2
    assert len(history.rows) == len(history.taken) == len(history.raw) == len(history.respondents) == 1
    assert history.refused == {f"unknown_{column}": 1}


def test_missing_columns_are_named(tmp_path: Path) -> None:
    header = tuple(name for name in tables.HEADER if name not in {"expiration", "Bar"})
    with pytest.raises(TableError, match="lacks the columns expiration, Bar"):
        read_coupons(tables.write(tmp_path / "table.csv", [ROW], header))


def test_without_respondents_the_table_must_identify_them(tmp_path: Path) -> None:
    header = tuple(name for name in tables.HEADER if name != "respondent")
    with pytest.raises(TableError, match="lacks the column respondent"):
        read_coupons(tables.write(tmp_path / "table.csv", [ROW], header))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'a,b\n"1,2\n3'])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(TableError):
        read_coupons(path)


def test_personal_columns_identify_respondents_as_their_numbers_do(tmp_path: Path) -> None:
    """The original file has no respondents: on the real table both ways give the same groups."""
    import pandas as pd  # noqa: PLC0415 (only this test looks at the table by itself)

    path = shared_path("data/tables/in_vehicle_coupon/in_vehicle_coupon.csv.gz")
    original = pd.read_csv(path, dtype=str).drop(columns="respondent").rename(columns={"couponType": "coupon", "cartype": "car"})
    original.to_csv(tmp_path / "original.csv", index=False)
    with_ids, without = read_coupons(path), read_coupons(tmp_path / "original.csv")
    pairs = set(zip(with_ids.respondents.tolist(), without.respondents.tolist(), strict=True))
    assert len(pairs) == len(np.unique(with_ids.respondents)) == len(np.unique(without.respondents)) == 397
    assert np.array_equal(with_ids.rows, without.rows, equal_nan=True)


def test_the_real_table_is_read_whole() -> None:
    history = read_coupons(shared_path("data/tables/in_vehicle_coupon/in_vehicle_coupon.csv.gz"))
    assert history.rows_in == len(history.rows) == 8_913
    assert history.refused == {}
    assert not {"gender", "age", "income"} & {one.name for one in INPUTS.used}

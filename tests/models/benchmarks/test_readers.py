"""Readers of the tables: categories become numbers, rejected rows are counted by reason, and the real tables are read whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.tables import bank, cdnow, groceries, hillstrom, journey, open_bandit, shoppers
from models.tables.reading import Counts, TableError
from tests.kit.shared import shared_path
from tests.models.benchmarks import made

ONE_FILE: dict[str, tuple[Callable[[Path], Any], dict[str, str]]] = {
    "shoppers": (shoppers.read_shoppers, made.SESSION),
    "bank": (bank.read_calls, made.CALL),
    "hillstrom": (hillstrom.read_trial, made.CUSTOMER),
}
WRONG = {
    "shoppers": {"ExitRates": "1.5", "Month": "Never", "VisitorType": "Ghost", "PageValues": "-1", "Revenue": "maybe"},
    "bank": {"age": "old", "month": "may be", "day_of_week": "sun", "y": "2"},
    "hillstrom": {"segment": "Telegram", "visit": "2", "recency": "", "zip_code": "Moon"},
}


@pytest.mark.parametrize(("name", "column", "word"), [(name, *wrong) for name, words in WRONG.items() for wrong in words.items()])
def test_a_row_with_an_unknown_value_is_counted_and_left_out(tmp_path: Path, name: str, column: str, word: str) -> None:
    read, row = ONE_FILE[name]
    table = read(made.write(tmp_path / "table.csv", [row, row | {column: word}]))
    assert table.counts == Counts(rows_in=2, rows_used=1, refused={f"unknown_{column}": 1})
    assert len(table.rows) == 1


@pytest.mark.parametrize("name", ONE_FILE)
def test_missing_columns_are_named(tmp_path: Path, name: str) -> None:
    read, row = ONE_FILE[name]
    lost = next(iter(row))
    path = made.write(tmp_path / "table.csv", [{column: word for column, word in row.items() if column != lost}])
    with pytest.raises(TableError, match=f"lacks the columns {lost}"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'a,b\n"1,2\n3'])
@pytest.mark.parametrize("name", ONE_FILE)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(TableError):
        ONE_FILE[name][0](path)


def test_a_table_of_no_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(",".join(made.SESSION) + "\n", encoding="utf-8")
    with pytest.raises(TableError, match="holds no rows"):
        shoppers.read_shoppers(path)


def test_page_values_are_apart_from_the_columns(tmp_path: Path) -> None:
    table = shoppers.read_shoppers(made.write(tmp_path / "table.csv", [made.SESSION]))
    assert shoppers.LEAK not in table.rows.columns
    assert (table.page_values.tolist(), table.bought.tolist()) == ([5.5], [0])
    assert table.rows.iloc[0][["Month", "VisitorType", "Weekend"]].tolist() == [11.0, 1.0, 1.0]


@pytest.mark.parametrize("separator", [",", ";"])
def test_the_duration_of_a_call_is_never_read(tmp_path: Path, separator: str) -> None:
    without = {column: word for column, word in made.CALL.items() if column != bank.LEAK}
    with_it = bank.read_calls(made.write(tmp_path / "with.csv", [made.CALL], separator))
    assert bank.LEAK not in with_it.rows.columns
    assert with_it.rows.equals(bank.read_calls(made.write(tmp_path / "without.csv", [without], separator)).rows)


def test_a_run_of_the_same_weekday_is_one_day(tmp_path: Path) -> None:
    weekdays = ("mon", "mon", "tue", "mon")
    table = bank.read_calls(made.write(tmp_path / "table.csv", [made.CALL | {"day_of_week": day} for day in weekdays]))
    assert table.days.tolist() == [0, 0, 1, 2]


def test_an_arm_is_compared_with_no_e_mail_only(tmp_path: Path) -> None:
    arms = (hillstrom.WOMENS, hillstrom.MENS, hillstrom.NONE)
    trial = hillstrom.read_trial(made.write(tmp_path / "table.csv", [made.CUSTOMER | {"segment": arm} for arm in arms]))
    rows, treated, visited = trial.against_none(hillstrom.WOMENS)
    assert (len(rows), treated.tolist(), visited.tolist()) == (2, [1, 0], [1, 1])


def test_a_choice_needs_a_probability_above_zero(tmp_path: Path) -> None:
    made.write(tmp_path / "bts_men.csv", [made.CHOICE, made.CHOICE | {"propensity_score": "0"}, made.CHOICE | {"position": "4"}])
    choices = open_bandit.read_choices(tmp_path, open_bandit.THOMPSON, open_bandit.MEN)
    assert (choices.items.tolist(), choices.places.tolist(), choices.p_select.tolist()) == ([3], [1], [0.25])
    assert choices.counts.refused == {"unknown_propensity_score": 1, "unknown_position": 1}
    with pytest.raises(TableError, match="holds no random_men"):
        open_bandit.read_choices(tmp_path, open_bandit.RANDOM, open_bandit.MEN)


def test_baskets_are_sets_and_empty_lines_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "baskets.txt"
    path.write_text("milk;bread; milk\n\nbeer\n", encoding="utf-8")
    table = groceries.read_baskets(path)
    assert table.baskets == (frozenset({"milk", "bread"}), frozenset({"beer"}))
    assert table.counts == Counts(3, 2, {"empty": 1})
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(TableError, match="no basket"):
        groceries.read_baskets(path)


def test_buyers_come_with_or_without_money(tmp_path: Path) -> None:
    plain = [{"ID": "1", "frequency": "2", "recency": "30.43", "T": "38.86"}, {"ID": "2", "frequency": "1", "recency": "40", "T": "38"}]
    read = cdnow.read_buyers(made.write(tmp_path / "plain.csv", plain))
    assert (read.repeats.tolist(), read.counts.refused) == ([2.0], {"last_after_end": 1})
    assert np.isnan(read.mean_value).all()
    money = cdnow.read_buyers(made.write(tmp_path / "money.csv", [{"ID": "1", "x": "2", "t_x": "3", "T": "4", "zbar": "22.35"}]))
    assert money.mean_value.tolist() == [22.35]
    with pytest.raises(TableError, match="neither"):
        cdnow.read_buyers(made.write(tmp_path / "other.csv", [{"ID": "1", "x": "2"}]))


def test_a_journey_without_one_of_its_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"holds no transactions\.csv"):
        journey.read_journey(tmp_path)


def test_a_journey_with_an_impossible_day_is_refused(tmp_path: Path) -> None:
    line = {"household_id": "1", "basket_id": "2", "product_id": "3", "sales_value": "1.0", "transaction_timestamp": "2017-01-01 10:00:00"}
    made.write(tmp_path / "transactions.csv", [line, line | {"sales_value": "free"}])
    made.write(tmp_path / "campaigns.csv", [{"household_id": "1", "campaign_id": "1"}])
    campaign = {"campaign_id": "1", "campaign_type": "Type A", "start_date": "2017-02-01", "end_date": "2017-02-31"}
    made.write(tmp_path / "campaign_descriptions.csv", [campaign])
    made.write(tmp_path / "coupon_redemptions.csv", [{"household_id": "1", "campaign_id": "1", "redemption_date": "2017-02-02"}])
    made.write(tmp_path / "coupons.csv", [{"campaign_id": "1", "product_id": "3"}])
    with pytest.raises(TableError, match="campaign_descriptions"):
        journey.read_journey(tmp_path)
    made.write(tmp_path / "campaign_descriptions.csv", [campaign | {"end_date": "2017-02-28"}])
    assert journey.read_journey(tmp_path).counts == Counts(2, 1, {"unknown_sales_value": 1})


def test_the_real_tables_are_read_whole() -> None:
    root = shared_path("data/tables")
    calls = bank.read_calls(root / "bank_marketing/bank-additional-full.csv.gz")
    read = {
        "shoppers": shoppers.read_shoppers(root / "online_shoppers/online_shoppers_intention.csv.gz").counts,
        "calls": calls.counts,
        "customers": hillstrom.read_trial(root / "hillstrom/hillstrom.csv.gz").counts,
        "choices": open_bandit.read_choices(root / "open_bandit_small", open_bandit.THOMPSON, open_bandit.WOMEN).counts,
        "lines": journey.read_journey(root / "complete_journey").counts,
        "baskets": groceries.read_baskets(root / "groceries/groceries_baskets.txt.gz").counts,
        "buyers": cdnow.read_buyers(root / "cdnow/cdnow_customers_summary.csv").counts,
    }
    rows = {"shoppers": 8_629, "calls": 28_832, "customers": 44_799, "choices": 7_000, "lines": 53_364, "baskets": 9_835, "buyers": 2_357}
    assert read == {name: Counts(count, count, {}) for name, count in rows.items()}
    assert calls.days[-1] == 475
    assert open_bandit.items_of(root / "open_bandit_small", open_bandit.WOMEN) == 46

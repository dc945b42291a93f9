"""The outcome, the groups and the times of a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import ModelsError
from models.propensity.training_set import FOLDS, folds
from tests.models.dataset import toy

ROWS = toy.rows(300, people=60)


def changed(folder: Path, **columns: list[str]) -> Path:
    """The table with some columns replaced."""
    parts = [dict(zip(columns, texts, strict=True)) for texts in zip(*columns.values(), strict=True)]
    return toy.write(folder / "table.csv", [row | part for row, part in zip(ROWS, parts, strict=True)])


@pytest.mark.parametrize(
    ("texts", "target", "positive", "why"),
    [
        (["yes"] * 300, "bought", "", "'bought' is yes .300. in every row"),
        (["", "NA", "?"] * 100, "bought", "", "unknown in every row"),
        (["a", "b", "c"] * 100, "bought", "", r"values a \(100\), b \(100\), c \(100\): add --positive VALUE"),
        (["stay", "leave"] * 150, "bought", "", "add --positive VALUE"),
        (["stay", "leave"] * 150, "bought", "leaves", "no row has 'leaves' in 'bought'; did you mean 'leave'"),
        (["yes", "no"] * 150, "bougth", "", "no column 'bougth'; did you mean 'bought'"),
        ([str(number) for number in range(300)], "bought", "", r"and 288 more: add --positive"),
    ],
)
def test_an_outcome_that_cannot_be_used_is_named(texts: list[str], target: str, positive: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ModelsError, match=why):
        toy.load(changed(tmp_path, bought=texts), target, positive=positive)


def test_one_of_several_outcomes_is_forecast_against_the_others(tmp_path: Path) -> None:
    loaded = toy.load(changed(tmp_path, bought=["a", "b", "c"] * 100), positive="b")
    assert loaded.data.taken.tolist() == [0, 1, 0] * 100
    assert loaded.table.positive == "b"


@pytest.mark.parametrize("texts", [("1", "0"), ("True", "False"), ("Y", "N"), ("YES", "no")])
def test_usual_spellings_need_no_positive(texts: tuple[str, str], tmp_path: Path) -> None:
    assert toy.load(changed(tmp_path, bought=list(texts) * 150)).data.taken.tolist() == [1, 0] * 150


def test_a_person_is_never_on_both_sides(tmp_path: Path) -> None:
    loaded = toy.load(toy.write(tmp_path / "table.csv", ROWS), groups=("person",))
    assert loaded.data.people == 60
    splits = list(folds(loaded.data, FOLDS, 0))
    assert len(splits) == FOLDS
    for train, test in splits:
        assert not set(loaded.data.groups[train]) & set(loaded.data.groups[test])


def test_dates_in_three_formats_are_one_order_of_time(tmp_path: Path) -> None:
    """The toy's dates are written in three ways; the past is trained on and the future tested."""
    loaded = toy.load(toy.write(tmp_path / "table.csv", ROWS), time="since")
    times = loaded.data.times
    assert times is not None
    assert times.tolist() == sorted(range(300), key=times.tolist().__getitem__) or np.ptp(times) < 361 * 86_400_000
    assert np.unique(times % 86_400_000).tolist() == [0]
    for train, test in folds(loaded.data, FOLDS, 0):
        assert times[train].max() < times[test].min()


@pytest.mark.parametrize(
    ("texts", "first_day"),
    [
        (["13/02/2024", "01/02/2024"] * 150, "2024-02-01"),
        (["02/13/2024", "02/01/2024"] * 150, "2024-02-01"),
        (["2024-02-01T10:00:00Z", "2024-02-01 11:30"] * 150, "2024-02-01"),
    ],
)
def test_the_whole_column_decides_where_the_day_stands(texts: list[str], first_day: str, tmp_path: Path) -> None:
    times = toy.load(changed(tmp_path, since=texts), time="since").data.times
    assert times is not None
    assert str(np.datetime64(int(times.min()), "ms").astype("datetime64[D]")) == first_day


def test_a_day_that_could_be_a_month_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelsError, match="cannot be told apart; write dates as YYYY-MM-DD"):
        toy.load(changed(tmp_path, since=["01/02/2024", "03/04/2024"] * 150), time="since")


def test_texts_are_no_times(tmp_path: Path) -> None:
    with pytest.raises(ModelsError, match="0 of 300 values of 'note' are dates or numbers"):
        toy.load(toy.write(tmp_path / "table.csv", ROWS), time="note")


def test_the_order_of_the_rows_can_be_the_order_of_time(tmp_path: Path) -> None:
    times = toy.load(toy.write(tmp_path / "table.csv", ROWS), ordered=True).data.times
    assert times is not None
    assert (np.diff(times) > 0).all()

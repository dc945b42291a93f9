"""Derived tables, checked by hand on few rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.history import derived
from models.history.mapping import HistoryError
from models.history.reading import open_history
from tests.models.history import tables
from tests.models.history.tables import DAY_MS, START_MS, happened, line


def test_recency_frequency_age_and_spend_by_hand(tmp_path: Path) -> None:
    rows = [line("once", 3), *(line("often", day, amount=amount) for day, amount in ((0, 900), (7, 100), (21, 200)))]
    rows.append(line("often", 21, amount=60) | {"basket": "another", "at_ms": START_MS + 21 * DAY_MS + 5})  # the same day: one purchase
    rows.append(line("late", 40))
    with open_history(baskets=tables.baskets(tmp_path / "b.csv", rows)) as history:
        table = derived.rfm(history, START_MS + 29 * DAY_MS)
    often, once = table.to_numpy().tolist()
    assert often == ["often", 2, 3.0, 4.0, 180.0]
    assert once == ["once", 0, 0.0, pytest.approx(25 / 7), 0.0]


def test_the_age_counts_to_the_last_day_observed_and_is_never_negative(tmp_path: Path) -> None:
    with open_history(baskets=tables.baskets(tmp_path / "b.csv", [line("a", 0), line("b", 0), line("b", 2)])) as history:
        noon, midnight = (derived.rfm(history, until_ms, unit_days=1.0) for until_ms in (START_MS + 1, START_MS + 3 * DAY_MS))
    assert noon[["recency", "age"]].to_numpy().tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert midnight[["recency", "age"]].to_numpy().tolist() == [[0.0, 2.0], [2.0, 2.0]]


def test_a_day_without_a_stated_amount_does_not_pull_the_mean(tmp_path: Path) -> None:
    """The first day is left out even without an amount, and a later day without an amount does not count as 0."""
    amounts = {1: None, 2: 300, 3: None, 4: 500}
    rows = [happened("a", day * 24 * 60, "purchase", amount_minor="" if of is None else of) for day, of in amounts.items()]
    with open_history(interactions=tables.interactions(tmp_path / "i.csv", rows)) as history:
        ((_, frequency, *_, monetary),) = derived.rfm(history, START_MS + 29 * DAY_MS).to_numpy().tolist()
    assert (frequency, monetary) == (3, 400.0)


def test_purchases_are_those_of_tills_where_there_are_no_baskets(tmp_path: Path) -> None:
    path = tables.interactions(tmp_path / "i.csv", [happened("a", 1, "purchase", amount_minor=450), happened("a", 2, "visit", zone="cafe")])
    with open_history(interactions=path) as history:
        assert history.sql("SELECT subject, amount_minor FROM purchases").fetchall() == [("a", 450)]
    with open_history(interactions=path, baskets=tables.baskets(tmp_path / "b.csv", [line("b", 1)])) as history:
        assert history.sql("SELECT subject FROM purchases").fetchall() == [("b",)]


def test_sequences_end_after_a_long_gap(tmp_path: Path) -> None:
    visits = [("a", 0, "plaza"), ("a", 10, "cafe"), ("a", 10 + 241, "pub"), ("a", 300, "bistro"), ("b", 0, "plaza"), ("a", 2000, "pub")]
    rows = [happened(subject, minute, "visit", zone=zone, kind="bar" if zone == "pub" else "other") for subject, minute, zone in visits]
    rows.append(happened("a", 5, "shown", decision="d", zone="arcade"))
    with open_history(interactions=tables.interactions(tmp_path / "i.csv", rows)) as history:
        found = [list(steps) for steps in derived.sequences(history)["steps"]]
        kinds = [list(steps) for steps in derived.sequences(history, by="kind")["steps"]]
    assert found == [["plaza", "cafe"], ["pub", "bistro"]]
    assert kinds == [["other", "other"], ["bar", "other"]]


def test_baskets_keep_rare_items_out_and_their_baskets_in(tmp_path: Path) -> None:
    rows = [
        line("a", 1, "tea"),
        line("a", 1, "milk"),
        line("a", 1, "tea"),
        line("b", 1, "tea"),
        line("c", 1, "saffron"),
        line("d", 1, "milk"),
    ]
    with open_history(baskets=tables.baskets(tmp_path / "b.csv", rows)) as history:
        found = derived.baskets(history, support=0.5)
        amounts = derived.mean_amounts(history)
    assert (found.items, found.total, found.rare) == (("milk", "tea"), 4, 1)
    assert sorted(zip(found.rows.tolist(), found.columns.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 1), (2, 0)]
    assert amounts == {"tea": 150.0, "milk": 100.0, "saffron": 100.0}


def test_the_panel_counts_calendar_months(tmp_path: Path) -> None:
    rows = [line("a", 0), line("a", 30), line("a", 31, amount=7), line("a", 58, amount=8), line("b", 400)]
    with open_history(baskets=tables.baskets(tmp_path / "b.csv", rows)) as history:
        table = derived.panel(history, START_MS)
    assert table.values.tolist() == [["a", 1, 2, 200.0], ["a", 2, 2, 15.0], ["b", 14, 1, 100.0]]


def test_without_purchases_there_is_nothing_to_summarise(tmp_path: Path) -> None:
    with open_history(baskets=tables.baskets(tmp_path / "b.csv", [line("", 1)])) as history:
        with pytest.raises(HistoryError, match="no purchase"):
            derived.span(history)
        with pytest.raises(HistoryError, match="no basket"):
            derived.baskets(history, 0.1)

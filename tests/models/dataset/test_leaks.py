"""Leaks are found in every form, and a column that is only strong is not taken for one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from models.dataset.asking import LeakError, columns_to_drop
from models.dataset.leaks import Leak, find_leaks
from models.dataset.loading import load_table
from models.dataset.roles import Roles
from tests.kit.shared import shared_path
from tests.models.dataset import toy


def quiet(_: str) -> None:
    """A `step` that shows nothing."""


def found(path: Path, roles: Roles) -> dict[str, Leak]:
    """The leaks of a table by attribute."""
    loaded = load_table(path, roles)
    return {leak.attribute: leak for leak in find_leaks(loaded.data, loaded.inputs, 0, quiet)}


def test_leaks_of_every_form_are_found(tmp_path: Path) -> None:
    """A number that rises, one that falls, one high in the middle, a category, a gap; a rare certain one; and names."""
    draws = np.random.default_rng(0)
    rows = []
    for row in toy.rows(2_000):
        yes = row["bought"] == "yes"
        noise = float(draws.normal())
        rows.append(
            row
            | {
                "rises": str(noise + 2 * yes),
                "falls": str(noise - 2 * yes),
                "middle": str(noise * (0.3 if yes else 3.0)),
                "letter": str(draws.choice(list("abc"))) if draws.random() < 0.2 else ("d" if yes else "e"),
                "gap": "" if yes and draws.random() < 0.9 else str(noise),
                "refund": "1" if yes and draws.random() < 0.1 else "0",
                "duration": str(noise),
                "churn_reason": str(draws.choice(("a", "b"))),
                "weak": str(noise + 0.3 * yes),
            }
        )
    leaks = found(toy.write(tmp_path / "table.csv", rows), Roles("bought"))
    assert set(leaks) == {"rises", "falls", "middle", "letter", "gap", "refund", "duration", "churn_reason"}
    assert all(leaks[name].auc > 0.8 for name in ("rises", "falls", "middle", "letter", "gap"))
    assert leaks["refund"].auc < 0.6
    assert "have the same outcome" in leaks["refund"].reasons[0]


def test_chance_is_no_leak(tmp_path: Path) -> None:
    """Noise in few rows, with many categories, has an AUC of about .5 by folds; without folds it would not."""
    draws = np.random.default_rng(1)
    rows = [row | {f"code {at}": str(draws.integers(60)) for at in range(5)} for row in toy.rows(400)]
    assert found(toy.write(tmp_path / "table.csv", rows), Roles("bought")) == {}


def test_known_leaks_of_public_tables() -> None:
    shoppers = found(shared_path("data/tables/online_shoppers/online_shoppers_intention.csv.gz"), Roles("Revenue"))
    assert set(shoppers) == {"page_values"}
    assert shoppers["page_values"].auc == pytest.approx(0.86, abs=0.01)
    bank = found(shared_path("data/tables/bank_marketing/bank-additional-full.csv.gz"), Roles("y"))
    assert set(bank) == {"duration"}, "neither the month nor the economy states the outcome"
    assert bank["duration"].auc > 0.8
    hillstrom = found(shared_path("data/tables/hillstrom/hillstrom.csv.gz"), Roles("visit"))
    assert set(hillstrom) == {"conversion", "spend"}


LEAKS = [Leak("page_values", 0.86, ("alone it has an AUC of 0.86",)), Leak("duration", 0.6, ("known when it is over",))]
COLUMNS = {"page_values": "PageValues", "duration": "duration"}


def test_without_a_terminal_the_command_names_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(LeakError, match=r"PageValues \(AUC alone 0.86\).*Add --drop PageValues,duration .*, --keep PageValues,duration"):
        columns_to_drop(LEAKS, COLUMNS, ())
    with pytest.raises(LeakError, match="Add --drop PageValues for"):
        columns_to_drop(LEAKS, COLUMNS, ("duration",))
    assert columns_to_drop(LEAKS, COLUMNS, ("duration", "PageValues")) == []


def test_at_a_terminal_each_column_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(text: str, **_: object) -> bool:
        asked.append(text)
        return text.startswith("duration")

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("typer.confirm", answer)
    assert columns_to_drop(LEAKS, COLUMNS, ()) == ["PageValues"]
    assert [text.partition(":")[0] for text in asked] == ["PageValues", "duration"]

"""Small coupon tables with a known truth, in the categories of the real one."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from models.dataset.loading import LoadedTable, load_table
from models.dataset.roles import Roles
from models.tables.coupon import RESPONDENT, SCHEMA, TARGET

VISITS = {
    "Coffee House": "CoffeeHouse",
    "Restaurant(<20)": "RestaurantLessThan20",
    "Restaurant(20-50)": "Restaurant20To50",
    "Carry out & Take away": "CarryAway",
    "Bar": "Bar",
}
"""The column of visits by kind of coupon."""

_WORDS = {
    "destination": ("No Urgent Place", "Home", "Work"),
    "weather": ("Sunny", "Rainy", "Snowy"),
    "temperature": ("30", "55", "80"),
    "time": ("7AM", "10AM", "2PM", "6PM", "10PM"),
    "couponType": tuple(VISITS),
    "expiration": ("2h", "1d"),
    "toCoupon_GEQ15min": ("0", "1"),
    "toCoupon_GEQ25min": ("0",),
}
HEADER = ("respondent", *_WORDS, *VISITS.values(), "gender", "Y")
_OFTEN = ("never", "less1", "1~3", "4~8", "gt8")


def planted(respondents: int, rows_each: int, seed: int) -> list[dict[str, str]]:
    """Rows with an outcome that depends on expiry, on the respondent's visits to that kind of place, and on chance."""
    draws = np.random.default_rng(seed)
    rows: list[dict[str, str]] = []
    for person in range(respondents):
        habits = {column: int(draws.integers(5)) for column in VISITS.values()}
        for _ in range(rows_each):
            row = {column: str(draws.choice(words)) for column, words in _WORDS.items()}
            log_odds = 1.2 * (habits[VISITS[row["couponType"]]] - 2) + (1.0 if row["expiration"] == "1d" else -1.0)
            row |= {column: _OFTEN[level] for column, level in habits.items()}
            row |= {"respondent": str(person), "gender": "Female", "Y": str(int(draws.random() < 1 / (1 + np.exp(-log_odds))))}
            rows.append(row)
    return rows


def write(path: Path, rows: list[dict[str, str]], header: tuple[str, ...] = HEADER) -> Path:
    """The rows as a CSV file; empty texts are absent values."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def load(path: Path, seed: int = 0) -> LoadedTable:
    """A coupon table by the schema of the demonstration, grouped by respondent."""
    return load_table(path, Roles(TARGET, groups=(RESPONDENT,)), schema=SCHEMA, seed=seed)

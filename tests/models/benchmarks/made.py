"""Small tables with a known truth, in the columns of the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from models.arrays import Floats, Ints
from models.tables.bank import CATEGORIES, MONTHS, PERSON, TIMES, WEEKDAYS, Calls
from models.tables.reading import Counts
from models.tables.shoppers import AMOUNTS, CODES, RATES, Shoppers

SESSION = dict.fromkeys(AMOUNTS, "3") | dict.fromkeys(RATES, "0.1") | dict.fromkeys(CODES, "2")
SESSION |= {"PageValues": "5.5", "Month": "Nov", "VisitorType": "New_Visitor", "Weekend": "TRUE", "Revenue": "FALSE"}
CALL = dict.fromkeys(TIMES, "1.1") | dict.fromkeys(PERSON, "40") | dict.fromkeys(CATEGORIES, "unknown")
CALL |= {"month": "may", "day_of_week": "mon", "duration": "261", "y": "no"}
CUSTOMER = {"recency": "10", "history": "142.44", "mens": "1", "womens": "0", "zip_code": "Surburban", "newbie": "0", "channel": "Phone"}
CUSTOMER |= {"segment": "Womens E-Mail", "visit": "1", "spend": "0.0"}
CHOICE = {"item_id": "3", "position": "2", "click": "0", "propensity_score": "0.25"}


def write(path: Path, rows: list[dict[str, str]], separator: str = ",") -> Path:
    """The rows as a CSV file."""
    pd.DataFrame(rows).to_csv(path, index=False, sep=separator)
    return path


def quiet(_: str) -> None:
    """A `step` that shows no progress."""


def chance(probability: Floats, seed: int) -> Ints:
    """Random outcomes (n,) with the given probabilities (n,)."""
    return (np.random.default_rng(seed).random(len(probability)) < probability).astype(np.int64)


def sessions(rows: int, seed: int, *, known: float) -> Shoppers:
    """Sessions with a purchase that depends on the exit rate, and with page values that leak it by strength `known`."""
    draws = np.random.default_rng(seed)
    columns = {name: draws.integers(0, 20, rows).astype(np.float64) for name in AMOUNTS}
    columns |= {name: draws.random(rows) * 0.2 for name in RATES}
    columns |= {name: draws.integers(1, 5, rows).astype(np.float64) for name in CODES}
    columns |= {"Month": draws.integers(1, 13, rows).astype(np.float64), "VisitorType": np.zeros(rows), "Weekend": np.zeros(rows)}
    bought = chance(1.0 / (1.0 + np.exp(20.0 * (columns["ExitRates"] - 0.05))), seed + 1)
    page_values = known * bought * 10.0 + draws.random(rows)
    return Shoppers(pd.DataFrame(columns), page_values, bought, Counts(rows, rows, {}))


def calls(rows: int, a_day: int, rates: Floats, seed: int) -> Calls:
    """Calls in the order of time, with success that depends on the day only; `rates` are the rates of the days."""
    draws = np.random.default_rng(seed)
    days = np.arange(rows) // a_day
    table = {name: draws.random(rows) for name in (*TIMES, *PERSON)}
    words = {name: draws.choice(["a", "b"], rows) for name in CATEGORIES}
    when = {"month": np.array(MONTHS)[days % 12], "day_of_week": np.array(WEEKDAYS)[days % 5]}
    return Calls(pd.DataFrame({**table, **words, **when}), chance(rates[days], seed + 1), days.astype(np.int64), Counts(rows, rows, {}))

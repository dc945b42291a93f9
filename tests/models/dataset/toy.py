"""A small table of every kind of column, with an outcome that depends on two of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.dataset.loading import LoadedTable, load_table
from models.dataset.roles import Roles

Row = Mapping[str, str]

COLOURS = ("Red wine", "Grün", "blue", "Black & white")
_WORDS = ("late", "parcel", "friendly", "counter", "again", "window", "never", "paid", "cash", "twice")
DATES = ("%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y")


def rows(count: int, seed: int = 0, people: int | None = None) -> list[dict[str, str]]:
    """Rows with the outcome `bought` (yes/no), which depends on `Amount` and `colour`; `people` recur if given."""
    draws = np.random.default_rng(seed)
    found = []
    for number in range(count):
        amount, colour = float(draws.gamma(2.0, 20.0)), str(draws.choice(COLOURS))
        log_odds = 0.04 * (amount - 40.0) + (1.0 if colour == "blue" else -0.5)
        day = np.datetime64("2024-01-13") + int(draws.integers(360))
        found.append(
            {
                "Customer ID": f"C-{number:06d}",
                "person": str(number if people is None else number % people),
                "Amount": f"{amount:.2f}",
                "colour": colour if draws.random() > 0.1 else "unknown",
                "member": str(draws.choice(("Yes", "No"))),
                "country": "NL",
                "note": " ".join(str(word) for word in draws.choice(_WORDS, 6)),
                "since": day.astype("datetime64[D]").item().strftime(DATES[number % len(DATES)]),
                "gender": str(draws.choice(("f", "m"))),
                "bought": "yes" if draws.random() < 1 / (1 + np.exp(-log_odds)) else "no",
            }
        )
    return found


def text(given: Sequence[Row], delimiter: str = ",", newline: str = "\n") -> str:
    """The rows as CSV."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(given[0]), delimiter=delimiter, lineterminator=newline)
    writer.writeheader()
    writer.writerows(given)
    return file.getvalue()


def write(path: Path, given: Sequence[Row]) -> Path:
    """The rows as a CSV file in UTF-8."""
    path.write_text(text(given), encoding="utf-8")
    return path


def load(path: Path, target: str = "bought", **roles: object) -> LoadedTable:
    """The table with a proposed schema; `roles` are further fields of Roles."""
    return load_table(path, Roles(target, **roles))  # type: ignore[arg-type]

"""From CDNOW's summaries to what repeat-buying models eat: purchases again, when the last, watched how long, worth how much.

Fader & Hardie's table of 2,357 customers who first bought in early 1997, counted in weeks. Two files: without money
(for BG/NBD and Pareto/NBD) and with the mean value of a repeat purchase (for gamma-gamma).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.arrays import Floats
from models.tables.reading import Counts, Sieve, TableError, read_all, read_texts

_PLAIN = ("frequency", "recency", "T")
_WITH_MONEY = ("x", "t_x", "T", "zbar")


class Buyers(NamedTuple):
    """Repeat purchases, week of the last one, weeks watched, mean value of a repeat purchase (NaN where not told)."""

    repeats: Floats
    last_week: Floats
    weeks: Floats
    mean_value: Floats
    counts: Counts


def read_buyers(path: Path) -> Buyers:
    """The customers in the CSV file at `path`, either of the two forms, or `TableError`."""
    header = set(read_all(path).columns)
    names = _WITH_MONEY if set(_WITH_MONEY) <= header else _PLAIN
    if not set(names) <= header:
        raise TableError(f"{path} has neither the columns {', '.join(_PLAIN)} nor {', '.join(_WITH_MONEY)}")
    sieve = Sieve(read_texts(path, names))
    repeats, last_week, weeks = (sieve.number(name, low=0.0) for name in names[:3])
    mean_value = sieve.number("zbar", low=0.0) if names is _WITH_MONEY else np.full(len(repeats), np.nan)
    sieve.hold_back(last_week > weeks, "last_after_end")
    kept = sieve.kept
    return Buyers(repeats[kept], last_week[kept], weeks[kept], mean_value[kept], sieve.counts())

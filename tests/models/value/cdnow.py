"""CDNOW as published: a tenth of the people who first bought there in early 1997, followed for 78 weeks."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from models.value.bg_nbd import RfmSummary
from tests.kit.shared import shared_path
from tests.models.history import tables

END_OF_WEEK_39_MS = round(datetime(1997, 10, 1, tzinfo=UTC).timestamp() * 1000)
END_OF_WEEK_78_MS = round(datetime(1998, 7, 1, tzinfo=UTC).timestamp() * 1000)


def summary() -> pd.DataFrame:
    """The published summary of 39 weeks: frequency, recency, age."""
    return pd.read_csv(shared_path("data/tables/cdnow/cdnow_customers_summary.csv")).rename(columns={"ID": "subject", "T": "age"})


def spends() -> tuple[np.ndarray, np.ndarray]:
    """Number of repeat purchases of each customer, and published mean spend in dollars."""
    table = pd.read_csv(shared_path("data/tables/cdnow/cdnow_customers_summary_with_transactions.csv"))
    return table["x"].to_numpy(dtype=np.float64), table["zbar"].to_numpy(dtype=np.float64)


def as_baskets(path: Path) -> Path:
    """Transactions of the same customers in the history format, as input of the whole pipeline."""
    rows = []
    lines = gzip.decompress(shared_path("data/tables/cdnow/CDNOW_sample.txt.gz").read_bytes()).decode("ascii").splitlines()
    for number, line in enumerate(lines):
        _, subject, day, pieces, dollars = line.split()
        at_ms = round(datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).timestamp() * 1000)
        rows.append(
            {
                "subject": subject,
                "at_ms": at_ms,
                "basket": number,
                "item": "cd",
                "quantity": pieces,
                "amount_minor": round(float(dollars) * 100),
            }
        )
    return tables.baskets(path, rows)


def drawn(subjects: int, parameters: tuple[float, float, float, float], weeks: float, seed: int) -> RfmSummary:
    """Subjects simulated from the BG/NBD model."""
    r, alpha, a, b = parameters
    draws = np.random.default_rng(seed)
    rate, stop = draws.gamma(r, 1 / alpha, size=subjects), draws.beta(a, b, size=subjects)
    age = draws.uniform(weeks / 2, weeks, size=subjects)
    frequency, recency = np.zeros(subjects), np.zeros(subjects)
    for subject in range(subjects):
        at = draws.exponential(1 / rate[subject])
        while at < age[subject]:
            frequency[subject] += 1
            recency[subject] = at
            if draws.random() < stop[subject]:
                break
            at += draws.exponential(1 / rate[subject])
    return RfmSummary(frequency, recency, age)

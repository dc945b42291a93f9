"""CDNOW as published: a tenth of the people who first bought there in early 1997, followed for 78 weeks."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.value.bg_nbd import RfmSummary
from tests.kit.shared import shared_path
from tests.models.history import tables

Parameters = tuple[float, float, float, float]

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


def drawn(subjects: int, parameters: Parameters, weeks: float, seed: int) -> RfmSummary:
    """Subjects simulated from the BG/NBD model, each known for between half of `weeks` and all of them."""
    draws = np.random.default_rng(seed)
    times = _purchases(subjects, parameters, weeks, draws, modified=False)
    return _summary(times, draws.uniform(weeks / 2, weeks, size=subjects))


class Spend(NamedTuple):
    """Mean spend per repeat purchase before, and whole spend after; (n,) each."""

    before: np.ndarray
    after: np.ndarray


def drawn_with_future(
    subjects: int, parameters: Parameters, weeks: float, later: float, seed: int, *, modified: bool
) -> tuple[RfmSummary, np.ndarray, Spend]:
    """Subjects simulated from BG/NBD or MBG/NBD and gamma-gamma (6, 4, 15): summary of `weeks`, purchases in the `later` weeks, spend."""
    draws = np.random.default_rng(seed)
    times = _purchases(subjects, parameters, weeks + later, draws, modified=modified)
    known = _summary(times, np.full(subjects, weeks))
    after = np.array([float(sum(at > weeks for at in of)) for of in times])
    scale = draws.gamma(4.0, 1.0 / 15.0, size=subjects)
    spent = [draws.gamma(6.0 * np.maximum(count, 1.0)) / scale * (count > 0) for count in (known.frequency, after)]
    return known, after, Spend(spent[0] / np.maximum(known.frequency, 1.0), spent[1])


def drawn_tables(
    subjects: int, parameters: Parameters, days: tuple[int, int, int], seed: int, *, modified: bool
) -> dict[int, pd.DataFrame]:
    """Simulated summaries in weeks at three days: number of days before the last one -> table with `subject`."""
    draws = np.random.default_rng(seed)
    times = _purchases(subjects, parameters, days[-1] / 7.0, draws, modified=modified)
    return {
        days[-1] - day: pd.DataFrame(_summary(times, np.full(subjects, day / 7.0))._asdict()).assign(subject=np.arange(subjects))
        for day in days
    }


def _purchases(subjects: int, parameters: Parameters, weeks: float, draws: np.random.Generator, *, modified: bool) -> list[list[float]]:
    """Times of the purchases of each subject after its first, in weeks since that."""
    r, alpha, a, b = parameters
    rate, stop = draws.gamma(r, 1 / alpha, size=subjects), draws.beta(a, b, size=subjects)
    times: list[list[float]] = []
    for subject in range(subjects):
        of: list[float] = []
        at = np.inf if modified and draws.random() < stop[subject] else draws.exponential(1 / rate[subject])
        while at < weeks:
            of.append(at)
            if draws.random() < stop[subject]:
                break
            at += draws.exponential(1 / rate[subject])
        times.append(of)
    return times


def _summary(times: list[list[float]], age: np.ndarray) -> RfmSummary:
    known = [[at for at in of if at < until] for of, until in zip(times, age, strict=True)]
    return RfmSummary(np.array([float(len(of)) for of in known]), np.array([max(of, default=0.0) for of in known]), age)

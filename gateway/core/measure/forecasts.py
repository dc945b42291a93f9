"""Forecasts beside outcomes: calibration error, and deciles of the propensity at the time of sending ("waves")."""

from __future__ import annotations

import msgspec
import numpy as np

from gateway.core.measure.rates import Floats, Interval, wilson

BINS = 10
ROWS_MIN = 100  # ten a bin


class Decile(msgspec.Struct, frozen=True):
    """A tenth of the intended offers, the likeliest first.

    `forecast` is the mean propensity, `taken` the share of the sent that was accepted (None if none was sent), `held_out` the share of
    the holdout.
    """

    number: int
    rows: int
    forecast: float
    taken: Interval | None
    held_out: float


def calibration_error(forecasts: Floats, taken: Floats) -> float:
    """Mean gap between forecast and share taken (0 or 1 a row) over BINS bins of equal size. Raises ValueError without a row."""
    if not len(forecasts):
        raise ValueError("a calibration error needs a row")
    bins = np.array_split(np.argsort(forecasts, kind="stable"), BINS)
    return sum(abs(float((forecasts[rows] - taken[rows]).sum())) for rows in bins) / len(forecasts)


def deciles(forecasts: Floats, sent: Floats, taken: Floats) -> tuple[Decile, ...]:
    """Ten parts of equal size by forecast, best first, of (n,) rows; `sent` is 0 for the holdout. Empty below ten rows.

    Equal forecasts keep the order of the rows.
    """
    if len(forecasts) < BINS:
        return ()
    parts = np.array_split(np.argsort(-forecasts, kind="stable"), BINS)
    return tuple(
        Decile(
            number,
            len(rows),
            float(forecasts[rows].mean()),
            wilson(int(taken[rows][sent[rows] == 1].sum()), count) if (count := int(sent[rows].sum())) else None,
            1.0 - float(sent[rows].mean()),
        )
        for number, rows in enumerate(parts, 1)
    )

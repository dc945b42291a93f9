"""The rate of rain from a gauge that states the total since it was reset.

The rate is the difference of two totals over the time between them, RATE_MS_MIN or longer: a tipping bucket of 0.2 mm that is read each
minute would else state a shower of 12 mm/h for one minute and none for the next nine. A total below the one before is a reset, and a time
longer than RATE_MS_MAX a gap: both only set the new start.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.quantities import in_range

HOUR_MS = 3_600_000
RATE_MS_MIN = 300_000
RATE_MS_MAX = 3 * HOUR_MS


class Gauge(NamedTuple):
    """The total of a gauge in mm, and its time: the start of the next rate."""

    total_mm: float
    at_ms: int


def with_total(before: Gauge | None, total_mm: float, at_ms: int) -> tuple[Gauge, float | None]:
    """The start of the next rate, and the rate in mm/h since the last start; None before RATE_MS_MIN, after a reset and after a gap."""
    now = Gauge(total_mm, at_ms)
    if before is None or at_ms - before.at_ms > RATE_MS_MAX or total_mm < before.total_mm:
        return (now if before is None or at_ms >= before.at_ms else before), None
    if at_ms - before.at_ms < RATE_MS_MIN:
        return before, None
    rate = (total_mm - before.total_mm) * HOUR_MS / (at_ms - before.at_ms)
    return now, rate if in_range("precipitation", rate) else None

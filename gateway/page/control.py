"""Perceived control: two statements on a scale of 1 to 7, once a year at most. The answers stay on the gateway.

The mean is printed at the operator's desk, without reference to a person. It leaves only as noised sums of a quarter, if the site's terms
have them (`gateway.core.privacy`).
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core import limits

SCALE = tuple(range(1, 8))
ITEMS = ("decide", "understand")
"""Names of the statements, whose texts are in `texts/`: deciding on the use of one's data here, and understanding it."""


def is_due(answered_ms: int, now_ms: int) -> bool:
    """Whether a person may be asked, by the time of the last answer (0: none)."""
    return answered_ms == 0 or now_ms - answered_ms >= limits.CONTROL_MS


def mean_of(details: Sequence[str]) -> float:
    """The mean of all answers to both statements, 1 to 7. Raises ZeroDivisionError without answers."""
    numbers = [int(item) for detail in details for item in detail.split()]
    return sum(numbers) / len(numbers)

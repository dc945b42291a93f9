"""The incremental lift against people held out, with an interval that holds the noise, and the days that it still needs.

The lift is the share of visitors among people with an offer, minus the share among people held out. Its interval includes the noise of the
four sums (each record states the variance) and the chance of samples of this size. If the interval is wider than `CLEAR_MARGIN` on either
side, the lift is not shown, but the days that are still needed if the counts come in as before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from dashboard.estimates import Estimate, Share, Z, difference, share, total
from dashboard.figures import CELLS
from dashboard.joining import HELD_OUT, SENT
from gateway.core.records import OutcomeCell

CLEAR_MARGIN = 0.1  # 10 percentage points
DAYS_MAX = 3_650  # a longer wait is not stated
RATIO_SLACK = 1 / 3
Cells = Mapping[OutcomeCell, Estimate]


def sum_of(cells: Cells, outcomes: Iterable[OutcomeCell]) -> Estimate:
    """The sum of the counts of some outcomes."""
    return total(cells[outcome] for outcome in outcomes if outcome in cells)


def lift_of(cells: Cells) -> tuple[Share | None, Share | None, Share | None]:
    """Shares of visitors with an offer and held out, and their difference; None where the noise hides them."""
    came = share(sum_of(cells, CELLS["came"]), sum_of(cells, SENT))
    held_out_came = share(sum_of(cells, ("held_out_came",)), sum_of(cells, HELD_OUT))
    return came, held_out_came, difference(came, held_out_came)


def more_days(cells: Cells, lift: Share | None, days: int) -> int | None:
    """Days until the interval of the lift is within CLEAR_MARGIN, if all days are as these; 0 now, None if unknown.

    A margin falls with the root of the days. Until the number of people held out is clear of the noise, that comes first.
    """
    if lift is not None and lift.margin <= CLEAR_MARGIN:
        return 0
    if days == 0:
        return None
    if lift is not None:
        needed = days * (lift.margin / CLEAR_MARGIN) ** 2
    else:
        least = min((sum_of(cells, SENT), sum_of(cells, HELD_OUT)), key=lambda one: one.value)
        if least.value <= 0:
            return None
        needed = days * max(1.0, (Z * math.sqrt(least.variance) / least.value) ** 2) * 2
    return None if needed > DAYS_MAX else max(1, math.ceil(needed - days))


def attributable(came: Share, held_out_came: Share) -> Share:
    """The share of visits with an offer that would not have been without it: 1 minus the ratio of the two shares, at least 0."""
    if came.value <= 0:
        return Share(0.0, 1.0)
    ratio = held_out_came.value / came.value
    margin = math.hypot(held_out_came.margin / came.value, ratio * came.margin / came.value)
    return Share(max(0.0, 1 - ratio), margin)


def ratio_is_off(held_out: Share | None, planned: tuple[float, float]) -> bool:
    """Whether the share of contacts held out is outside the planned range, by more than its interval and a third of the plan.

    Pauses after refusals apply to people with offers only, so some difference is normal: contacts of people held out are slightly
    more frequent.
    """
    if held_out is None:
        return False
    low, high = planned
    return held_out.value + held_out.margin < low * (1 - RATIO_SLACK) or held_out.value - held_out.margin > high * (1 + RATIO_SLACK)

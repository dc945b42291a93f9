"""Numbers, ages and times as text for the pages."""

from __future__ import annotations

import math
from datetime import datetime, tzinfo

from dashboard.estimates import Estimate, Share

SHARE_MARGIN_MAX = 0.4
_UNITS_MS = ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second"))


def number(value: int) -> str:
    """Number with thousands separators: 1284 is "1,284"."""
    return f"{value:,}"


def estimate(found: Estimate) -> str:
    """Estimate with half of its interval, such as "1,284 ± 60", or an upper bound, such as "fewer than 90", if it may be zero."""
    margin = math.ceil(found.margin)
    if not found.is_clear:
        return f"fewer than {_about(max(0.0, found.value) + margin):,}"
    return f"{round(found.value):,} \N{PLUS-MINUS SIGN}\N{NO-BREAK SPACE}{margin:,}"


def share(found: Share | None) -> str:
    """Percentage with half of its interval, such as "25 ± 4 %"; a dash if it is unknown or the interval is most of 0 to 100."""
    if found is None or found.margin > SHARE_MARGIN_MAX:
        return "\N{EN DASH}"
    return f"{100 * found.value:.0f} \N{PLUS-MINUS SIGN}\N{NO-BREAK SPACE}{max(1, math.ceil(100 * found.margin))}\N{NO-BREAK SPACE}%"


def points(found: Share) -> str:
    """Difference of shares in percentage points, with its sign."""
    return f"{100 * found.value:+.1f} \N{PLUS-MINUS SIGN}\N{NO-BREAK SPACE}{100 * found.margin:.1f} percentage points"


def _about(value: float) -> int:
    """The value rounded up to two digits, and at least 1."""
    unit = int(10 ** max(0, len(str(math.ceil(value))) - 2))
    return max(1, math.ceil(value / unit) * unit)


def width(value: float, largest: float) -> float:
    """Length of a bar, 0 to 100; any positive value is long enough to be visible."""
    return 0.0 if value <= 0 or largest <= 0 else round(max(0.6, min(100.0, 100 * value / largest)), 2)


def duration(length_ms: int) -> str:
    """Length in the largest unit that divides it: 3600000 is "1 hour", 10000 is "10 seconds"."""
    for unit_ms, word in _UNITS_MS:
        if length_ms >= unit_ms and length_ms % unit_ms == 0:
            count = length_ms // unit_ms
            return f"{count} {word}" if count == 1 else f"{count} {word}s"
    return f"{length_ms} ms"


def age(age_ms: int | None) -> str:
    """Age in one unit, such as "5 minutes ago"; "never" for None."""
    if age_ms is None:
        return "never"
    for unit_ms, word in _UNITS_MS:
        count = age_ms // unit_ms
        if count >= 2 or (count == 1 and unit_ms <= 60_000):
            return f"{count} {word if count == 1 else word + 's'} ago"
    return "just now"


def moment(at_ms: int, step_ms: int, time_zone: tzinfo) -> str:
    """Local time with the precision of `step_ms`: a day, a minute or a second."""
    at = datetime.fromtimestamp(at_ms / 1000, time_zone)
    if step_ms >= 86_400_000:
        return f"{at.day} {at:%b}"
    clock = f"{at:%H:%M}" if step_ms >= 60_000 else f"{at:%H:%M:%S}"
    return f"{at.day} {at:%b}, {clock}" if step_ms > 3_600_000 else clock


def date_and_time(at_ms: int, time_zone: tzinfo) -> str:
    """Local date and time, such as "14 Nov 2025, 14:03"; seconds only if there are any."""
    at = datetime.fromtimestamp(at_ms / 1000, time_zone)
    return f"{at.day} {at:%b %Y, %H:%M}" if at_ms % 60_000 == 0 else f"{at.day} {at:%b %Y, %H:%M:%S}"


def day(at_ms: int, time_zone: tzinfo) -> str:
    """Local date, such as "14 Nov 2025"."""
    at = datetime.fromtimestamp(at_ms / 1000, time_zone)
    return f"{at.day} {at:%b %Y}"


def machine_time(at_ms: int, time_zone: tzinfo) -> str:
    """Local time in ISO 8601, for <time datetime>."""
    return datetime.fromtimestamp(at_ms / 1000, time_zone).isoformat(timespec="seconds")

"""Visits of a shop by hour and weekday, relative to those of the site: a shop that nobody visits at an hour is closed or far from the ways.

No opening hours are needed, and a change of these is learned from the visits. Hours and weekdays are those of UTC: a constant shift of both
changes nothing.
"""

from __future__ import annotations

import msgspec

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
PRIOR_VISITS = 5.0  # of the site, at the shop's usual share, for each hour and weekday
KEEP = 1.0 - 1.0 / 5_000.0  # weight of the earlier visits at each new one
NOTHING = (0.0,) * 24, (0.0,) * 7


class Busy(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Decayed visits by hour and by weekday."""

    hours: tuple[float, ...] = NOTHING[0]
    weekdays: tuple[float, ...] = NOTHING[1]

    def plus(self, at_ms: int) -> Busy:
        """With one more visit."""
        hour, weekday = _when(at_ms)
        return Busy(_counted(self.hours, hour), _counted(self.weekdays, weekday))


NEVER = Busy()


def relative(shop: Busy, site: Busy, at_ms: int) -> float:
    """Visits of the shop over those expected from its usual share of the site's: the lower one of the hour and of the weekday.

    1 without visits.
    """
    share = (sum(shop.hours) + PRIOR_VISITS) / (sum(site.hours) + PRIOR_VISITS)
    hour, weekday = _when(at_ms)
    return min(
        (own[at] + PRIOR_VISITS * share) / ((all_[at] + PRIOR_VISITS) * share)
        for own, all_, at in ((shop.hours, site.hours, hour), (shop.weekdays, site.weekdays, weekday))
    )


def _when(at_ms: int) -> tuple[int, int]:
    return at_ms // HOUR_MS % 24, at_ms // DAY_MS % 7


def _counted(counts: tuple[float, ...], at: int) -> tuple[float, ...]:
    return tuple(count * KEEP + (number == at) for number, count in enumerate(counts))

"""People counted in a zone: passages since a counter's last report, running totals, and people in view.

A report is folded into `Counting` of each zone that the counter belongs to; a door between two zones adds to one and subtracts from the
other. Running totals become differences: a total that begins again near zero (restart, midnight) counts from zero, one that wraps around
16 or 32 bits goes on, and a jump that no door can have only sets the new start. Where a counter states totals, its passages since the
last report are the same people and are not added.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import msgspec

from gateway.core.types import Count, Direction

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
CROWD_MS_MAX = HOUR_MS  # after a longer silence of a counter neither the present flow nor the start of its next count is known
CROWD_FIRST_MS = 10_000  # reports closer than this were queued on the way, so they cover a longer time than the distance
CROWD_MEAN_MS = 10 * MINUTE_MS  # mean life of the flow: a train's arrival shows within minutes and is gone after a quarter of an hour
PRESENT_MS_MAX = 3 * HOUR_MS  # a balance is not kept through a longer silence of all doors
DOOR_PER_S_MAX = 10  # more people a second pass no door that one device counts
DOOR_AT_ONCE_MAX = 100  # in reports that arrive together
WRAPS = (1 << 16, 1 << 32)

OPPOSITE: Mapping[Direction, Direction] = {"in": "out", "out": "in"}


class Crowd(msgspec.Struct, frozen=True, gc=False):
    """The flow past one counter in people an hour, at the time `at_ms`; None until its second report.

    A report holds the number of people *since the last report* (`gateway.core.types.Count`), so it needs the time between two reports,
    and the first report only starts that time. The flow is an exponential mean with a mean life of CROWD_MEAN_MS: it is the same for
    counters that report every ten seconds and every ten minutes.
    """

    per_hour: float | None
    at_ms: int


class Total(msgspec.Struct, frozen=True, gc=False):
    """The newest running total of one counter in one direction, when it arrived, and the time that the counter stated."""

    total: int
    at_ms: int
    stated_ms: int | None = None


class Minute(msgspec.Struct, frozen=True, gc=False):
    """People entering and leaving within one minute."""

    start_ms: int
    came: int = 0
    went: int = 0


class Counting(msgspec.Struct, frozen=True):
    """Counters of a zone.

    `crowds` are flows by counter, and `totals` and `passed_ms` (the stated time of the newest passages) by counter and direction.
    `minutes` are the passages in and out of the last hour, `since_ms` the first report with a direction. `present` is the balance of the
    doors at `present_ms`, `in_view` people by counter with the time.
    """

    crowds: Mapping[str, Crowd] = {}
    totals: Mapping[str, Total] = {}
    passed_ms: Mapping[str, int] = {}
    minutes: tuple[Minute, ...] = ()
    since_ms: int | None = None
    present: int = 0
    present_ms: int | None = None
    in_view: Mapping[str, tuple[int, int]] = {}


def with_count(before: Counting, count: Count, now_ms: int, direction: Direction | None = None, empty_ms: int | None = None) -> Counting:
    """Fold one report of people, which passed in `direction` as this zone sees it.

    `empty_ms` is the last time at which the zone was empty by the config: the balance begins at 0 there.
    """
    if count.kind == "present":
        return msgspec.structs.replace(before, in_view={**before.in_view, count.device: (count.count, now_ms)})
    series = f"{count.device}|{direction or ''}"
    if count.kind == "total":
        passed = _difference(before.totals.get(series), count, now_ms)
        total = Total(count.count, now_ms, count.at_ms)
        known = before.totals.get(series)
        if passed is None and known is not None:
            return before  # an older report that arrived late, or again
        after = msgspec.structs.replace(before, totals={**before.totals, series: total})
    else:
        known = before.totals.get(series)
        is_stated_as_total = known is not None and 0 <= now_ms - known.at_ms <= CROWD_MS_MAX
        if is_stated_as_total or (count.at_ms is not None and before.passed_ms.get(series) == count.at_ms):
            return before
        passed = count.count
        after = before
        if count.at_ms is not None:
            after = msgspec.structs.replace(before, passed_ms={**before.passed_ms, series: count.at_ms})
    if direction is not None:
        after = _passed(after, passed or 0, now_ms, direction, empty_ms)
    return after if direction == "out" else _with_flow(after, series, passed or 0, now_ms)


def _difference(before: Total | None, count: Count, now_ms: int) -> int | None:
    """People since the total `before`; 0 for the first total and for an impossible jump, None for a report that is not newer."""
    if before is None:
        return 0
    is_dated = count.at_ms is not None and before.stated_ms is not None
    if is_dated and count.at_ms <= before.stated_ms:  # type: ignore[operator]
        return None
    possible = DOOR_AT_ONCE_MAX + DOOR_PER_S_MAX * max(0, now_ms - before.at_ms) // 1000
    passed = count.count - before.total
    if passed < 0:  # the total wrapped around, or the counter began again
        wrapped = next((one + passed for one in WRAPS if before.total < one and one + passed <= min(possible, one // 16)), None)
        passed = count.count if wrapped is None else wrapped
    return passed if passed <= possible else 0


def _passed(before: Counting, people: int, now_ms: int, direction: Direction, empty_ms: int | None) -> Counting:
    """Add people to the last hour and to the balance, which is never negative."""
    start_ms = now_ms - now_ms % MINUTE_MS
    came, went = (people, 0) if direction == "in" else (0, people)
    minutes = tuple(one for one in before.minutes if start_ms - one.start_ms < HOUR_MS)
    if minutes and minutes[-1].start_ms == start_ms:
        last = minutes[-1]
        minutes = (*minutes[:-1], Minute(start_ms, last.came + came, last.went + went))
    elif people:
        minutes = (*minutes, Minute(start_ms, came, went))
    is_known = before.present_ms is not None and now_ms - before.present_ms <= PRESENT_MS_MAX
    is_same_day = empty_ms is None or (before.present_ms is not None and before.present_ms >= empty_ms)
    present = before.present if is_known and is_same_day else 0
    since_ms = before.since_ms if is_known and before.since_ms is not None else now_ms
    present = max(0, present + came - went)
    return msgspec.structs.replace(before, minutes=minutes, since_ms=since_ms, present=present, present_ms=now_ms)


def _with_flow(counting: Counting, series: str, people: int, now_ms: int) -> Counting:
    """Fold one report into the flow of its counter."""
    before = counting.crowds.get(series)
    if before is None or not 0 <= now_ms - before.at_ms <= CROWD_MS_MAX:
        return msgspec.structs.replace(counting, crowds={**counting.crowds, series: Crowd(None, now_ms)})
    lives = (now_ms - before.at_ms) / CROWD_MEAN_MS
    fade = math.exp(-lives)
    if before.per_hour is None:
        flow = None if lives == 0.0 else people * HOUR_MS / max(now_ms - before.at_ms, CROWD_FIRST_MS)
    else:
        # Exact for a constant flow between the two reports; reports with the same time (of one batch) add up.
        share = 1.0 if lives == 0.0 else (1.0 - fade) / lives
        flow = before.per_hour * fade + people * HOUR_MS / CROWD_MEAN_MS * share
    return msgspec.structs.replace(counting, crowds={**counting.crowds, series: Crowd(flow, now_ms)})


Known = tuple[float, int]
"""A value and its time."""


def flow(counting: Counting, now_ms: int, max_age_ms: float = math.inf) -> Known | None:
    """People an hour past all counters that reported recently enough, and the oldest time of these reports; None without any.

    With directions, entries only: each person passes a door twice.
    """
    known = [
        (crowd.per_hour, crowd.at_ms)
        for crowd in counting.crowds.values()
        if crowd.per_hour is not None and now_ms - crowd.at_ms <= min(CROWD_MS_MAX, max_age_ms)
    ]
    return (sum(per_hour for per_hour, _ in known), min(at_ms for _, at_ms in known)) if known else None


def passages(counting: Counting, direction: Literal["in", "out"], now_ms: int, max_age_ms: float = math.inf) -> Known | None:
    """Passages in `direction` within the last hour, and the time of the last report; None without a recent one.

    A counter that began within the hour has counted for a part of it: the number is that of an hour of the same flow.
    """
    at_ms, since_ms = counting.present_ms, counting.since_ms
    if at_ms is None or since_ms is None or now_ms - at_ms > min(CROWD_MS_MAX, max_age_ms) or at_ms == since_ms:
        return None
    people = sum(one.came if direction == "in" else one.went for one in counting.minutes if now_ms - one.start_ms < HOUR_MS)
    covered_ms = max(MINUTE_MS, now_ms - since_ms)
    return people * max(1.0, HOUR_MS / covered_ms), at_ms


def present(counting: Counting, now_ms: int, max_age_ms: float = math.inf) -> Known | None:
    """People in the zone: the balance of its doors, and at least those in view; None without a recent report.

    Where a device states its whole view and parts of it, the whole counts.
    """
    known: list[Known] = []
    if counting.present_ms is not None and now_ms - counting.present_ms <= min(PRESENT_MS_MAX, max_age_ms):
        known.append((float(counting.present), counting.present_ms))
    fresh = {device: one for device, one in counting.in_view.items() if now_ms - one[1] <= min(CROWD_MS_MAX, max_age_ms)}
    whole = [one for device, one in fresh.items() if "/" not in device or device.rpartition("/")[0] not in fresh]
    if whole:
        known.append((float(sum(people for people, _ in whole)), min(at_ms for _, at_ms in whole)))
    return max(known) if known else None


def rebased(counting: Counting, step_ms: int) -> Counting:
    """The same counters with all arrival times moved by `step_ms`, after the clock was set."""

    def moved(at_ms: int | None) -> int | None:
        return None if at_ms is None else at_ms + step_ms

    return msgspec.structs.replace(
        counting,
        crowds={series: Crowd(one.per_hour, one.at_ms + step_ms) for series, one in counting.crowds.items()},
        totals={series: msgspec.structs.replace(one, at_ms=one.at_ms + step_ms) for series, one in counting.totals.items()},
        minutes=tuple(msgspec.structs.replace(one, start_ms=one.start_ms + step_ms) for one in counting.minutes),
        since_ms=moved(counting.since_ms),
        present_ms=moved(counting.present_ms),
        in_view={device: (people, at_ms + step_ms) for device, (people, at_ms) in counting.in_view.items()},
    )

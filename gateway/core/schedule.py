"""The schedule: the next moment at which the engine needs `TimePassed`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core import limits, occasions, screens

if TYPE_CHECKING:
    from gateway.core.site import Site
    from gateway.core.state import State


GROUP_MS = 50  # visits, budgets and outcomes that end within this time do so in one commit


def next_due_ms(site: Site, state: State, now_ms: int, *, outbox_full: bool) -> int:
    """The earliest of all due times; in the past or equal to `now_ms` when something is due."""
    always_ms = min(window_due_ms(site, state, now_ms, outbox_full=outbox_full), purge_due_ms(site, state))
    ends = [end_ms for one in (state.visits, state.budgets, state.outcomes) if (end_ms := one.next_due_ms()) is not None]
    planned = [due for due in (occasions.due_ms(site, state, now_ms), screens.due_ms(site, state)) if due is not None]
    return min([always_ms, *(end_ms + GROUP_MS for end_ms in ends), *planned])


def window_due_ms(site: Site, state: State, now_ms: int, *, outbox_full: bool) -> int:
    """When the open window must be closed, or the first one opened: not before the clock is past `site.clock_floor_ms`.

    A window opened by a clock that was more than CLOCK_BACK_MS_MAX ahead is due at once. One opened a little ahead is waited for, so that
    no window is released twice. While the outbox is full the window goes on gathering and is looked at again after OUTBOX_RETRY_MS.
    """
    if outbox_full:
        return now_ms + limits.OUTBOX_RETRY_MS
    period = state.counts.period
    if period is None:
        return site.clock_floor_ms
    if period.window_start_ms > now_ms + limits.CLOCK_BACK_MS_MAX:
        return max(now_ms, site.clock_floor_ms)
    return max(period.window_end_ms, site.clock_floor_ms)


def purge_due_ms(site: Site, state: State) -> int:
    """When to look for rows that are older than their retention, by a clock that can be right."""
    return max(state.retention.next_ms, state.retention.settles_ms, site.clock_floor_ms)

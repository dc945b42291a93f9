"""How long to wait for the cloud: never for ever, never before the pause is over, and afresh after each success."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import limits
from gateway.core.ports import Reply
from gateway.core.syncing import Send, Uplink, Wait, after_reply, plan_sync

NOW = 1_800_000_000_000
YEAR_MS = 365 * 86_400_000
_FAILURES: tuple[Reply, ...] = ("refused", "unreachable", "busy")


def test_what_waits_is_sent_at_once_and_nothing_is_not() -> None:
    assert plan_sync(1, NOW, Uplink(), 500) == Send()
    assert plan_sync(0, NOW, Uplink(), 500) == Wait(500)


def test_the_pause_is_kept_to_the_millisecond() -> None:
    uplink = Uplink(1, NOW + 100)
    assert plan_sync(9, NOW + 99, uplink, 500) == Wait(1)
    assert plan_sync(9, NOW + 100, uplink, 500) == Send()


def test_the_pause_doubles_up_to_its_bound() -> None:
    uplink, pauses = Uplink(), []
    for _ in range(40):
        uplink = after_reply(uplink, "unreachable", NOW, draw=0.999_999_999)
        pauses.append(uplink.not_before_ms - NOW)
    assert pauses[:3] == [999, 1999, 3999]
    assert all(later >= earlier for earlier, later in pairwise(pauses))
    assert pauses[-1] == limits.SYNC_BACKOFF_MS_MAX - 1
    assert uplink.failures == 40


def test_the_draw_spreads_the_pause_over_its_upper_half() -> None:
    pauses = {after_reply(Uplink(3, 0), "busy", 0, draw / 100).not_before_ms for draw in range(100)}
    assert min(pauses) == 4000
    assert max(pauses) < 8000
    assert len(pauses) == 100


@pytest.mark.parametrize("retry_after_ms", [YEAR_MS, 2**63])
def test_a_year_asked_for_is_minutes_granted(retry_after_ms: int) -> None:
    uplink = after_reply(Uplink(), "busy", NOW, 0.5, retry_after_ms)
    assert uplink.not_before_ms == NOW + limits.SYNC_BACKOFF_MS_MAX


@pytest.mark.parametrize("retry_after_ms", [-YEAR_MS, 0, 1])
def test_asking_for_no_pause_shortens_none(retry_after_ms: int) -> None:
    assert after_reply(Uplink(), "busy", NOW, 0.0, retry_after_ms) == after_reply(Uplink(), "busy", NOW, 0.0)


def test_success_forgets_all_failures() -> None:
    assert after_reply(Uplink(12, NOW + YEAR_MS), "taken", NOW, 0.5, YEAR_MS) == Uplink()


def test_a_clock_set_back_does_not_silence_the_uplink() -> None:
    """The pause was agreed on while the clock stood three years ahead."""
    uplink = after_reply(Uplink(), "unreachable", NOW + 3 * YEAR_MS, 0.5)
    assert plan_sync(1, NOW, uplink, 500) == Send()


@given(
    st.lists(
        st.tuples(
            st.sampled_from((*_FAILURES, "taken")),
            st.floats(0, 1, exclude_max=True),
            st.none() | st.integers(-(2**40), 2**70),
            st.integers(0, 2 * limits.SYNC_BACKOFF_MS_MAX),
        ),
        max_size=40,
    )
)
def test_pauses_are_bounded_and_kept(tries: list[tuple[Reply, float, int | None, int]]) -> None:
    uplink, now_ms, failures = Uplink(), NOW, 0
    for reply, draw, retry_after_ms, wait_ms in tries:
        uplink = after_reply(uplink, reply, now_ms, draw, retry_after_ms)
        failures = 0 if reply == "taken" else failures + 1
        assert uplink.failures == failures
        pause_ms = uplink.not_before_ms - now_ms
        if reply == "taken":
            assert plan_sync(1, now_ms, uplink, 1) == Send()
        else:
            assert limits.SYNC_BACKOFF_MS_MIN // 2 <= pause_ms <= limits.SYNC_BACKOFF_MS_MAX
            assert plan_sync(1, now_ms + pause_ms - 1, uplink, 1) == Wait(1)
        now_ms += wait_ms
        plan = plan_sync(1, now_ms, uplink, 1)
        assert isinstance(plan, Send) == (now_ms >= uplink.not_before_ms)
        assert isinstance(plan, Send) or 0 < plan.wait_ms <= limits.SYNC_BACKOFF_MS_MAX

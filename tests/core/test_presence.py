"""Visits from noisy levels: the conditions to enter, to stay, to dwell and to leave."""

from __future__ import annotations

from collections import defaultdict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import presence
from gateway.core.presence import Presence, PresenceRules, Transition, TransitionKind

RULES = PresenceRules()
CLEAR, BETWEEN, FAINT = -60.0, -79.0, -90.0
T0 = 1_000_000


def fold(samples: list[tuple[int, float]], before: Presence | None = None, anchor: str = "a") -> tuple[Presence | None, list[Transition]]:
    """Fold (ms after T0, dBm) at one anchor."""
    transitions = []
    for at_ms, rssi_dbm in samples:
        before, transition = presence.fold_sighting(before, "s", "z", anchor, rssi_dbm, T0 + at_ms, RULES)
        transitions += [transition] if transition else []
    return before, transitions


def fix(before: Presence | None, now_ms: int, *, inside: bool) -> presence.Step:
    return presence.fold_fix(before, "s", "z", inside, 0.9, now_ms, RULES)


def told(kind: TransitionKind, at_ms: int, transition: Transition | None) -> bool:
    """Whether this transition was made, of the visit that began at T0."""
    known = (transition.confidence, transition.observations) if transition else (0.0, 0)
    return transition == Transition("s", "z", kind, at_ms, T0, *known)


def entered() -> Presence:
    inside, _ = fold([(0, CLEAR), (0, CLEAR)])
    assert inside is not None
    assert inside.entered_ms == T0
    return inside


# --- entering --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "enters_at"),
    [
        ([CLEAR], None),
        ([CLEAR, CLEAR], 2),
        ([-75.0, -75.0], 2),  # the threshold itself is clear
        ([-75.1, -75.1, -75.1, -75.1], None),
        ([-76.0, CLEAR], 2),
        ([BETWEEN, BETWEEN, CLEAR], 3),  # a strong sample is no fade's doing: it counts at once
        ([BETWEEN] * 9, None),
        ([CLEAR, -120.0, CLEAR], 3),  # a deep fade neither enters nor undoes a clear sample
        ([-76.0, -120.0, -76.0, -74.0], None),
        ([FAINT, FAINT, FAINT], None),
    ],
)
def test_entering_needs_a_clear_mean(levels: list[float], enters_at: int | None) -> None:
    found = None
    for count in range(1, len(levels) + 1):
        _, transitions = fold([(1000 * index, level) for index, level in enumerate(levels[:count])])
        if transitions and found is None:
            found = count
            (transition,) = transitions
            assert transition.kind == "entered"
            assert transition.at_ms == transition.entered_ms == T0 + 1000 * (count - 1)
            assert 0.5 < transition.confidence < 1.0
    assert found == enters_at


def test_three_samples_can_be_asked_for() -> None:
    rules = msgspec.structs.replace(RULES, samples_min=3)
    before: Presence | None = None
    seen = []
    for at_ms in (0, 1000, 2000):
        before, transition = presence.fold_sighting(before, "s", "z", "a", CLEAR, T0 + at_ms, rules)
        seen.append(transition is not None)
    assert seen == [False, False, True]


def test_a_faint_stranger_is_not_even_awaited() -> None:
    assert presence.fold_sighting(None, "s", "z", "a", FAINT, T0, RULES) == (None, None)


def test_the_way_in_is_forgotten_after_silence() -> None:
    waiting, _ = fold([(0, CLEAR)])
    assert waiting is not None
    assert waiting.due_at_ms == T0 + RULES.exit_after_ms
    assert presence.expire(waiting, waiting.due_at_ms, RULES) == (None, None)
    later = msgspec.structs.replace(waiting, seen_ms=T0 + 5000)
    still, transition = presence.expire(later, waiting.due_at_ms, RULES)
    assert transition is None
    assert still is not None
    assert still.due_at_ms == T0 + 5000 + RULES.exit_after_ms


# --- staying ---------------------------------------------------------------------------------------------


def test_bouncing_between_exit_and_enter_never_splits_a_visit() -> None:
    before: Presence | None = entered()
    kinds: list[str] = []
    for second in range(1, 600):
        assert before is not None
        level = (-75.5, -82.9, -83.0)[second % 3]
        before, transition = presence.fold_sighting(before, "s", "z", "a", level, T0 + second * 1000, RULES)
        assert transition is None
        assert before is not None
        if before.due_at_ms <= T0 + second * 1000:
            before, transition = presence.expire(before, T0 + second * 1000, RULES)
            kinds += [transition.kind] if transition else []
    assert kinds == ["dwelled"]


def test_being_heard_too_faintly_is_silence() -> None:
    faint, _ = fold([(second * 1000, FAINT) for second in range(1, 20)], entered())
    assert faint is not None
    assert faint.seen_ms == T0  # earlier strong samples keep the mean up, but do not extend the visit
    gone, transition = presence.expire(faint, T0 + RULES.exit_after_ms, RULES)
    assert gone is None
    assert told("left", T0, transition)


def test_any_anchor_lets_in_and_only_all_let_out() -> None:
    before: Presence | None = None
    for second, anchor in enumerate("ab"):
        before, transition = presence.fold_sighting(before, "s", "z", anchor, CLEAR, T0 + second * 1000, RULES)
        assert transition is None, "one sample at each of two anchors is not a clear mean at either"
    before, transition = presence.fold_sighting(before, "s", "z", "b", CLEAR, T0 + 2000, RULES)
    assert transition is not None
    # One anchor has no more sightings; the other extends the visit.
    for second in range(3, 50):
        before, transition = presence.fold_sighting(before, "s", "z", "a", BETWEEN, T0 + second * 1000, RULES)
        assert transition is None
    assert before is not None
    held, transition = presence.expire(before, T0 + 50_000, RULES)
    assert held is not None
    assert transition is None
    out, transition = presence.expire(held, T0 + 49_000 + RULES.exit_after_ms, RULES)
    assert out is None
    assert transition is not None
    assert (transition.kind, transition.at_ms, transition.entered_ms) == ("left", T0 + 49_000, T0 + 2000)


# --- time ------------------------------------------------------------------------------------------------


def test_expire_waits_for_whichever_comes_first() -> None:
    short_dwell = msgspec.structs.replace(RULES, dwell_ms=10_000)
    inside = entered()
    assert inside.due_at_ms == T0 + RULES.exit_after_ms
    at_once, _ = presence.fold_sighting(None, "s", "z", "a", CLEAR, T0, msgspec.structs.replace(short_dwell, samples_min=1))
    assert at_once is not None
    assert at_once.due_at_ms == T0 + 10_000
    heard_lately = msgspec.structs.replace(inside, seen_ms=T0 + 20_000)
    still, transition = presence.expire(heard_lately, T0 + 30_000, RULES)
    assert transition is None
    assert still is not None
    assert still.due_at_ms == T0 + 50_000  # silence would come before dwelling
    heard_later = msgspec.structs.replace(inside, seen_ms=T0 + 40_000)
    still, _ = presence.expire(heard_later, T0 + 50_000, RULES)
    assert still is not None
    assert still.due_at_ms == T0 + 60_000  # dwelling comes before silence


def test_dwelling_is_told_once() -> None:
    long_heard = msgspec.structs.replace(entered(), seen_ms=T0 + 59_000)
    for early_ms in (59_999,):
        _, transition = presence.expire(long_heard, T0 + early_ms, RULES)
        assert transition is None
    dwelling, transition = presence.expire(long_heard, T0 + 60_000, RULES)
    assert told("dwelled", T0 + 60_000, transition)
    assert dwelling is not None
    assert dwelling.dwelled
    assert dwelling.due_at_ms == T0 + 59_000 + RULES.exit_after_ms
    again, transition = presence.expire(dwelling, T0 + 70_000, RULES)
    assert transition is None
    assert again is not None
    assert again.due_at_ms == dwelling.due_at_ms


def test_leaving_is_never_told_before_what_was_told() -> None:
    """The last sighting at 31 s keeps the visit until 60 s; the end is not before the recorded dwell."""
    before = msgspec.structs.replace(entered(), seen_ms=T0 + 31_000)
    dwelling, dwelled = presence.expire(before, T0 + 60_500, RULES)  # the timer rang a little late
    assert dwelling is not None
    assert dwelled is not None
    assert dwelled.kind == "dwelled"
    gone, left = presence.expire(dwelling, T0 + 61_000, RULES)
    assert gone is None
    assert left is not None
    assert left.kind == "left"
    assert left.at_ms >= dwelled.at_ms


def test_one_who_was_silent_long_enough_has_left_and_not_dwelled() -> None:
    gone, transition = presence.expire(entered(), T0 + 10 * RULES.dwell_ms, RULES)
    assert gone is None
    assert told("left", T0, transition)


def test_a_restart_neither_ends_a_visit_nor_lengthens_it() -> None:
    on_ms = T0 + 3_600_000
    back = presence.restored(entered(), on_ms, RULES)
    assert (back.seen_ms, back.due_at_ms, back.entered_ms) == (T0, on_ms + RULES.exit_after_ms, T0)
    kept, transition = presence.expire(back, back.due_at_ms - 1, RULES, on_ms)
    assert (kept is not None, transition) == (True, None)
    gone, transition = presence.expire(back, back.due_at_ms, RULES, on_ms)
    assert gone is None
    assert told("left", T0, transition)
    # After the clock was set back, no time is in the future.
    past = presence.restored(entered(), T0 - 5000, RULES)
    assert (past.seen_ms, past.entered_ms) == (T0 - 5000, T0 - 5000)


def test_an_outage_is_no_dwell_unless_the_person_is_heard_afterwards() -> None:
    back_ms = T0 + 10 * RULES.dwell_ms
    kept, transition = presence.expire(entered(), back_ms + 1000, RULES, back_ms)
    assert (kept is not None, transition) == (True, None)
    heard = msgspec.structs.replace(entered(), seen_ms=back_ms + 1000)
    _, transition = presence.expire(heard, back_ms + 1500, RULES, back_ms)
    assert told("dwelled", T0 + RULES.dwell_ms, transition)


# --- position fixes --------------------------------------------------------------------------------------


def test_one_fix_inside_enters_and_one_outside_leaves() -> None:
    inside, transition = fix(None, T0, inside=True)
    assert told("entered", T0, transition)
    still, transition = fix(inside, T0 + 5000, inside=True)
    assert transition is None
    assert still is not None
    assert still.seen_ms == T0 + 5000
    out, transition = fix(still, T0 + 9000, inside=False)
    assert out is None
    assert told("left", T0 + 5000, transition)


def test_a_fix_outside_says_nothing_of_somebody_never_in() -> None:
    assert fix(None, T0, inside=False) == (None, None)
    waiting, _ = fold([(0, CLEAR)])
    assert fix(waiting, T0, inside=False) == (waiting, None)


def test_a_fix_outside_does_not_outweigh_radio() -> None:
    inside = entered()
    assert fix(inside, T0 + 1000, inside=False) == (inside, None)
    by_fix, _ = fix(None, T0, inside=True)
    by_both, _ = presence.fold_sighting(by_fix, "s", "z", "a", CLEAR, T0 + 500, RULES)
    assert fix(by_both, T0 + 1000, inside=False) == (by_both, None)
    restored = msgspec.structs.replace(inside, samples={})
    assert fix(restored, T0 + 1000, inside=False) == (restored, None)


def test_radio_too_faint_to_matter_holds_nobody_against_a_fix() -> None:
    by_fix, _ = fix(None, T0, inside=True)
    passed_by, _ = presence.fold_sighting(by_fix, "s", "z", "a", FAINT, T0 + 500, RULES)
    gone, transition = fix(passed_by, T0 + 1000, inside=False)
    assert gone is None
    assert transition is not None
    assert transition.kind == "left"


# --- any input -------------------------------------------------------------------------------------------

_SUBJECTS, _PLACES, _ANCHORS = ("p", "q"), ("y", "z"), ("a", "b")
_WAITS = st.sampled_from((1, 1000, 5000, 15_000, 29_999, 30_000, 31_000)) | st.integers(1, 45_000)
_ACTS = st.one_of(
    st.tuples(st.just("heard"), st.sampled_from(_SUBJECTS), st.sampled_from(_PLACES), st.sampled_from(_ANCHORS), st.integers(-100, -50)),
    st.tuples(st.just("fixed"), st.sampled_from(_SUBJECTS), st.sampled_from(_PLACES), st.booleans()),
    st.tuples(st.just("wait"), _WAITS),
)


class _Street:
    """The presences of a few people; `expire` is called exactly at their due times."""

    def __init__(self) -> None:
        self.now_ms = T0
        self.kept: dict[tuple[str, str], Presence] = {}
        self.told: dict[tuple[str, str], list[Transition]] = defaultdict(list)

    def step(self, place: tuple[str, str], step: presence.Step) -> None:
        after, transition = step
        if after is None:
            self.kept.pop(place, None)
        else:
            self.kept[place] = after
        if transition is not None:
            assert (transition.subject, transition.zone) == place
            self.told[place].append(transition)

    def wait(self, ms: int) -> None:
        until_ms = self.now_ms + ms
        while self.kept and min(one.due_at_ms for one in self.kept.values()) <= until_ms:
            place, due = min(self.kept.items(), key=lambda item: item[1].due_at_ms)
            self.now_ms = max(self.now_ms, due.due_at_ms)
            self.step(place, presence.expire(due, self.now_ms, RULES))
            after = self.kept.get(place)
            assert after is None or after.due_at_ms > self.now_ms, "a timer that rings at once again never rests"
            if after is None and self.told[place] and self.told[place][-1].kind == "left":
                assert self.now_ms == due.seen_ms + RULES.exit_after_ms, "they left exactly when they had been silent long enough"
        self.now_ms = until_ms
        for one in self.kept.values():
            assert self.now_ms < one.seen_ms + RULES.exit_after_ms, "nobody stays who is silent"


@settings(max_examples=300)
@given(st.lists(_ACTS, max_size=60))
def test_transitions_alternate_in_time_and_leaving_is_silence(acts: list[tuple[object, ...]]) -> None:
    site = _Street()
    for act in acts:
        match act:
            case ("heard", str(subject), str(zone), str(anchor), int(level)):
                before = site.kept.get((subject, zone))
                site.step((subject, zone), presence.fold_sighting(before, subject, zone, anchor, float(level), site.now_ms, RULES))
            case ("fixed", str(subject), str(zone), bool(inside)):
                before = site.kept.get((subject, zone))
                site.step((subject, zone), presence.fold_fix(before, subject, zone, inside, 0.9, site.now_ms, RULES))
            case ("wait", int(ms)):
                site.wait(ms)
            case _:
                raise AssertionError(act)
    site.wait(10 * RULES.exit_after_ms + RULES.dwell_ms)
    assert not site.kept
    for transitions in site.told.values():
        visits = " ".join(transition.kind for transition in transitions).replace("entered dwelled left", "entered left")
        assert visits == " ".join(["entered left"] * (len(visits.split()) // 2))
        times = [transition.at_ms for transition in transitions]
        assert times == sorted(times)
        assert all(transition.entered_ms <= transition.at_ms for transition in transitions)

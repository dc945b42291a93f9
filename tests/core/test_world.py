"""Timers ring for whom they should, whatever the heap still holds; an outcome becomes true as a whole."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.context import ZoneContext
from gateway.core.presence import Presence, PresenceRules, Transition
from gateway.core.privacy import CounterKey
from gateway.core.types import Envelope
from gateway.core.world import Changes, FactRow, State

RULES = PresenceRules()
T0 = 1_000_000


def presence(due_at_ms: int, subject: str = "s", zone: str = "z", *, entered: bool = True) -> Presence:
    return Presence(subject, zone, T0, due_at_ms, T0 if entered else None)


def state(*presences: Presence) -> State:
    made = State({}, [], {}, None, now_ms=T0, rules=RULES)
    changes = Changes()
    changes.presences = {(one.subject, one.zone): one for one in presences}
    made.accept(changes)
    return made


def moved(presence: Presence | None) -> Changes:
    changes = Changes()
    changes.presences["s", "z"] = presence
    return changes


# --- timers ----------------------------------------------------------------------------------------------


def test_due_is_asked_in_the_very_millisecond() -> None:
    here = state(presence(T0 + 100), presence(T0 + 101, "t"))
    assert here.next_due_ms() == T0 + 100
    assert here.due(T0 + 99) == []
    assert here.due(T0 + 100) == [presence(T0 + 100)]
    assert here.due(T0 + 100) == [presence(T0 + 100)], "asking forgets nothing: the outcome may yet fail to be stored"
    assert here.due(T0 + 101) == [presence(T0 + 100), presence(T0 + 101, "t")]


def test_a_moved_timer_rings_only_at_its_new_moment() -> None:
    here = state(presence(T0 + 100))
    here.accept(moved(presence(T0 + 500)))
    assert here.due(T0 + 499) == []
    assert here.next_due_ms() == T0 + 500
    here.accept(moved(presence(T0 + 50)))
    assert here.due(T0 + 50) == [presence(T0 + 50)]
    here.accept(moved(None))
    assert here.next_due_ms() is None
    assert here.due(T0 + 10_000) == []


def test_a_timer_that_goes_away_and_comes_back_still_rings() -> None:
    here = state(presence(T0 + 100))
    for due_at_ms in (T0 + 200, T0 + 100, T0 + 200, T0 + 100):
        here.accept(moved(presence(due_at_ms)))
    assert here.due(T0 + 100) == [presence(T0 + 100)]
    here.accept(moved(None))
    here.accept(moved(presence(T0 + 100)))
    assert here.due(T0 + 100) == [presence(T0 + 100)]


_PLACES = st.tuples(st.sampled_from("abcde"), st.sampled_from("xyz"))
_MOVES = st.lists(st.one_of(st.tuples(_PLACES, st.none() | st.integers(0, 40)), st.integers(0, 45), st.just("next")), max_size=80)


@settings(max_examples=300)
@given(_MOVES)
def test_the_heap_agrees_with_looking_at_everybody(moves: list[tuple[tuple[str, str], int | None] | int | str]) -> None:
    here, plain = State({}, [], {}, None, now_ms=T0, rules=RULES), dict[tuple[str, str], Presence]()
    for move in moves:
        if isinstance(move, str):
            assert here.next_due_ms() == min((one.due_at_ms for one in plain.values()), default=None)
        elif isinstance(move, int):
            expected = [one for _, one in sorted(plain.items()) if one.due_at_ms <= move]
            assert here.due(move) == expected
        else:
            place, due_at_ms = move
            changes = Changes()
            changes.presences[place] = None if due_at_ms is None else presence(due_at_ms, *place)
            here.accept(changes)
            plain.pop(place, None)
            if due_at_ms is not None:
                plain[place] = presence(due_at_ms, *place)
    assert here.presences == plain
    assert here.next_due_ms() == min((one.due_at_ms for one in plain.values()), default=None)


def test_lingering_on_the_way_in_fills_no_memory() -> None:
    """Each faint sighting moves a timer; the stale ones go as their time comes."""
    here = state()
    for now_ms in range(T0, T0 + 3_600_000, 1000):
        here.accept(moved(presence(now_ms + RULES.exit_after_ms, entered=False)))
        here.due(now_ms)
    assert len(here._timers) <= RULES.exit_after_ms // 1000 + 2


# --- a stepped clock -------------------------------------------------------------------------------------


def test_a_set_clock_moves_open_visits_along() -> None:
    here = state(presence(T0 + 100), presence(T0 + 200, "t", entered=False))
    here.shift(-T0)
    assert here.next_due_ms() == 100
    assert here.due(100) == [Presence("s", "z", 0, 100, 0)]
    assert here.presences["t", "z"] == Presence("t", "z", 0, 200, None)
    assert here.due(99) == []


def test_a_step_of_nothing_loses_no_timer() -> None:
    here = state(presence(T0 + 100))
    here.shift(0)
    assert here.next_due_ms() == T0 + 100


# --- taking up and accepting -----------------------------------------------------------------------------


def test_open_visits_are_taken_up_with_a_full_silence_more() -> None:
    stored = Presence("s", "z", T0, T0 + 5, T0 - 50, dwelled=True)
    here = State({"tag": "s"}, [stored], {CounterKey("z", "o", "trigger"): 4}, 7, now_ms=T0 + 9_000_000, rules=RULES)
    assert here.presences["s", "z"].seen_ms == T0 + 9_000_000
    assert here.next_due_ms() == T0 + 9_000_000 + RULES.exit_after_ms
    assert (here.identities, dict(here.cells), here.window_start_ms) == ({"tag": "s"}, {CounterKey("z", "o", "trigger"): 4}, 7)


def test_an_outcome_becomes_true_as_a_whole() -> None:
    here = State({"old": "s", "kept": "t"}, [], {CounterKey("z", "o", "trigger"): 4}, 0, now_ms=T0, rules=RULES)
    changes = Changes()
    changes.identities = {"old": None, "new": "s", "never": None}
    changes.places["z"] = ZoneContext({"temperature": (1.0, T0)})
    changes.cells[CounterKey("z", "o", "shown")] = 1
    changes.counts.update({"facts": 2, "decisions": 3, "kept": 9})
    here.accept(changes)
    assert here.identities == {"kept": "t", "new": "s"}
    assert here.cells == {CounterKey("z", "o", "trigger"): 4, CounterKey("z", "o", "shown"): 1}
    assert here.activity == {"facts": 2, "decisions": 3}
    assert here.places["z"].readings == {"temperature": (1.0, T0)}
    assert here.window_start_ms == 0


def test_what_a_closing_batch_counts_belongs_to_the_new_window() -> None:
    here = State({}, [], {CounterKey("z", "o", "trigger"): 4}, 0, now_ms=T0, rules=RULES)
    here.activity["facts"] = 8
    changes = Changes()
    changes.closed_window_ms, changes.opened_window_ms = 0, 3_600_000
    changes.cells[CounterKey("z", "o", "shown")] = 1
    changes.counts["facts"] = 1
    here.accept(changes)
    assert (dict(here.cells), dict(here.activity)) == ({CounterKey("z", "o", "shown"): 1}, {"facts": 1})
    assert here.window_start_ms == 3_600_000


def test_what_must_be_on_the_disk() -> None:
    silent = Changes()
    silent.presences["s", "z"] = presence(T0)  # only heard again: a crash may forget that
    silent.places["z"] = ZoneContext()
    silent.counts["kept"] = 1
    assert not silent.is_durable
    for name, value in (
        ("facts", {Envelope("d", "b", 1): FactRow(Envelope("d", "b", 1), "consent", T0)}),
        ("transitions", [Transition("s", "z", "left", T0, T0)]),
        ("identities", {"tag": None}),
        ("contexts", {"s": None}),
        ("cells", {CounterKey("z", "o", "trigger"): 1}),
        ("opened_window_ms", 0),
        ("decisions", ["any"]),
    ):
        changes = Changes()
        setattr(changes, name, value)
        assert changes.is_durable, name

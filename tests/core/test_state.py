"""Slices of state: timers ring when due, changes are accepted as a whole, and every field is durable, carried or volatile."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.addresses import Resolved
from gateway.core.context import SubjectContext, ZoneContext
from gateway.core.presence import Presence, PresenceRules, Transition
from gateway.core.privacy.tables import Catalogue, Contact, Period, Terms
from gateway.core.site import Cuts
from gateway.core.state import (
    SLICES,
    BudgetsState,
    Changes,
    ClaimsState,
    Closing,
    CountsState,
    IncidentsState,
    LearningState,
    OccasionsState,
    OutcomesState,
    PeopleState,
    RetentionState,
    ScreensState,
    SensorsState,
    State,
    VisitsState,
)
from gateway.core.state.clock import ClockState
from gateway.core.state.counts import CountsChanges
from tests.kit.testbed import HOUR_MS

RULES = PresenceRules()
T0 = 1_000_000
PERIOD = Period(0, 0, Terms())


def presence(due_at_ms: int, subject: str = "s", zone: str = "z", *, entered: bool = True) -> Presence:
    return Presence(subject, zone, T0, due_at_ms, T0 if entered else None)


def empty() -> State:
    return State(
        PeopleState({}),
        VisitsState([], T0, RULES),
        BudgetsState(),
        OutcomesState(),
        LearningState(),
        CountsState(),
        SensorsState(),
        RetentionState(T0),
        ClaimsState(),
        OccasionsState(),
        IncidentsState(),
        ClockState(T0),
        ScreensState(),
    )


def state(*presences: Presence) -> State:
    made = empty()
    changes = Changes()
    changes.visits.presences = {(one.subject, one.zone): one for one in presences}
    made.accept(changes)
    return made


def moved(presence: Presence | None) -> Changes:
    changes = Changes()
    changes.visits.presences["s", "z"] = presence
    return changes


# --- timers ----------------------------------------------------------------------------------------------


def test_due_is_asked_in_the_very_millisecond() -> None:
    here = state(presence(T0 + 100), presence(T0 + 101, "t"))
    assert here.visits.next_due_ms() == T0 + 100
    assert here.visits.due(T0 + 99) == []
    assert here.visits.due(T0 + 100) == [presence(T0 + 100)]
    assert here.visits.due(T0 + 100) == [presence(T0 + 100)], "asking forgets nothing: the outcome may yet fail to be stored"
    assert here.visits.due(T0 + 101) == [presence(T0 + 100), presence(T0 + 101, "t")]


def test_a_moved_timer_rings_only_at_its_new_moment() -> None:
    here = state(presence(T0 + 100))
    here.accept(moved(presence(T0 + 500)))
    assert here.visits.due(T0 + 499) == []
    assert here.visits.next_due_ms() == T0 + 500
    here.accept(moved(presence(T0 + 50)))
    assert here.visits.due(T0 + 50) == [presence(T0 + 50)]
    here.accept(moved(None))
    assert here.visits.next_due_ms() is None
    assert here.visits.due(T0 + 10_000) == []


def test_a_timer_that_goes_away_and_comes_back_still_rings() -> None:
    here = state(presence(T0 + 100))
    for due_at_ms in (T0 + 200, T0 + 100, T0 + 200, T0 + 100):
        here.accept(moved(presence(due_at_ms)))
    assert here.visits.due(T0 + 100) == [presence(T0 + 100)]
    here.accept(moved(None))
    here.accept(moved(presence(T0 + 100)))
    assert here.visits.due(T0 + 100) == [presence(T0 + 100)]


_PLACES = st.tuples(st.sampled_from("abcde"), st.sampled_from("xyz"))
_MOVES = st.lists(st.one_of(st.tuples(_PLACES, st.none() | st.integers(0, 40)), st.integers(0, 45), st.just("next")), max_size=80)


@settings(max_examples=300)
@given(_MOVES)
def test_the_heap_agrees_with_looking_at_everybody(moves: list[tuple[tuple[str, str], int | None] | int | str]) -> None:
    here, plain = empty(), dict[tuple[str, str], Presence]()
    for move in moves:
        if isinstance(move, str):
            assert here.visits.next_due_ms() == min((one.due_at_ms for one in plain.values()), default=None)
        elif isinstance(move, int):
            expected = [one for _, one in sorted(plain.items()) if one.due_at_ms <= move]
            assert here.visits.due(move) == expected
        else:
            place, due_at_ms = move
            changes = Changes()
            changes.visits.presences[place] = None if due_at_ms is None else presence(due_at_ms, *place)
            here.accept(changes)
            plain.pop(place, None)
            if due_at_ms is not None:
                plain[place] = presence(due_at_ms, *place)
    assert here.visits.presences == plain
    assert here.visits.next_due_ms() == min((one.due_at_ms for one in plain.values()), default=None)


def test_lingering_on_the_way_in_fills_no_memory() -> None:
    """Each faint sighting moves a timer; outdated timers are dropped at their time."""
    here = state()
    for now_ms in range(T0, T0 + 3_600_000, 1000):
        here.accept(moved(presence(now_ms + RULES.exit_after_ms, entered=False)))
        here.visits.due(now_ms)
    assert len(here.visits._timers) <= RULES.exit_after_ms // 1000 + 2


# --- a stepped clock -------------------------------------------------------------------------------------


def test_a_set_clock_moves_open_visits_along() -> None:
    here = state(presence(T0 + 100), presence(T0 + 200, "t", entered=False))
    here.rebase(-T0)
    assert here.visits.next_due_ms() == 100
    assert here.visits.due(100) == [Presence("s", "z", 0, 100, 0)]
    assert here.visits.presences["t", "z"] == Presence("t", "z", 0, 200, None)
    assert here.visits.due(99) == []


def test_a_step_of_nothing_loses_no_timer() -> None:
    here = state(presence(T0 + 100))
    here.rebase(0)
    assert here.visits.next_due_ms() == T0 + 100


# --- taking up and accepting -----------------------------------------------------------------------------


def test_open_visits_are_restored_with_a_full_silence_more() -> None:
    stored = Presence("s", "z", T0, T0 + 5, T0 - 50, dwelled=True)
    here = VisitsState([stored], T0 + 9_000_000, RULES)
    assert here.presences["s", "z"].seen_ms == T0
    assert here.next_due_ms() == T0 + 9_000_000 + RULES.exit_after_ms


def test_without_a_connection_no_visit_is_due() -> None:
    here = VisitsState([Presence("s", "z", T0, T0 + 5, T0 - 50)], T0, RULES)
    here.hears_from_ms = None
    assert (here.next_due_ms(), here.due(T0 + HOUR_MS)) == (None, [])
    here.hears_from_ms = T0 + HOUR_MS
    assert [one.subject for one in here.due(T0 + HOUR_MS)] == ["s"]


def test_silence_is_known_up_to_the_last_message_that_is_folded() -> None:
    here = VisitsState([], T0, RULES)
    assert here.known_ms(T0 + 900) == T0 + 900
    here.heard_until_ms = T0 + 300
    assert (here.known_ms(T0 + 900), here.known_ms(T0 + 200)) == (T0 + 300, T0 + 200)


def test_changes_are_accepted_in_every_slice() -> None:
    here = empty()
    here.people.identities = {"old": "s", "kept": "t"}
    changes = Changes()
    changes.people.identities = {"old": None, "new": "s", "never": None}
    changes.sensors.zones["z"] = ZoneContext({"temperature": (1.0, T0)})
    changes.counts.opened = PERIOD
    changes.retention.next_ms = T0 + 7
    here.accept(changes)
    assert here.people.identities == {"kept": "t", "new": "s"}
    assert here.sensors.zones["z"].readings == {"temperature": (1.0, T0)}
    assert (here.counts.period, here.retention.next_ms) == (PERIOD, T0 + 7)


def test_a_withdrawal_removes_the_contacts_of_the_batch() -> None:
    changes = CountsChanges(contacts=[Contact("hours", "s", "d", "z"), Contact("hours", "t", "e", "z")])
    changes.forget(SubjectContext("s", "d", ("presence",), "b", 1))
    assert [contact.subject for contact in changes.contacts] == ["t"]


def test_a_clock_step_moves_every_slice() -> None:
    here = empty()
    here.visits = VisitsState([Presence("s", "z", T0, T0 + 5, T0 - 50)], T0, RULES)
    here.sensors.zones["z"] = ZoneContext({"temperature": (1.0, T0)})
    here.people.addresses["a"] = Resolved(None, T0)
    before = here.retention.next_ms
    here.rebase(-HOUR_MS)
    assert here.visits.presences["s", "z"].seen_ms == T0 - HOUR_MS
    assert here.sensors.zones["z"].readings == {"temperature": (1.0, T0 - HOUR_MS)}
    assert (here.people.addresses, here.retention.next_ms) == ({}, before - HOUR_MS)


# --- durability ------------------------------------------------------------------------------------------------

VALUES: dict[str, object] = {
    "closing": Closing(PERIOD, ended=("hours", "offers"), catalogue=Catalogue("g", (), {}), name="w"),
    "opened": PERIOD,
    "cuts": Cuts(*[0] * len(Cuts._fields)),
    "transitions": [Transition("s", "z", "left", T0, T0)],
}
FIELDS = [(name, field) for name, part in SLICES.items() for field in part.__struct_fields__]


def filled(name: str, field: str) -> Changes:
    """Changes with a value in one field of one slice."""
    changes = Changes()
    part = getattr(changes, name)
    empty_value = getattr(part, field)
    value = VALUES.get(field, 1 if empty_value is None else {"x"} if isinstance(empty_value, set) else ["x"])
    setattr(part, field, {"x": 1} if isinstance(empty_value, dict) else value)
    return changes


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_only_a_durable_field_demands_a_commit(name: str, field: str) -> None:
    assert not Changes().is_durable
    changes = filled(name, field)
    assert changes.is_durable == (field in getattr(changes, name).DURABLE)


@pytest.mark.parametrize("name", SLICES)
def test_every_field_is_durable_carried_or_volatile(name: str) -> None:
    part = SLICES[name]
    sets = (part.DURABLE, part.CARRIED, part.VOLATILE)
    assert sorted(field for group in sets for field in group) == sorted(part.__struct_fields__)

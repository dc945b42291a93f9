"""Zones compete for a person: the nearest wins, a neighbour needs a margin, calling back needs twice that, fixes stand apart."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import presence
from gateway.core.presence import Presence, PresenceRules, Step
from tests.kit.testbed import NOON_MS, Gateway, Phone

RULES = PresenceRules()
T0 = NOON_MS


def hear(zone: str, level: float, before: Presence | None = None, times: int = 2, now_ms: int = T0) -> Step:
    """A wish to enter `zone`, heard so well so many times."""
    step: Step = (before, None)
    for _ in range(times):
        step = presence.fold_sighting(step[0], "s", zone, f"scan-{zone}", level, now_ms, RULES)
    return step


def inside(zone: str, level: float, **changes: object) -> Presence:
    """Somebody who is in `zone`."""
    found = hear(zone, level)[0]
    assert found is not None
    return msgspec.structs.replace(found, **changes)


def outcome(step: Step, *others: Presence, now_ms: int = T0) -> tuple[bool, list[str]]:
    """Whether they entered, and which visits that ended."""
    (_, transition), losers = presence.arbitrate(step, others, now_ms, RULES)
    return transition is not None, [loser.zone for loser in losers]


@pytest.mark.parametrize(
    ("lead_db", "changes", "expected"),
    [
        (RULES.margin_db - 0.1, {}, (False, [])),
        (RULES.margin_db + 0.1, {}, (True, ["a"])),
        (RULES.margin_db + 0.1, {"previous_zone": "b"}, (False, [])),
        (2 * RULES.margin_db + 0.1, {"previous_zone": "b"}, (True, ["a"])),
        (2 * RULES.margin_db + 0.1, {"previous_zone": "b", "handoffs": 1}, (False, [])),
        (2.5 * RULES.margin_db + 0.1, {"previous_zone": "b", "handoffs": 1}, (True, ["a"])),
        (3 * RULES.margin_db - 0.1, {"previous_zone": "b", "handoffs": presence.HANDOFFS_MAX}, (False, [])),
        (3 * RULES.margin_db + 0.1, {"previous_zone": "b", "handoffs": presence.HANDOFFS_MAX}, (True, ["a"])),
        (RULES.margin_db + 0.1, {"previous_zone": "c", "handoffs": presence.HANDOFFS_MAX}, (True, ["a"])),
        (RULES.margin_db + 0.1, {"previous_zone": "c"}, (True, ["a"])),
        (-0.1, {"entered_ms": None}, (False, [])),
        (0.1, {"entered_ms": None}, (True, [])),
        (-10.0, {"samples": {}}, (True, ["a"])),  # taken up after a restart: nobody knows how well it hears them
        (-10.0, {"samples": {presence.FIX: ()}}, (True, [])),  # a fix put them there: a shop may lie in a square
    ],
)
def test_what_it_takes_to_enter(lead_db: float, changes: dict[str, object], expected: tuple[bool, list[str]]) -> None:
    assert outcome(hear("b", -60.0 + lead_db), inside("a", -60.0, **changes)) == expected


@pytest.mark.parametrize(
    ("previous_zone", "stayed_ms", "handoffs", "then"),
    [
        ("b", presence.HANDOFF_MS - 1, 0, 1),
        ("b", presence.HANDOFF_MS - 1, 1, 2),
        ("b", presence.HANDOFF_MS - 1, presence.HANDOFFS_MAX, presence.HANDOFFS_MAX),
        ("c", presence.HANDOFF_MS - 1, 1, 1),  # on to a third zone
        (None, presence.HANDOFF_MS - 1, 0, 0),  # who goes on, and who comes back once, is not tossed
        ("b", presence.HANDOFF_MS, presence.HANDOFFS_MAX, 0),  # a stay, and then a way
    ],
)
def test_who_is_called_back_soon_after_being_called_is_tossed(previous_zone: str | None, stayed_ms: int, handoffs: int, then: int) -> None:
    tossed = inside("a", -76.0, entered_ms=T0 - stayed_ms, handoffs=handoffs, previous_zone=previous_zone)
    (after, _), losers = presence.arbitrate(hear("b", -60.0), [tossed], T0, RULES)
    assert after is not None
    assert (after.previous_zone, after.handoffs, [loser.zone for loser in losers]) == ("a", then, ["a"])
    kept, _ = presence.fold_sighting(after, "s", "b", "scan-b", -60.0, T0 + 1000, RULES)
    assert kept is not None
    assert kept.handoffs == then, "that they are heard again changes nothing about it"


def test_a_zone_that_hears_nothing_any_more_lets_go_at_once() -> None:
    later_ms = T0 + presence.WINDOW_MS + 1
    assert outcome(hear("b", -74.0, now_ms=later_ms), inside("a", -50.0), now_ms=later_ms) == (True, ["a"])


def test_who_waits_is_not_announced_and_is_forgotten_in_silence() -> None:
    (waiting, transition), _ = presence.arbitrate(hear("b", -62.0), [inside("a", -60.0)], T0, RULES)
    assert transition is None
    assert waiting is not None
    assert waiting.entered_ms is None
    assert presence.expire(waiting, waiting.due_at_ms, RULES) == (None, None)


def test_confidence_is_bounded_and_falls_with_a_rival() -> None:
    (_, alone), _ = presence.arbitrate(hear("b", -60.0), [], T0, RULES)
    (_, contested), _ = presence.arbitrate(hear("b", -60.0), [inside("a", -66.0)], T0, RULES)
    assert alone is not None
    assert contested is not None
    assert 0.0 <= contested.confidence < alone.confidence <= 1.0


def test_the_engine_moves_somebody_from_one_zone_to_the_nearer(tmp_path: Path) -> None:
    gateway, phone = Gateway(tmp_path), Phone()
    gateway.apply(phone.consent())
    told = [gateway.apply(phone.near("scan-cafe", -65.0)).visits.transitions for _ in range(2)][-1]
    assert [(one.kind, one.zone) for one in told] == [("entered", "cafe")]
    assert not gateway.apply(*[phone.near("scan-bar", -65.0)] * 9).visits.transitions
    told = gateway.apply(*[phone.near("scan-bar", -50.0)] * 2).visits.transitions
    assert [(one.kind, one.zone) for one in told] == [("left", "cafe"), ("entered", "bar")]
    assert {zone for _, zone, *_ in gateway.rows("presences")} == {"bar"}
    gateway.close()


# --- late, twice, out of order -----------------------------------------------------------------------------

_TIMES = st.lists(st.tuples(st.integers(0, 29_000), st.sampled_from([-60.0, -70.0, -80.0, -95.0])), min_size=2, max_size=12, unique=True)


def fold(samples: list[tuple[int, float]], now_ms: int) -> Presence | None:
    """What is known after these samples have arrived at one moment, each with the time when it was heard."""
    found: Presence | None = presence.fold_sighting(None, "s", "z", "a", -60.0, T0, RULES, T0)[0]
    for at_ms, level in samples:
        found = presence.fold_sighting(found, "s", "z", "a", level, now_ms, RULES, T0 + at_ms)[0]
    return found


@settings(max_examples=300)
@given(_TIMES, st.data())
def test_the_order_of_arrival_changes_neither_samples_nor_when_they_were_seen(times: list[tuple[int, float]], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(times))
    known = [fold(order, T0 + 30_000) for order in (sorted(times), shuffled)]
    assert all(known)
    ordered, mixed = (one for one in known if one is not None)
    assert mixed.seen_ms <= T0 + max(at_ms for at_ms, _ in times)
    assert mixed.seen_ms <= ordered.seen_ms or mixed.samples == ordered.samples
    assert list(mixed.samples["a"]) == sorted(mixed.samples["a"])


@settings(max_examples=200)
@given(_TIMES)
def test_copies_change_nothing(times: list[tuple[int, float]]) -> None:
    once = fold(times[:4], T0 + 10_000)
    twice = fold([one for one in times[:4] for _ in range(2)], T0 + 10_000)
    assert once == twice


def test_what_was_heard_long_ago_makes_nobody_enter_or_stay() -> None:
    late_ms = T0 + presence.WINDOW_MS + 5_000
    first, _ = presence.fold_sighting(None, "s", "z", "a", -50.0, T0, RULES, T0)
    after, transition = presence.fold_sighting(first, "s", "z", "a", -80.0, late_ms, RULES, late_ms)
    assert transition is None
    assert after is not None
    assert len(after.samples["a"]) == 1
    here = inside("z", -50.0)
    again, _ = presence.fold_sighting(here, "s", "z", "a", -50.0, T0 + 29_000, RULES, T0 - 1000)
    assert again is not None
    assert again.seen_ms == here.seen_ms


def test_a_set_clock_moves_the_samples_too(tmp_path: Path) -> None:
    gateway, phone = Gateway(tmp_path), Phone()
    gateway.apply(phone.consent(), phone.near("scan-cafe"), phone.near("scan-cafe"))
    (before,) = gateway.state.visits.presences.values()
    gateway.state.rebase(-3_600_000)
    (after,) = gateway.state.visits.presences.values()
    assert [at_ms for at_ms, _ in after.samples["scan-cafe"]] == [at_ms - 3_600_000 for at_ms, _ in before.samples["scan-cafe"]]
    gateway.close()


# --- fixes and regions -------------------------------------------------------------------------------------


def test_an_older_fix_changes_nothing() -> None:
    here, _ = presence.fold_fix(None, "s", "z", inside=True, confidence=0.9, now_ms=T0, rules=RULES, observed_ms=T0)
    older_ms = T0 - 1
    assert presence.fold_fix(here, "s", "z", inside=False, confidence=0.9, now_ms=T0 + 1000, rules=RULES, observed_ms=older_ms) == (
        here,
        None,
    )


def test_an_offset_belongs_to_its_anchor() -> None:
    rules = msgspec.structs.replace(RULES, offset_db={"deaf": 10.0})
    for anchor, enters in (("deaf", True), ("other", False)):
        step: Step = (None, None)
        for _ in range(2):
            step = presence.fold_sighting(step[0], "s", "z", anchor, -80.0, T0, rules)
        assert (step[1] is not None) is enters

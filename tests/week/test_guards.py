"""Without its guards the same gateway breaks its promises, and the invariants notice: one guard off at a time.

The other half of the proof, that none is broken with the guards on, is test_week.py; for each guard's own day it is played here
too, in the soak.
"""

from __future__ import annotations

import pytest

from tests.week.guards import GUARDS, Guard
from tests.week.rig import BrokenError, Plan, play

NAMES = [guard.name for guard in GUARDS]
SEEDS = range(1, 6)  # a clock that is set while somebody has just come in takes some luck


def _plan(guard: Guard, seed: int) -> Plan:
    return Plan(seed, days=1.0, people=24, faults=guard.faults, cadence_s=guard.cadence_s, haste=guard.haste, adversaries=guard.adversaries)


def _broken_without(guard: Guard) -> BrokenError | None:
    """What the first day of a few breaks in which the missing guard was needed."""
    for seed in SEEDS:
        try:
            play(_plan(guard, seed), guard.parts)
        except BrokenError as broken:
            return broken
    return None


@pytest.mark.parametrize("guard", GUARDS, ids=NAMES)
def test_a_guard_that_is_off_is_missed(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    for rule in guard.rules:
        monkeypatch.setattr(*rule)
    broken = _broken_without(guard)
    assert broken is not None, "nobody noticed"
    assert set(broken.broken) & guard.noticed
    assert f"seed {broken.plan.seed}, commit" in str(broken)


@pytest.mark.soak
@pytest.mark.parametrize("guard", GUARDS, ids=NAMES)
def test_with_the_guard_on_nothing_is_broken(guard: Guard) -> None:
    for seed in SEEDS:
        assert play(_plan(guard, seed)).questions > 0

"""Budgets: spent and reserved amounts never exceed a budget, also over restarts, failed commits and a set clock."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.adapters.store import Store
from gateway.core.offers import Campaign
from gateway.core.ports import StoreFullError
from gateway.core.presence import PresenceRules
from gateway.core.state import BudgetsState, Changes, Reservation
from tests.kit.testbed import offer

T0 = 1_800_000_000_000
RULES = PresenceRules()


def reserving(decision: str, amount: int = 100, until_ms: int = T0 + 1_000) -> Changes:
    changes = Changes()
    changes.budgets.reserved[decision] = Reservation("tea", amount, until_ms)
    return changes


def ending(decision: str, *, spent: bool) -> Changes:
    changes = Changes()
    changes.budgets.ended[decision] = spent
    return changes


def test_a_budget_that_nothing_counts_against_is_refused() -> None:
    with pytest.raises(ValueError, match="its acceptances cost nothing"):
        Campaign((offer(budget_minor=500),))
    assert Campaign((offer(budget_minor=500, cost_minor=1),)).offers


def test_reserve_spend_and_release() -> None:
    state = BudgetsState()
    for decision in ("d1", "d2", "d3"):
        state.accept(reserving(decision).budgets)
    assert state.used("tea") == 300
    state.accept(ending("d1", spent=True).budgets)
    state.accept(ending("d2", spent=False).budgets)
    assert (state.used("tea"), state.spent["tea"], sorted(state.reserved)) == (200, 100, ["d3"])
    assert state.used("cake") == 0


def test_reservations_are_due_at_their_end() -> None:
    state = BudgetsState()
    state.accept(reserving("d2", until_ms=T0 + 5).budgets)
    state.accept(reserving("d1", until_ms=T0 + 5).budgets)
    state.accept(reserving("d3", until_ms=T0 + 9).budgets)
    assert (state.next_due_ms(), state.due(T0 + 4), state.due(T0 + 5)) == (T0 + 5, [], ["d1", "d2"])
    state.accept(ending("d1", spent=True).budgets)
    state.accept(ending("d2", spent=False).budgets)
    assert state.next_due_ms() == T0 + 9


def test_a_set_clock_moves_the_ends() -> None:
    state = BudgetsState({"tea": 50}, {"d1": Reservation("tea", 100, T0)})
    state.rebase(3_600_000)
    assert (state.next_due_ms(), state.used("tea")) == (T0 + 3_600_000, 150)


def test_amounts_survive_restarts_and_failed_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """400 random steps with a restart in every fifth, and a failed commit in every seventh: memory, store and an own sum agree."""
    draws = random.Random(7)  # noqa: S311
    store = Store(tmp_path / "b.db", bytes(32))
    spent = open_amount = 0
    for step in range(400):
        state = store.state(T0, RULES)
        assert (state.budgets.spent["tea"], state.budgets.used("tea")) == (spent, spent + open_amount)
        known = sorted(state.budgets.reserved)
        amount = draws.randint(1, 50)
        end = draws.choice(known) if known and draws.random() < 0.5 else None
        is_spent = draws.random() < 0.5
        changes = reserving(f"d{step}", amount) if end is None else ending(end, spent=is_spent)
        if step % 7 == 0:
            with monkeypatch.context() as patch:
                patch.setattr(store.retention, "save", lambda _: (_ for _ in ()).throw(StoreFullError("full")))
                changes.retention.next_ms = T0
                with pytest.raises(StoreFullError):
                    store.save(changes)
            continue
        store.save(changes)
        if end is None:
            open_amount += amount
        else:
            ended = state.budgets.reserved[end].amount_minor
            open_amount -= ended
            spent += ended * is_spent
        if step % 5 == 0:
            store.close()
            store = Store(tmp_path / "b.db", bytes(32))
    assert spent > 500
    store.close()

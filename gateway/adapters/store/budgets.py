"""Store of the budgets slice: spent amounts by offer, and open reservations by decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.adapters.store.table import Table
from gateway.core.state import BudgetsState, Reservation

if TYPE_CHECKING:
    from gateway.core.state.budgets import BudgetsChanges


class BudgetsTable(Table):
    """A reservation is written in the commit of its decision."""

    def state(self) -> BudgetsState:
        """Budgets as of the last commit."""
        spent = dict(self.rows("SELECT offer, spent_minor FROM budgets"))
        rows = self.rows("SELECT decision, offer, amount_minor, until_ms FROM reservations")
        return BudgetsState(spent, {decision: Reservation(*reservation) for decision, *reservation in rows})

    def save(self, changes: BudgetsChanges) -> None:
        """Write reservations, and move the ended ones to the spent amounts or delete them."""
        self._db.executemany(
            "INSERT INTO reservations VALUES (?, ?, ?, ?)",
            [(decision, one.offer, one.amount_minor, one.until_ms) for decision, one in changes.reserved.items()],
        )
        self._db.executemany(
            "INSERT INTO budgets SELECT offer, amount_minor FROM reservations WHERE decision = ? "
            "ON CONFLICT (offer) DO UPDATE SET spent_minor = spent_minor + excluded.spent_minor",
            [(decision,) for decision, is_spent in changes.ended.items() if is_spent],
        )
        self._db.executemany("DELETE FROM reservations WHERE decision = ?", [(decision,) for decision in changes.ended])

    def save_times(self, state: BudgetsState) -> None:
        """Write the ends of the reservations again, because a restart could not detect the step of the clock."""
        rows = [(one.until_ms, decision) for decision, one in state.reserved.items()]
        self._db.executemany("UPDATE reservations SET until_ms = ? WHERE decision = ?", rows)

"""Budgets of offers: reserved with a decision, spent with an acceptance or redemption, released with a refusal or after the validity.

An offer's spent and reserved amounts together never exceed its budget, so a redemption within the validity is always covered. A reservation
is stored in the commit of its decision and names no person. A budget belongs to one gateway: gateways do not know each other's spending.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from gateway.core.ends import Ends
from gateway.core.state.slices import SliceChanges


class Reservation(msgspec.Struct, frozen=True):
    """An amount, in minor units, that is set aside for a proposed offer until `until_ms`."""

    offer: str
    amount_minor: int
    until_ms: int


class BudgetsChanges(SliceChanges):
    """`reserved` by decision id; `ended` are reservations by decision id, True if the amount was spent and False if it was released."""

    DURABLE: ClassVar[frozenset[str]] = frozenset({"reserved", "ended"})

    reserved: dict[str, Reservation] = msgspec.field(default_factory=dict)
    ended: dict[str, bool] = msgspec.field(default_factory=dict)


class BudgetsState:
    """Spent amounts by offer, and open reservations by decision id."""

    def __init__(self, spent: Mapping[str, int] | None = None, reserved: Mapping[str, Reservation] | None = None) -> None:
        self.spent = Counter(spent or {})
        self._restore(reserved or {})

    def used(self, offer: str) -> int:
        """Spent and reserved minor units of an offer."""
        return self.spent[offer] + self._held[offer]

    def accept(self, changes: BudgetsChanges) -> None:
        """Apply committed changes."""
        for decision, reservation in changes.reserved.items():
            self._hold(decision, reservation)
        for decision, is_spent in changes.ended.items():
            reservation = self.reserved.pop(decision)
            self._held[reservation.offer] -= reservation.amount_minor
            if is_spent:
                self.spent[reservation.offer] += reservation.amount_minor

    def rebase(self, step_ms: int) -> None:
        """Move the ends of all reservations with the clock, so that a set clock releases none."""
        self._restore({id_: msgspec.structs.replace(one, until_ms=one.until_ms + step_ms) for id_, one in self.reserved.items()})

    def next_due_ms(self) -> int | None:
        """The earliest end of a reservation, or None."""
        return self._ends.first_ms()

    def due(self, now_ms: int) -> list[str]:
        """Decision ids of the reservations that have ended, ordered."""
        return sorted(self._ends.until(now_ms))

    def _restore(self, reserved: Mapping[str, Reservation]) -> None:
        self.reserved: dict[str, Reservation] = {}
        self._held: Counter[str] = Counter()
        self._ends = Ends(self.reserved)
        for decision, reservation in reserved.items():
            self._hold(decision, reservation)

    def _hold(self, decision: str, reservation: Reservation) -> None:
        self.reserved[decision] = reservation
        self._held[reservation.offer] += reservation.amount_minor
        self._ends.add(reservation.until_ms, decision)

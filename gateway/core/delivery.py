"""Offers that were not delivered: contact, reservation and window are released, as if no offer had been sent.

A contact is reserved in the commit of its decision, so two decisions at once cannot both use it, and stands once the offer was handed to
the broker or to another system. One that never was (it expired, its zone became silent, or the receiver refused it) is released in one
commit. The person's history and the counts of the privacy ledger keep it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core import context as contexts

if TYPE_CHECKING:
    from gateway.core.types import Undelivered
    from gateway.core.unit_of_work import UnitOfWork


def release(work: UnitOfWork, undelivered: Undelivered) -> None:
    """Release the contacts of these decisions."""
    for decision in undelivered.decisions:
        proposed = work.repository.proposed(decision)
        person = work.context(proposed.subject) if proposed else None
        if person is None:  # the person has withdrawn
            continue
        work.out.people.contexts[person.subject] = contexts.without_contact(person, decision)
        work.out.decisions.undelivered.append(decision)
        work.out.outcomes.dropped.append(decision)
        work.settle(decision, "dismissed")
        work.out.totals["undelivered"] += 1

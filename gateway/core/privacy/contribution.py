"""Contacts as contributions to the tables: one cell for each contact, at most `contacts_max` for each person, service day and table.

A contact enters `hours` when its offer is sent, and `offers` once, when its window closes, with its final outcome. A person's answers to
the question of perceived control enter `control`, one row a day. Without consent to measurement nothing is counted.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from gateway.core import context as contexts
from gateway.core.privacy.tables import Contact, TableName
from gateway.core.records import OutcomeCell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.core.state.decisions import Trigger
    from gateway.core.state.outcomes import Outcome, Window
    from gateway.core.unit_of_work import UnitOfWork

Key = TypeVar("Key")
CONTROL_MIDDLE = 4  # of the scale of 1 to 7


def count_sent(work: UnitOfWork, trigger: Trigger) -> None:
    """Count an offer that is sent."""
    _count(work, "hours", trigger.subject, trigger.zone)


def count_closed(work: UnitOfWork, window: Window, outcome: Outcome) -> None:
    """Count a contact whose window closed with its final outcome."""
    _count(work, "offers", window.subject, window.zone, window.offer, cell_of(window, outcome))


def count_control(work: UnitOfWork, subject: str, items: Sequence[int]) -> None:
    """Count the answers of a person to the question of perceived control, if they leave."""
    if work.site.privacy.control:
        _count(work, "control", subject, "", outcome=str(sum(items) - CONTROL_MIDDLE * len(items)))


def _count(work: UnitOfWork, table: TableName, subject: str, zone: str, offer: str = "", outcome: str = "") -> None:
    person = work.context(subject)
    if person is not None and contexts.allows(person, "measurement", work.now_ms):
        work.out.counts.contacts.append(Contact(table, subject, person.device, zone, offer, outcome))


def cell_of(window: Window, outcome: Outcome) -> OutcomeCell:
    """The one cell of a contact."""
    if window.arm == "held_out":
        return "held_out_came" if outcome.visited else "held_out"
    if outcome.outcome == "redeemed":
        return "redeemed"
    if outcome.outcome == "accepted":
        return "accepted_came" if outcome.visited else "accepted"
    if outcome.visited:
        return "came"
    return "dismissed" if outcome.outcome == "dismissed" else "ignored"


def first(keys: Iterable[Key], used: Mapping[Key, int], most: int) -> list[int | None]:
    """For each contact, given by the key of its person and table: its number from 1 to `most`, or None beyond that.

    `used` has the numbers that are already in use.
    """
    numbers: Counter[Key] = Counter()
    found: list[int | None] = []
    for key in keys:
        number = used.get(key, 0) + numbers[key] + 1
        found.append(number if number <= most else None)
        numbers[key] += number <= most
    return found

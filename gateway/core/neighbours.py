"""Contacts by the other gateways of a site count for the caps, cool-down, refusals and silences of a person with consent here.

A withdrawal on the page or at the desk of another gateway holds here too.

A gateway states each contact once it is on its way (`gateway.runtime.neighbours`), and the person's own device states the answer to all
gateways. Both are facts, so a restart keeps both. A contact that was never made makes this gateway more silent and opens nothing, and
of one person only NEIGHBOUR_CONTACTS_DAY_MAX count in 24 hours. Contacts count at the time of their arrival.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from gateway.core import context as contexts
from gateway.core import limits
from gateway.core.consent import apply_consent
from gateway.core.context import Contact
from gateway.core.discards import Discard
from gateway.core.state import FactRow
from gateway.core.types import AnswerKind, Consent, Envelope

if TYPE_CHECKING:
    from gateway.core.types import Answer, NeighbourContact, NeighbourWithdrawal
    from gateway.core.unit_of_work import UnitOfWork

SENT, HELD_OUT = "contact", "contact_held_out"
"""Kinds of the fact of a contact elsewhere."""
DAY_MS = 86_400_000


def apply_contact(work: UnitOfWork, made: NeighbourContact) -> FactRow | Discard:
    """Note a contact of a neighbour for a person with consent to offers; without it nothing is stored."""
    if not made.decision.startswith(f"{made.device}."):
        return Discard.OTHER_SPEAKER
    subject = work.subject_of(made.person)
    person = work.context(subject) if subject else None
    if person is None or person.device != made.person or not contexts.allows(person, "offers", work.now_ms):
        return Discard.NOT_CONSENTED
    if sum(one.at_ms > work.now_ms - DAY_MS for one in person.elsewhere) >= limits.NEIGHBOUR_CONTACTS_DAY_MAX:
        return Discard.TOO_MANY_CONTACTS
    row = FactRow(made.envelope, SENT if made.is_sent else HELD_OUT, work.now_ms, person.subject, decision=made.decision, detail=made.offer)
    elsewhere = (*person.elsewhere, _contact(row.at_ms, row.kind, made.decision, made.offer))[-limits.CONTACTS_KEPT_MAX :]
    work.out.people.contexts[person.subject] = msgspec.structs.replace(person, elsewhere=elsewhere)
    return row


def apply_withdrawal(work: UnitOfWork, stated: NeighbourWithdrawal) -> FactRow | Discard:
    """Take the withdrawal of a person at another gateway, as one of the person's own device."""
    made = Consent(Envelope(stated.person, f"\0{stated.boot}", 0), (), 1, work.now_ms, change=stated.change)
    found = apply_consent(work, made)
    return found if isinstance(found, Discard) else msgspec.structs.replace(found, envelope=stated.envelope)


def apply_answer(work: UnitOfWork, answer: Answer) -> FactRow | Discard:
    """Note the answer of the person's own device to an offer of a neighbour."""
    subject = work.subject_of(answer.envelope.device)
    person = work.context(subject) if subject else None
    contact = next((one for one in person.elsewhere if one.decision == answer.decision), None) if person else None
    if person is None or contact is None or person.device != answer.envelope.device:
        return Discard.OTHER_GATEWAY
    if contexts.has_expired(person.consent_expires_at_ms, work.now_ms):
        return Discard.NOT_CONSENTED
    standing = contexts.weightier(contact.answer, answer.kind)
    if standing == contact.answer:
        return Discard.REPEATED
    changed = msgspec.structs.replace(contact, answer=standing)
    elsewhere = tuple(changed if one is contact else one for one in person.elsewhere)
    work.out.people.contexts[person.subject] = msgspec.structs.replace(person, elsewhere=elsewhere)
    return FactRow(answer.envelope, "answer", work.now_ms, person.subject, decision=answer.decision, detail=answer.kind)


def elsewhere_of(rows: Iterable[tuple[int, str, str, str]]) -> tuple[Contact, ...]:
    """The contacts elsewhere, with their answers, of a person's facts (at_ms, kind, decision, detail) in order of time."""
    found: dict[str, Contact] = {}
    for at_ms, kind, decision, detail in rows:
        if kind in {SENT, HELD_OUT}:
            found[decision] = _contact(at_ms, kind, decision, detail)
        elif decision in found:
            standing = contexts.weightier(found[decision].answer, msgspec.convert(detail, AnswerKind))
            found[decision] = msgspec.structs.replace(found[decision], answer=standing)
    return tuple(found.values())[-limits.CONTACTS_KEPT_MAX :]


def _contact(at_ms: int, kind: str, decision: str, offer: str) -> Contact:
    return Contact(decision, offer, at_ms, is_sent=kind == SENT)

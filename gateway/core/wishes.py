"""Wishes of a person, stated by the own phone: offers, categories, shops and hours to block, those to prefer, and the language.

Each statement replaces the earlier one, if its `change` number is higher; the device repeats it until it has a receipt. Wishes are part of
the person's context, so a withdrawal of the consent erases them.
"""

from __future__ import annotations

import msgspec

from gateway.core import context as contexts
from gateway.core import limits
from gateway.core.context import SubjectContext
from gateway.core.discards import Discard
from gateway.core.privacy.contribution import count_control
from gateway.core.state import FactRow
from gateway.core.state.replies import Reply
from gateway.core.types import Control, WishList
from gateway.core.unit_of_work import UnitOfWork


def apply_wishes(work: UnitOfWork, stated: WishList) -> FactRow | Discard:
    """Take the wishes, withhold the person's waiting triggers, and reply with a receipt."""
    person = _person(work, stated)
    if person is None or contexts.has_expired(person.consent_expires_at_ms, work.now_ms):
        _receipt(work, stated, "refused", None)
        return Discard.NOT_CONSENTED
    if person.wishes is not None and stated.change <= person.wishes.change:
        _receipt(work, stated, "overtaken", person)
        return Discard.OVERTAKEN
    wishes = contexts.Wishes(stated.change, stated.blocked, stated.wanted, stated.hours, stated.language)
    after = msgspec.structs.replace(person, wishes=wishes)
    work.out.people.contexts[person.subject] = after
    work.out.decisions.withhold(person.subject)
    work.out.decisions.withheld.add(person.subject)
    _receipt(work, stated, "taken", after)
    return FactRow(stated.envelope, "wishes", work.now_ms, person.subject)


def repeat_wishes(work: UnitOfWork, stated: WishList) -> None:
    """The receipt for wishes that were stored before: the device has not had the first one."""
    person = _person(work, stated)
    _receipt(work, stated, "refused" if person is None else "taken", person)


def apply_control(work: UnitOfWork, stated: Control) -> FactRow | Discard:
    """Take the answers to the question of perceived control, at most once in CONTROL_MS."""
    person = _person(work, stated)
    if person is None or contexts.has_expired(person.consent_expires_at_ms, work.now_ms):
        return Discard.NOT_CONSENTED
    if person.control_ms and work.now_ms - person.control_ms < limits.CONTROL_MS:
        return Discard.REPEATED
    work.out.people.contexts[person.subject] = msgspec.structs.replace(person, control_ms=work.now_ms)
    count_control(work, person.subject, stated.items)
    detail = " ".join(map(str, stated.items))
    return FactRow(stated.envelope, "control", work.now_ms, person.subject, detail=detail)


def _person(work: UnitOfWork, stated: WishList | Control) -> SubjectContext | None:
    """The person of the device; a tag or another device of the person states no wishes."""
    subject = work.subject_of(stated.envelope.device)
    person = work.context(subject) if subject else None
    return person if person is not None and person.device == stated.envelope.device else None


def _receipt(work: UnitOfWork, stated: WishList, outcome: str, person: SubjectContext | None) -> None:
    known = person.wishes.change if person is not None and person.wishes is not None else 0
    envelope = stated.envelope
    body = {"boot": envelope.boot, "seq": envelope.seq, "outcome": outcome, "change": known}
    work.out.replies.messages.append(Reply(envelope.device, "wishes", body))

"""Consent and withdrawal: the changes of each in all slices.

A withdrawal outranks everything, is accepted in any order, and takes effect with its commit. A consent names radio ids and keys that the
person claims. An id that another person claimed before is not assigned, but a device always speaks for itself.
"""

from __future__ import annotations

import msgspec

from gateway.core import addresses, limits
from gateway.core import context as contexts
from gateway.core.attributes.log import ConsentFact
from gateway.core.context import SubjectContext
from gateway.core.discards import Discard
from gateway.core.state import FactRow
from gateway.core.types import Consent, Envelope
from gateway.core.unit_of_work import UnitOfWork

Kept = FactRow | Discard
"""The row to store, or the reason why the fact is discarded."""


def apply_consent(work: UnitOfWork, consent: Consent) -> Kept:
    """Apply a consent; one without purposes, or already expired, is a withdrawal."""
    device = consent.envelope.device
    claimed = _released(work, device)
    known = work.subject_of(device)
    before = work.context(known) if known else None
    if contexts.is_stale(before, consent) or _withdrew_later(work, consent.envelope):
        return Discard.OVERTAKEN
    if not consent.purposes or contexts.has_expired(consent.expires_at_ms, work.now_ms):
        return _withdrawn(work, consent, before) if before or claimed else Discard.NOT_CONSENTED
    room = limits.IDENTITIES_MAX - work.identity_count - (known is None)
    if room < 0:
        return Discard.TOO_MANY_SUBJECTS
    subject = before.subject if before else work.draw()
    tags = _own_tags(work, consent, subject, room)
    keys = _own_keys(work, consent, subject)
    for tag in before.tags if before else ():
        work.assign_identifier(tag, None)
    for identifier in (*tags, device):
        work.assign_identifier(identifier, subject)
    for key in (*(before.irks if before else ()), *keys):
        work.assign_key(key, subject if key in keys else None)
    plan = work.site.plan.history
    person = contexts.with_consent(before, subject, consent, tags, work.now_ms, plan, keys)
    work.out.people.contexts[subject] = person
    work.log_history(person, ConsentFact(consent.purposes, plan.stated(consent.told, consent.purposes)))
    if "presence" not in consent.purposes:
        work.end_visits(subject)
    if not contexts.may_be_offered(consent.purposes):
        work.out.decisions.withhold(subject)
    return FactRow(consent.envelope, "consent", work.now_ms, subject)


def forget(work: UnitOfWork, person: SubjectContext) -> None:
    """Delete everything that is kept of a person, this batch's own changes included, and send nothing more."""
    for identifier in (*person.tags, person.device):
        work.assign_identifier(identifier, None)
    for key in person.irks:
        work.assign_key(key, None)
    work.out.forget(person)
    work.end_visits(person.subject)


def _withdrawn(work: UnitOfWork, consent: Consent, before: SubjectContext | None) -> Kept:
    """Note the withdrawal and forget the person in the same commit."""
    work.out.facts.withdrawals[consent.envelope.device, consent.envelope.boot] = consent.envelope.seq, work.now_ms
    if before is not None:
        forget(work, before)
    return FactRow(consent.envelope, "withdrawal", work.now_ms)


def _withdrew_later(work: UnitOfWork, envelope: Envelope) -> bool:
    """Whether a withdrawal with a higher sequence number, of the same boot of the device, arrived before this consent."""
    in_batch = work.out.facts.withdrawals.get((envelope.device, envelope.boot))
    withdrawn_seq = work.repository.withdrawn_seq(envelope) if in_batch is None else in_batch[0]
    return withdrawn_seq is not None and envelope.seq < withdrawn_seq


def _released(work: UnitOfWork, device: str) -> bool:
    """Take a device from a person who claimed it as a tag; a device that sends a consent of its own speaks for itself."""
    known = work.subject_of(device)
    claimer = work.context(known) if known else None
    if claimer is None or claimer.device == device:
        return False
    tags = tuple(tag for tag in claimer.tags if tag != device)
    work.out.people.contexts[claimer.subject] = msgspec.structs.replace(claimer, tags=tags)
    work.assign_identifier(device, None)
    return True


def _own_tags(work: UnitOfWork, consent: Consent, subject: str, room: int) -> tuple[str, ...]:
    """The claimed radio ids that are assigned: not another person's, not an anchor of this site, and at most `room` new ones."""
    tags: list[str] = []
    for tag in dict.fromkeys(consent.tags if "presence" in consent.purposes else ()):
        owner = work.subject_heard(tag)
        if tag in work.site.anchors or tag == consent.envelope.device or owner not in (None, subject):
            continue
        room -= owner is None
        if room < 0 or len(tags) == limits.TAGS_PER_SUBJECT_MAX:
            break
        tags.append(tag)
    return tuple(tags)


def _own_keys(work: UnitOfWork, consent: Consent, subject: str) -> tuple[str, ...]:
    """The identity resolving keys that are assigned.

    A key that another person gave before stays with that person, because two owners would share every address. The all-zero key is
    stated by devices without a key and is refused.
    """
    keys: list[str] = []
    room = limits.KEYS_MAX - work.key_count
    for key in dict.fromkeys(consent.irks if "presence" in consent.purposes else ()):
        owner = work.owner_of_key(key)
        if owner not in (None, subject) or key == addresses.NO_KEY or len(keys) == limits.KEYS_PER_SUBJECT_MAX or room < (owner is None):
            work.out.totals["keys_refused"] += 1
            continue
        room -= owner is None
        keys.append(key)
    return tuple(keys)

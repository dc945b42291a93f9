"""The consent register: consents and withdrawals, in their order, and the radio ids that a person has proven to own.

A consent with purposes is a yes; without purposes it is a no, which is taken with any sequence number and holds with its commit. A yes
that has expired already withdraws too, if it is the newest. A yes is taken only if it is newer than all that is known of the device: by
`change`, the number that the app counts for the person across boots and installations, and by the sequence within its boot. Each
consent is answered by a receipt, which states the number that is known; the device repeats its consent until it has one.
"""

from __future__ import annotations

from typing import Literal

from gateway.core import addresses, claims, ephemeral, limits
from gateway.core import context as contexts
from gateway.core.attributes.log import ConsentFact
from gateway.core.channels import is_page
from gateway.core.claims import Outcome
from gateway.core.context import SubjectContext
from gateway.core.discards import Discard
from gateway.core.state import FactRow
from gateway.core.state.register import Grant
from gateway.core.state.replies import Reply
from gateway.core.types import Consent, Envelope
from gateway.core.unit_of_work import UnitOfWork

Kept = FactRow | Discard
"""The row to store, or the reason why the fact is discarded."""

CHANGES = "\0changes"
"""Stands for a boot where a device's withdrawals are kept by their `change` number; no device can state such a boot."""


def apply_consent(work: UnitOfWork, consent: Consent) -> Kept:
    """Apply a consent, and reply to its device with a receipt."""
    known = work.subject_of(consent.envelope.device)
    before = work.context(known) if known else None
    if claims.names_radio(consent.envelope.device) or (before is not None and before.device != consent.envelope.device):
        return Discard.OTHER_SPEAKER
    if consent.purposes and (contexts.is_stale(before, consent) or _withdrew_later(work, consent)):
        receipt(work, consent, "overtaken", before)
        return Discard.OVERTAKEN
    if not consent.purposes or contexts.has_expired(consent.expires_at_ms, work.now_ms):
        return _withdrawn(work, consent, before)
    room = limits.IDENTITIES_MAX - work.identity_count - (known is None)
    if room < 0:
        receipt(work, consent, "full", before)
        return Discard.TOO_MANY_SUBJECTS
    return _granted(work, consent, before, room)


def repeat_receipt(work: UnitOfWork, consent: Consent) -> None:
    """The receipt for a consent that was stored before: its device has not had the first one."""
    known = work.subject_of(consent.envelope.device)
    person = work.context(known) if known else None
    receipt(work, consent, "withdrawn" if not consent.purposes else "taken" if person else "overtaken", person)


def forget(work: UnitOfWork, person: SubjectContext) -> None:
    """Delete everything that is kept of a person, this batch's own changes included, and send nothing more."""
    for identifier in (*person.tags, person.device):
        work.assign_identifier(identifier, None)
    for key in (*person.irks, *(ephemeral.KEY_PREFIX + key for key in person.eid_keys)):
        work.assign_key(key, None)
    work.out.forget(person)
    work.end_visits(person.subject)


def receipt(
    work: UnitOfWork,
    consent: Consent,
    outcome: Literal["taken", "withdrawn", "overtaken", "full"],
    person: SubjectContext | None,
    settled: dict[str, Outcome] | None = None,
) -> None:
    """Reply to a consent: its envelope, the outcome, the newest `change` number that is known, and the outcome of each claim.

    The outcomes stand in the order of the claims, so that no radio id leaves the gateway.
    """
    envelope = consent.envelope
    linked = person.tags if person else ()
    found = {tag: "linked" if tag in linked else "unproven" for tag in consent.tags} | (settled or {})
    claimed = [found[tag] for tag in found]
    change = max(consent.change or 0, (person.consent_change if person else None) or 0, _withdrawn_change(work, envelope.device) or 0)
    body = {"boot": envelope.boot, "seq": envelope.seq, "outcome": outcome, "change": change, "claims": claimed}
    work.out.replies.messages.append(Reply(envelope.device, "receipt", body))


def _granted(work: UnitOfWork, consent: Consent, before: SubjectContext | None, room: int) -> Kept:
    device = consent.envelope.device
    subject = before.subject if before else work.draw()
    is_seen = "presence" in consent.purposes
    linked = before.tags if before else ()
    claimed = [tag for tag in consent.tags if is_seen or is_page(tag)]
    settled = claims.settle(work, device, subject, claimed, consent.codes, linked)
    tags = _bounded(work, settled, room)
    irks = _own_keys(work, consent.irks if is_seen else (), subject)
    eid_keys = _own_keys(work, consent.eid_keys if is_seen else (), subject, ephemeral.KEY_PREFIX)
    for tag in linked:
        work.assign_identifier(tag, None)
    for identifier in (*tags, device):
        work.assign_identifier(identifier, subject)
    kept = {*irks, *(ephemeral.KEY_PREFIX + key for key in eid_keys)}
    had = (*before.irks, *(ephemeral.KEY_PREFIX + key for key in before.eid_keys)) if before else ()
    for key in dict.fromkeys((*had, *sorted(kept))):
        work.assign_key(key, subject if key in kept else None)
    plan = work.site.plan.history
    person = contexts.with_consent(before, subject, consent, tags, work.now_ms, plan, irks, eid_keys, work.generation())
    work.out.people.contexts[subject] = person
    work.out.register.grants[subject] = tuple(
        Grant(purpose, consent.change, consent.version, consent.wording, consent.source, work.now_ms, consent.expires_at_ms)
        for purpose in consent.purposes
    )
    work.log_history(person, ConsentFact(consent.purposes, plan.stated(consent.told, consent.purposes)))
    if not is_seen:
        work.end_visits(subject)
    if not contexts.may_be_offered(consent.purposes):
        work.out.decisions.withhold(subject)
    receipt(work, consent, "taken", person, settled)
    return FactRow(consent.envelope, "consent", work.now_ms, subject)


def _withdrawn(work: UnitOfWork, consent: Consent, before: SubjectContext | None) -> Kept:
    """Note the withdrawal and forget the person in the same commit; of an unknown person nothing is stored."""
    receipt(work, consent, "withdrawn", before)
    if before is None:
        return Discard.NOT_CONSENTED
    envelope = consent.envelope
    _note(work, envelope.device, envelope.boot, envelope.seq)
    if consent.change is not None:
        _note(work, envelope.device, CHANGES, consent.change)
    work.out.people.generation = work.generation()
    forget(work, before)
    return FactRow(envelope, "withdrawal", work.now_ms)


def _note(work: UnitOfWork, device: str, boot: str, number: int) -> None:
    known = _withdrawn_at(work, Envelope(device, boot, 0))
    work.out.facts.withdrawals[device, boot] = number if known is None else max(known, number), work.now_ms


def _withdrew_later(work: UnitOfWork, consent: Consent) -> bool:
    """Whether the device withdrew after this consent: in the same boot, or by the number of the change."""
    seq = _withdrawn_at(work, consent.envelope)
    change = _withdrawn_change(work, consent.envelope.device)
    is_before = seq is not None and consent.envelope.seq < seq
    return is_before if consent.change is None or change is None else consent.change <= change or is_before


def _withdrawn_change(work: UnitOfWork, device: str) -> int | None:
    return _withdrawn_at(work, Envelope(device, CHANGES, 0))


def _withdrawn_at(work: UnitOfWork, envelope: Envelope) -> int | None:
    in_batch = work.out.facts.withdrawals.get((envelope.device, envelope.boot))
    return work.repository.withdrawn_seq(envelope) if in_batch is None else in_batch[0]


def _bounded(work: UnitOfWork, settled: dict[str, Outcome], room: int) -> tuple[str, ...]:
    """The linked radio ids, at most TAGS_PER_SUBJECT_MAX and `room` new ones; the outcome of the others becomes `too_many`."""
    tags: list[str] = []
    for tag in [tag for tag, outcome in settled.items() if outcome == "linked"]:
        room -= work.subject_of(tag) is None
        if room < 0 or len(tags) == limits.TAGS_PER_SUBJECT_MAX:
            settled[tag] = "too_many"
        else:
            tags.append(tag)
    return tuple(tags)


def _own_keys(work: UnitOfWork, stated: tuple[str, ...], subject: str, prefix: str = "") -> tuple[str, ...]:
    """The keys that are assigned.

    A key that another person gave before stays with that person, because two owners would share every address. The all-zero key is
    stated by devices without a key and is refused.
    """
    keys: list[str] = []
    room = limits.KEYS_MAX - work.key_count
    for key in dict.fromkeys(stated):
        owner = work.owner_of_key(prefix + key)
        if owner not in (None, subject):
            claims.notify_owner(work, owner, "key")
        if owner not in (None, subject) or key == addresses.NO_KEY or len(keys) == limits.KEYS_PER_SUBJECT_MAX or room < (owner is None):
            work.out.totals["keys_refused"] += 1
            continue
        room -= owner is None
        keys.append(key)
    return tuple(keys)

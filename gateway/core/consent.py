"""A person's word: a yes, another yes, a no, and what each does to everything that is kept of them.

A no outranks everything, arrives in any order, and is as good as its commit. A yes names radio ids and keys that the person says
are theirs. What somebody else has claimed before them, they do not get, but a device speaks for itself.
"""

from __future__ import annotations

import msgspec

from gateway.core import addresses, limits
from gateway.core import context as contexts
from gateway.core.context import SubjectContext
from gateway.core.draft import Draft
from gateway.core.types import Consent, Envelope
from gateway.core.world import FactRow

Kept = tuple[FactRow | None, str]
"""What is kept of a fact, or None and why nothing is."""


def consented(draft: Draft, consent: Consent) -> Kept:
    """Take a person's word; a word that has run out already is a no."""
    device = consent.envelope.device
    claimed = _released(draft, device)
    known = draft.subject_of(device)
    before = draft.context(known) if known else None
    if contexts.is_stale(before, consent) or _said_no_later(draft, consent.envelope):
        return None, "overtaken"
    if not consent.purposes or contexts.has_expired(consent.expires_at_ms, draft.now_ms):
        return _withdrawn(draft, consent, before) if before or claimed else (None, "not_consented")
    room = limits.IDENTITIES_MAX - draft.identities - (known is None)
    if room < 0:
        return None, "too_many_subjects"
    subject = before.subject if before else draft.draw()
    tags = _own_tags(draft, consent, subject, room)
    keys = _own_keys(draft, consent, subject)
    for tag in before.tags if before else ():
        draft.map(tag, None)
    for mover in (*tags, device):
        draft.map(mover, subject)
    for key in (*(before.irks if before else ()), *keys):
        draft.hand(key, subject if key in keys else None)
    draft.out.contexts[subject] = contexts.consented(before, subject, consent, tags, draft.now_ms, keys)
    if "presence" not in consent.purposes:
        draft.end_visits(subject)
    if not contexts.may_be_offered(consent.purposes):
        draft.out.triggers = [trigger for trigger in draft.out.triggers if trigger.device != device]
    return FactRow(consent.envelope, "consent", draft.now_ms, subject), ""


def forget(draft: Draft, person: SubjectContext) -> None:
    """Nothing is kept of a person any more, nor sent to them."""
    draft.out.contexts[person.subject] = None
    for mover in (*person.tags, person.device):
        draft.map(mover, None)
    for key in person.irks:
        draft.hand(key, None)
    draft.end_visits(person.subject)
    # What this very batch decided for them is neither kept nor sent.
    draft.out.decisions = [decision for decision in draft.out.decisions if decision.subject != person.subject]
    draft.out.triggers = [trigger for trigger in draft.out.triggers if trigger.device != person.device]
    draft.out.visits = [visit for visit in draft.out.visits if visit.subject != person.subject]


def _withdrawn(draft: Draft, consent: Consent, before: SubjectContext | None) -> Kept:
    """A no outranks everything: the person is forgotten in the same commit."""
    draft.out.withdrawals[consent.envelope.device, consent.envelope.boot] = consent.envelope.seq, draft.now_ms
    if before is not None:
        forget(draft, before)
    return FactRow(consent.envelope, "withdrawal", draft.now_ms), ""


def _said_no_later(draft: Draft, envelope: Envelope) -> bool:
    """Whether a yes was on its way when a later no from the same start of the same device had already arrived."""
    said_no = draft.out.withdrawals.get((envelope.device, envelope.boot))
    no_seq = draft.repository.withdrawn_seq(envelope) if said_no is None else said_no[0]
    return no_seq is not None and envelope.seq < no_seq


def _released(draft: Draft, device: str) -> bool:
    """A device speaks for itself: if somebody else named it as a tag of theirs, that claim ends with its first word."""
    known = draft.subject_of(device)
    claimer = draft.context(known) if known else None
    if claimer is None or claimer.device == device:
        return False
    tags = tuple(tag for tag in claimer.tags if tag != device)
    draft.out.contexts[claimer.subject] = msgspec.structs.replace(claimer, tags=tags)
    draft.map(device, None)
    return True


def _own_tags(draft: Draft, consent: Consent, subject: str, room: int) -> tuple[str, ...]:
    """The radio ids that a person may claim: not somebody else's, not one of our own anchors, and as many as there is room for."""
    tags: list[str] = []
    for tag in dict.fromkeys(consent.tags if "presence" in consent.purposes else ()):
        owner = draft.subject_heard(tag)
        if tag in draft.site.anchors or tag == consent.envelope.device or owner not in (None, subject):
            continue
        room -= owner is None
        if room < 0 or len(tags) == limits.TAGS_PER_SUBJECT_MAX:
            break
        tags.append(tag)
    return tuple(tags)


def _own_keys(draft: Draft, consent: Consent, subject: str) -> tuple[str, ...]:
    """The identity resolving keys that a person may give.

    A key that somebody gave before is a copy, and everything that it opened would be two people's: the first one keeps it. One
    that is all zeros is what devices state that have no key at all.
    """
    keys: list[str] = []
    room = limits.KEYS_MAX - draft.keys
    for key in dict.fromkeys(consent.irks if "presence" in consent.purposes else ()):
        owner = draft.owner(key)
        if owner not in (None, subject) or key == addresses.NO_KEY or len(keys) == limits.KEYS_PER_SUBJECT_MAX or room < (owner is None):
            draft.out.counts["keys_refused"] += 1
            continue
        room -= owner is None
        keys.append(key)
    return tuple(keys)

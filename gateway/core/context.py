"""What is kept of a person who consented, of a zone, and how each observation changes it.

Every function takes the context and the moment and returns the next context; nothing is changed in
place. Visits are kept as one decaying number per kind of place: with a mean life of a month it *is*
the visits a month, it starts from what the person told, and it needs no history of where they were.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from gateway.core import limits
from gateway.core.features import Weather
from gateway.core.types import AnswerKind, Consent, OfferKind, Purpose

MONTH_MS = 30 * 86_400_000
READING_MS_MAX = 3 * 3_600_000  # older weather is not the weather
FREEZING_C = 1.0
RAIN_MM_H = 0.1

ANSWER_WEIGHTS: dict[AnswerKind, int] = {"shown": 0, "opened": 1, "accepted": 2, "dismissed": 2, "redeemed": 3}
"""An answer stands until one of at least its weight comes: a "shown" that arrives late must not undo a refusal."""


class VisitRate(msgspec.Struct, frozen=True, gc=False):
    """Visits a month as of `at_ms`; decays with a mean life of one month."""

    per_month: float
    at_ms: int


class Contact(msgspec.Struct, frozen=True, gc=False):
    """An offer that this person was shown, read back from the decision log: what caps look at."""

    decision: str
    offer: str
    at_ms: int
    answer: AnswerKind | None = None


class SubjectContext(msgspec.Struct, frozen=True):
    """A consenting person, known by a random local id; `device` is where offers reach them."""

    subject: str
    device: str
    purposes: tuple[Purpose, ...]
    consent_boot: str
    consent_seq: int
    consent_version: int
    consented_at_ms: int
    consent_expires_at_ms: int | None = None
    tags: tuple[str, ...] = ()
    visits: Mapping[OfferKind, VisitRate] = {}
    contacts: tuple[Contact, ...] = ()


class ZoneContext(msgspec.Struct, frozen=True):
    """What sensors last said of a zone: quantity -> (value, at_ms); people counted in the current window."""

    readings: Mapping[str, tuple[float, int]] = {}


def allows(context: SubjectContext, purpose: Purpose, now_ms: int) -> bool:
    """Whether this person's word covers `purpose` at this moment."""
    return purpose in context.purposes and not has_expired(context.consent_expires_at_ms, now_ms)


def may_be_offered(purposes: Sequence[Purpose]) -> bool:
    """Whether triggers may go to this person: who must not be seen is not to be met where they are, either."""
    return "presence" in purposes and "offers" in purposes


def has_expired(expires_at_ms: int | None, now_ms: int) -> bool:
    """Whether a word that holds until then (None: until taken back) has run out."""
    return expires_at_ms is not None and now_ms >= expires_at_ms


def consented(before: SubjectContext | None, subject: str, consent: Consent, tags: tuple[str, ...], now_ms: int) -> SubjectContext:
    """The context after a (renewed) yes. What they tell of their habits replaces what was told or seen before for those kinds."""
    told = {
        kind: VisitRate(min(max(rate, 0.0), limits.VISITS_MONTH_MAX), now_ms)
        for kind, rate in consent.visits_month.items()
        if math.isfinite(rate)
    }
    return SubjectContext(
        subject=subject,
        device=consent.envelope.device,
        purposes=consent.purposes,
        consent_boot=consent.envelope.boot,
        consent_seq=consent.envelope.seq,
        consent_version=consent.version,
        consented_at_ms=now_ms,
        consent_expires_at_ms=consent.expires_at_ms,
        tags=tags,
        visits={**(before.visits if before else {}), **told},
        contacts=before.contacts if before else (),
    )


def is_stale(before: SubjectContext | None, consent: Consent) -> bool:
    """Whether a consent was overtaken by a later word from the same start of the same device."""
    return before is not None and before.consent_boot == consent.envelope.boot and consent.envelope.seq <= before.consent_seq


def visits_month(context: SubjectContext, now_ms: int) -> dict[OfferKind, float]:
    """Visits a month by kind of place, as of now."""
    return {kind: _decayed(rate, now_ms) for kind, rate in context.visits.items()}


def visited(context: SubjectContext, kind: OfferKind, now_ms: int) -> SubjectContext:
    """Count one visit to a place of `kind`."""
    before = context.visits.get(kind)
    rate = min(1.0 + (_decayed(before, now_ms) if before else 0.0), limits.VISITS_MONTH_MAX)
    return msgspec.structs.replace(context, visits={**context.visits, kind: VisitRate(rate, now_ms)})


def contacted(context: SubjectContext, contact: Contact) -> SubjectContext:
    """Remember that an offer was proposed."""
    return msgspec.structs.replace(context, contacts=(*context.contacts, contact)[-limits.CONTACTS_KEPT_MAX :])


def greater(before: AnswerKind | None, answer: AnswerKind) -> AnswerKind:
    """The answer that stands after another one has come."""
    return before if before is not None and ANSWER_WEIGHTS[before] > ANSWER_WEIGHTS[answer] else answer


def answered(context: SubjectContext, decision: str, answer: AnswerKind) -> SubjectContext:
    """Remember what they answered to an offer."""
    contacts = tuple(
        msgspec.structs.replace(contact, answer=answer) if contact.decision == decision else contact for contact in context.contacts
    )
    return msgspec.structs.replace(context, contacts=contacts)


def reading(context: ZoneContext, quantity: str, value: float, now_ms: int) -> ZoneContext:
    """Keep the latest value of a quantity."""
    return ZoneContext({**context.readings, quantity: (value, now_ms)})


def together(site: ZoneContext, zone: ZoneContext, now_ms: int) -> ZoneContext:
    """What is known of a zone: its own fresh readings, and where its sensors are silent those of the whole site."""
    fresh = {quantity: (value, at_ms) for quantity, (value, at_ms) in zone.readings.items() if now_ms - at_ms <= READING_MS_MAX}
    return ZoneContext({**site.readings, **fresh})


def latest(context: ZoneContext, quantity: str, now_ms: int) -> float | None:
    """The latest value of a quantity unless it is too old to mean anything."""
    value, at_ms = context.readings.get(quantity, (0.0, -READING_MS_MAX - 1))
    return value if now_ms - at_ms <= READING_MS_MAX else None


def weather(context: ZoneContext, now_ms: int) -> Weather | None:
    """Sunny, rainy or snowy, from precipitation and temperature; None without a fresh precipitation reading."""
    rain = latest(context, "precipitation", now_ms)
    if rain is None:
        return None
    if rain < RAIN_MM_H:
        return "sunny"
    temperature = latest(context, "temperature", now_ms)
    return "snowy" if temperature is not None and temperature <= FREEZING_C else "rainy"


def _decayed(rate: VisitRate, now_ms: int) -> float:
    return rate.per_month * math.exp(-max(0, now_ms - rate.at_ms) / MONTH_MS)

"""The context of a consenting person and of a zone, and its changes by observations.

The `with_…` functions take a context and return the next one; nothing is changed in place. Visits are kept as one decaying number per
kind of place: with a mean life of one month it equals the visits a month. It starts from the rate that the person stated and needs no
history of places.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from gateway.core import limits
from gateway.core.features import Weather
from gateway.core.types import AnswerKind, Consent, OfferKind, Purpose

MONTH_MS = 30 * 86_400_000
READING_MS_MAX = 3 * 3_600_000  # the weather changes within hours
NOISE_MS_MAX = 30 * 60_000  # a bus passes within a minute; lasting noise (a fair, road works) is in every report
AIR_MS_MAX = 2 * 3_600_000  # fine dust changes within hours, and many of its sensors report once an hour
CROWD_MS_MAX = 3_600_000  # after a longer silence of a counter neither the present flow nor the start of its next count is known
CROWD_FIRST_MS = 10_000  # reports closer than this were queued on the way, so they cover a longer time than their distance
CROWD_MEAN_MS = 10 * 60_000  # mean life of the flow: a train's arrival shows within minutes and is gone after a quarter of an hour
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
FREEZING_C = 1.0
RAIN_MM_H = 0.1

FRESH_MS: Mapping[str, int] = {"noise": NOISE_MS_MAX, "pm2_5": AIR_MS_MAX}
"""Quantity -> the age up to which a reading is used; READING_MS_MAX for all others."""
SITUATION_QUANTITIES = ("precipitation", "temperature", "noise", "pm2_5")
"""Quantities of a zone that a situation uses, beside the crowd."""

ANSWER_WEIGHTS: dict[AnswerKind, int] = {"shown": 0, "opened": 1, "accepted": 2, "dismissed": 2, "redeemed": 3}
"""An answer replaces an earlier one of at most its weight: a "shown" that arrives late must not replace a refusal."""


class VisitRate(msgspec.Struct, frozen=True, gc=False):
    """Visits a month at the time `at_ms`; decays with a mean life of one month."""

    per_month: float
    at_ms: int


class Contact(msgspec.Struct, frozen=True, gc=False):
    """An offer that was proposed to a person, read from the decision log; caps are counted on contacts."""

    decision: str
    offer: str
    at_ms: int
    answer: AnswerKind | None = None


class SubjectContext(msgspec.Struct, frozen=True):
    """The context of a consenting person, under a random local id; triggers are sent to `device`."""

    subject: str
    device: str
    purposes: tuple[Purpose, ...]
    consent_boot: str
    consent_seq: int
    consent_version: int
    consented_at_ms: int
    consent_expires_at_ms: int | None = None
    tags: tuple[str, ...] = ()
    irks: tuple[str, ...] = ()
    visits: Mapping[OfferKind, VisitRate] = {}
    contacts: tuple[Contact, ...] = ()


class Crowd(msgspec.Struct, frozen=True, gc=False):
    """The flow past one counter in people an hour, at the time `at_ms`; None until its second report.

    A report holds the number of people *since the last report* (`gateway.core.types.Count`), so it needs the time between two reports,
    and the first report only starts that time. The flow is an exponential mean with a mean life of CROWD_MEAN_MS: it is the same for
    counters that report every ten seconds and every ten minutes.
    """

    per_hour: float | None
    at_ms: int


class ZoneContext(msgspec.Struct, frozen=True):
    """Newest sensor values of a zone: quantity -> (value, at_ms), and counter -> flow of people.

    Both are bounded: by the quantities with a canonical unit, and by the counters that the config assigns to the zone.
    """

    readings: Mapping[str, tuple[float, int]] = {}
    crowds: Mapping[str, Crowd] = {}


class Surroundings(NamedTuple):
    """Fresh sensor values of a zone, None for missing or outdated ones; `age_min` is the age of the oldest one."""

    weather: Weather | None
    temperature_c: float | None
    noise_dba: float | None
    pm2_5_ug_m3: float | None
    crowd_per_hour: float | None
    age_min: float | None


def allows(context: SubjectContext, purpose: Purpose, now_ms: int) -> bool:
    """Whether the person's consent covers `purpose` at `now_ms`."""
    return purpose in context.purposes and not has_expired(context.consent_expires_at_ms, now_ms)


def may_be_offered(purposes: Sequence[Purpose]) -> bool:
    """Whether triggers may be sent: an offer depends on the person's zone, so it needs consent to presence as well."""
    return "presence" in purposes and "offers" in purposes


def may_be_remembered(purposes: Sequence[Purpose]) -> bool:
    """Whether ended visits may be kept: they are used for learning, so this needs consent to presence and to learning."""
    return "presence" in purposes and "learning" in purposes


def has_expired(expires_at_ms: int | None, now_ms: int) -> bool:
    """Whether a consent with this expiry (None: no expiry) has expired."""
    return expires_at_ms is not None and now_ms >= expires_at_ms


def with_consent(
    before: SubjectContext | None, subject: str, consent: Consent, tags: tuple[str, ...], now_ms: int, irks: tuple[str, ...] = ()
) -> SubjectContext:
    """The context after a first or renewed consent. Stated visits a month replace the known rate of their kinds of place."""
    stated = {
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
        irks=irks,
        visits={**(before.visits if before else {}), **stated},
        contacts=before.contacts if before else (),
    )


def is_stale(before: SubjectContext | None, consent: Consent) -> bool:
    """Whether a later consent of the same boot of the device is already known."""
    return before is not None and before.consent_boot == consent.envelope.boot and consent.envelope.seq <= before.consent_seq


def visits_month(context: SubjectContext, now_ms: int) -> dict[OfferKind, float]:
    """Visits a month by kind of place, at `now_ms`."""
    return {kind: _decayed(rate, now_ms) for kind, rate in context.visits.items()}


def with_visit(context: SubjectContext, kind: OfferKind, now_ms: int) -> SubjectContext:
    """Count one visit to a place of `kind`."""
    before = context.visits.get(kind)
    rate = min(1.0 + (_decayed(before, now_ms) if before else 0.0), limits.VISITS_MONTH_MAX)
    return msgspec.structs.replace(context, visits={**context.visits, kind: VisitRate(rate, now_ms)})


def with_contact(context: SubjectContext, contact: Contact) -> SubjectContext:
    """Add a proposed offer; the newest CONTACTS_KEPT_MAX are kept."""
    return msgspec.structs.replace(context, contacts=(*context.contacts, contact)[-limits.CONTACTS_KEPT_MAX :])


def weightier(before: AnswerKind | None, answer: AnswerKind) -> AnswerKind:
    """The answer that counts, of an earlier and a new one; see ANSWER_WEIGHTS."""
    return before if before is not None and ANSWER_WEIGHTS[before] > ANSWER_WEIGHTS[answer] else answer


def with_answer(context: SubjectContext, decision: str, answer: AnswerKind) -> SubjectContext:
    """Set the answer to a proposed offer."""
    contacts = tuple(
        msgspec.structs.replace(contact, answer=answer) if contact.decision == decision else contact for contact in context.contacts
    )
    return msgspec.structs.replace(context, contacts=contacts)


def with_reading(context: ZoneContext, quantity: str, value: float, at_ms: int) -> ZoneContext:
    """Set the value of a quantity; a reading older than the known one changes nothing."""
    before = context.readings.get(quantity)
    if before is not None and at_ms < before[1]:
        return context
    return msgspec.structs.replace(context, readings={**context.readings, quantity: (value, at_ms)})


def with_count(context: ZoneContext, counter: str, people: int, now_ms: int) -> ZoneContext:
    """Fold one report of a counter into its flow."""
    before = context.crowds.get(counter)
    if before is None or not 0 <= now_ms - before.at_ms <= CROWD_MS_MAX:
        return msgspec.structs.replace(context, crowds={**context.crowds, counter: Crowd(None, now_ms)})
    lives = (now_ms - before.at_ms) / CROWD_MEAN_MS
    fade = math.exp(-lives)
    if before.per_hour is None:
        flow = None if lives == 0.0 else people * HOUR_MS / max(now_ms - before.at_ms, CROWD_FIRST_MS)
    else:
        # Exact for a constant flow between the two reports; reports with the same time (of one batch) add up.
        share = 1.0 if lives == 0.0 else (1.0 - fade) / lives
        flow = before.per_hour * fade + people * HOUR_MS / CROWD_MEAN_MS * share
    return msgspec.structs.replace(context, crowds={**context.crowds, counter: Crowd(flow, now_ms)})


def merged(site: ZoneContext, zone: ZoneContext, now_ms: int) -> ZoneContext:
    """The readings and counters of a zone; where it has no fresh ones, those of the whole site."""
    fresh = {quantity: (value, at_ms) for quantity, (value, at_ms) in zone.readings.items() if not is_outdated(quantity, at_ms, now_ms)}
    crowds = zone.crowds if _flow(zone, now_ms) is not None else site.crowds
    return ZoneContext({**site.readings, **fresh}, crowds)


def rebased(context: ZoneContext, step_ms: int) -> ZoneContext:
    """The context with all its times moved by `step_ms`, after the clock was set."""
    return ZoneContext(
        {quantity: (value, at_ms + step_ms) for quantity, (value, at_ms) in context.readings.items()},
        {counter: Crowd(crowd.per_hour, crowd.at_ms + step_ms) for counter, crowd in context.crowds.items()},
    )


def is_outdated(quantity: str, at_ms: int, now_ms: int) -> bool:
    """Whether a reading of that time is too old to be used."""
    return now_ms - at_ms > FRESH_MS.get(quantity, READING_MS_MAX)


def latest(context: ZoneContext, quantity: str, now_ms: int) -> float | None:
    """The newest value of a quantity, or None if it is unknown or outdated."""
    known = _fresh(context, quantity, now_ms)
    return known[0] if known else None


def surroundings(context: ZoneContext, now_ms: int) -> Surroundings:
    """Fresh sensor values of a zone, and the age of the oldest one."""
    used = {name: known for name in SITUATION_QUANTITIES if (known := _fresh(context, name, now_ms)) is not None}
    flow = _flow(context, now_ms)
    ages_ms = [now_ms - at_ms for _, at_ms in (*used.values(), *([flow] if flow else []))]
    return Surroundings(
        weather=weather(context, now_ms),
        temperature_c=latest(context, "temperature", now_ms),
        noise_dba=latest(context, "noise", now_ms),
        pm2_5_ug_m3=latest(context, "pm2_5", now_ms),
        crowd_per_hour=flow[0] if flow else None,
        age_min=max(0, *ages_ms) / MINUTE_MS if ages_ms else None,
    )


def weather(context: ZoneContext, now_ms: int) -> Weather | None:
    """Sunny, rainy or snowy, from precipitation and temperature; None without a fresh reading of precipitation."""
    rain = latest(context, "precipitation", now_ms)
    if rain is None:
        return None
    if rain < RAIN_MM_H:
        return "sunny"
    temperature = latest(context, "temperature", now_ms)
    return "snowy" if temperature is not None and temperature <= FREEZING_C else "rainy"


def _fresh(context: ZoneContext, quantity: str, now_ms: int) -> tuple[float, int] | None:
    """The newest value and its time, or None if it is unknown or outdated."""
    known = context.readings.get(quantity)
    return None if known is None or is_outdated(quantity, known[1], now_ms) else known


def _flow(context: ZoneContext, now_ms: int) -> tuple[float, int] | None:
    """People an hour past all counters that reported within CROWD_MS_MAX, and the oldest time of their reports; None without any."""
    known = [
        (crowd.per_hour, crowd.at_ms)
        for crowd in context.crowds.values()
        if crowd.per_hour is not None and now_ms - crowd.at_ms <= CROWD_MS_MAX
    ]
    return (sum(flow for flow, _ in known), min(at_ms for _, at_ms in known)) if known else None


def _decayed(rate: VisitRate, now_ms: int) -> float:
    if rate.at_ms < limits.CLOCK_FLOOR_MS <= now_ms:  # stated before the clock was set, so its age is unknown
        return rate.per_month
    return rate.per_month * math.exp(-max(0, now_ms - rate.at_ms) / MONTH_MS)

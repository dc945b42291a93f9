"""What is kept of a person who consented, of a zone, and how each observation changes it.

Every function takes the context and the moment and returns the next context; nothing is changed in
place. Visits are kept as one decaying number per kind of place: with a mean life of a month it *is*
the visits a month, it starts from what the person told, and it needs no history of where they were.
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
READING_MS_MAX = 3 * 3_600_000  # older weather is not the weather
NOISE_MS_MAX = 30 * 60_000  # a bus comes and goes within a minute; what lasts (a fair, a works) is heard again by every report
AIR_MS_MAX = 2 * 3_600_000  # fine dust changes within hours; many of its sensors report once an hour
CROWD_MS_MAX = 3_600_000  # a counter that was silent for longer says nothing of now, nor of when its next count began
CROWD_FIRST_MS = 10_000  # reports closer than this waited somewhere together: what they tell was gathered in longer than that
CROWD_MEAN_MS = 10 * 60_000  # how far a crowd looks back; a train's arrival shows within minutes and is over in a quarter of an hour
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
FREEZING_C = 1.0
RAIN_MM_H = 0.1

FRESH_MS: Mapping[str, int] = {"noise": NOISE_MS_MAX, "pm2_5": AIR_MS_MAX}
"""How long a quantity says how things are; any other one READING_MS_MAX."""
SITUATION_QUANTITIES = ("precipitation", "temperature", "noise", "pm2_5")
"""What a situation is told of a zone, beside the crowd."""

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
    irks: tuple[str, ...] = ()
    visits: Mapping[OfferKind, VisitRate] = {}
    contacts: tuple[Contact, ...] = ()


class Crowd(msgspec.Struct, frozen=True, gc=False):
    """The flow that one counter sees: people an hour, as of `at_ms`; None until its second report.

    A counter tells how many people passed *since its last report* (`gateway.core.types.Count`), at whatever pace it reports. So a count
    means something only over the time that it was gathered in, and the first one only starts that time. The flow is the mean
    of the past with a mean life of CROWD_MEAN_MS: counters that report every ten seconds and every ten minutes then say the same.
    """

    per_hour: float | None
    at_ms: int


class ZoneContext(msgspec.Struct, frozen=True):
    """What sensors last said of a zone: quantity -> (value, at_ms), and counter -> the flow of people that it sees.

    Both are bounded: by the quantities that have a canonical unit, and by the counters that the config places here.
    """

    readings: Mapping[str, tuple[float, int]] = {}
    crowds: Mapping[str, Crowd] = {}


class Surroundings(NamedTuple):
    """What a zone's context tells at one moment, None where it is silent or too old; `age_min` is that of the oldest that is told."""

    weather: Weather | None
    temperature_c: float | None
    noise_dba: float | None
    pm2_5_ug_m3: float | None
    crowd_per_hour: float | None
    age_min: float | None


def allows(context: SubjectContext, purpose: Purpose, now_ms: int) -> bool:
    """Whether this person's word covers `purpose` at this moment."""
    return purpose in context.purposes and not has_expired(context.consent_expires_at_ms, now_ms)


def may_be_offered(purposes: Sequence[Purpose]) -> bool:
    """Whether triggers may go to this person: who must not be seen is not to be met where they are, either."""
    return "presence" in purposes and "offers" in purposes


def may_be_remembered(purposes: Sequence[Purpose]) -> bool:
    """Whether their ended visits are kept: a history of places is there to learn from, and only of who may be seen at all."""
    return "presence" in purposes and "learning" in purposes


def has_expired(expires_at_ms: int | None, now_ms: int) -> bool:
    """Whether a word that holds until then (None: until taken back) has run out."""
    return expires_at_ms is not None and now_ms >= expires_at_ms


def consented(
    before: SubjectContext | None, subject: str, consent: Consent, tags: tuple[str, ...], now_ms: int, irks: tuple[str, ...] = ()
) -> SubjectContext:
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
        irks=irks,
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


def reading(context: ZoneContext, quantity: str, value: float, at_ms: int) -> ZoneContext:
    """Keep the latest value of a quantity; one from before it changes nothing."""
    before = context.readings.get(quantity)
    if before is not None and at_ms < before[1]:
        return context
    return msgspec.structs.replace(context, readings={**context.readings, quantity: (value, at_ms)})


def counted(context: ZoneContext, counter: str, people: int, now_ms: int) -> ZoneContext:
    """Fold one report of a counter into the flow that it sees."""
    before = context.crowds.get(counter)
    if before is None or not 0 <= now_ms - before.at_ms <= CROWD_MS_MAX:
        return msgspec.structs.replace(context, crowds={**context.crowds, counter: Crowd(None, now_ms)})
    lives = (now_ms - before.at_ms) / CROWD_MEAN_MS
    fade = math.exp(-lives)
    if before.per_hour is None:
        flow = None if lives == 0.0 else people * HOUR_MS / max(now_ms - before.at_ms, CROWD_FIRST_MS)
    else:
        # The exact mean of a flow that was steady between the two reports; two reports at one moment (of a batch) just add up.
        share = 1.0 if lives == 0.0 else (1.0 - fade) / lives
        flow = before.per_hour * fade + people * HOUR_MS / CROWD_MEAN_MS * share
    return msgspec.structs.replace(context, crowds={**context.crowds, counter: Crowd(flow, now_ms)})


def together(site: ZoneContext, zone: ZoneContext, now_ms: int) -> ZoneContext:
    """What is known of a zone: its own fresh readings and counters, and where they are silent those of the whole site."""
    fresh = {quantity: (value, at_ms) for quantity, (value, at_ms) in zone.readings.items() if not is_outdated(quantity, at_ms, now_ms)}
    crowds = zone.crowds if _flow(zone, now_ms) is not None else site.crowds
    return ZoneContext({**site.readings, **fresh}, crowds)


def moved(context: ZoneContext, step_ms: int) -> ZoneContext:
    """The context with all its moments moved, as a set clock moves them."""
    return ZoneContext(
        {quantity: (value, at_ms + step_ms) for quantity, (value, at_ms) in context.readings.items()},
        {counter: Crowd(crowd.per_hour, crowd.at_ms + step_ms) for counter, crowd in context.crowds.items()},
    )


def is_outdated(quantity: str, at_ms: int, now_ms: int) -> bool:
    """Whether a reading of that moment no longer says how things are."""
    return now_ms - at_ms > FRESH_MS.get(quantity, READING_MS_MAX)


def latest(context: ZoneContext, quantity: str, now_ms: int) -> float | None:
    """The latest value of a quantity unless it is too old to mean anything."""
    known = _fresh(context, quantity, now_ms)
    return known[0] if known else None


def surroundings(context: ZoneContext, now_ms: int) -> Surroundings:
    """All that a situation is told of a zone, each as long as it is fresh, and how old the oldest of it is."""
    told = {name: known for name in SITUATION_QUANTITIES if (known := _fresh(context, name, now_ms)) is not None}
    flow = _flow(context, now_ms)
    ages_ms = [now_ms - at_ms for _, at_ms in (*told.values(), *([flow] if flow else []))]
    return Surroundings(
        weather=weather(context, now_ms),
        temperature_c=latest(context, "temperature", now_ms),
        noise_dba=latest(context, "noise", now_ms),
        pm2_5_ug_m3=latest(context, "pm2_5", now_ms),
        crowd_per_hour=flow[0] if flow else None,
        age_min=max(0, *ages_ms) / MINUTE_MS if ages_ms else None,
    )


def weather(context: ZoneContext, now_ms: int) -> Weather | None:
    """Sunny, rainy or snowy, from precipitation and temperature; None without a fresh precipitation reading."""
    rain = latest(context, "precipitation", now_ms)
    if rain is None:
        return None
    if rain < RAIN_MM_H:
        return "sunny"
    temperature = latest(context, "temperature", now_ms)
    return "snowy" if temperature is not None and temperature <= FREEZING_C else "rainy"


def _fresh(context: ZoneContext, quantity: str, now_ms: int) -> tuple[float, int] | None:
    """The latest value and its moment, unless that is too long ago."""
    known = context.readings.get(quantity)
    return None if known is None or is_outdated(quantity, known[1], now_ms) else known


def _flow(context: ZoneContext, now_ms: int) -> tuple[float, int] | None:
    """People an hour past all counters that still speak, and the moment of the one that has been silent longest."""
    known = [
        (crowd.per_hour, crowd.at_ms)
        for crowd in context.crowds.values()
        if crowd.per_hour is not None and now_ms - crowd.at_ms <= CROWD_MS_MAX
    ]
    return (sum(flow for flow, _ in known), min(at_ms for _, at_ms in known)) if known else None


def _decayed(rate: VisitRate, now_ms: int) -> float:
    if rate.at_ms < limits.CLOCK_FLOOR_MS <= now_ms:  # told before the clock was set: nobody knows how long ago, but not since 1970
        return rate.per_month
    return rate.per_month * math.exp(-max(0, now_ms - rate.at_ms) / MONTH_MS)

"""The context of a consenting person and of a zone, and its changes by observations.

The `with_…` functions take a context and return the next one; nothing is changed in place. Stated values and history belong to
attributes of the bundle's schema (`gateway.core.attributes`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import msgspec

from gateway.core import counting, limits
from gateway.core.attributes.aggregators import State
from gateway.core.attributes.history import HistoryPlan, Stated
from gateway.core.counting import Counting
from gateway.core.learning.state import PersonState
from gateway.core.rain import Gauge, with_total
from gateway.core.types import AnswerKind, Consent, Count, Direction, Named, Purpose

READING_MS_MAX = 3 * 3_600_000  # the weather changes within hours
NOISE_MS_MAX = 30 * 60_000  # a bus passes within a minute; lasting noise (a fair, road works) is in every report
AIR_MS_MAX = 2 * 3_600_000  # fine dust changes within hours, and many of its sensors report once an hour
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
FREEZING_C = 1.0
RAIN_MM_H = 0.1

FRESH_MS: Mapping[str, int] = {"noise": NOISE_MS_MAX, "pm2_5": AIR_MS_MAX}
"""Quantity -> the age up to which a reading is used; READING_MS_MAX for all others."""
PEOPLE: Mapping[str, Callable[[Counting, int, float], tuple[float, int] | None]] = {
    "people_per_hour": counting.flow,
    "people_in_per_hour": lambda counters, now_ms, max_age_ms: counting.passages(counters, "in", now_ms, max_age_ms),
    "people_out_per_hour": lambda counters, now_ms, max_age_ms: counting.passages(counters, "out", now_ms, max_age_ms),
    "people_present": counting.present,
}
"""Quantities that are derived from the counters of a zone -> value and time, of the counters, the time now and the greatest age."""

Weather = Literal["sunny", "rainy", "snowy"]

ANSWER_WEIGHTS: dict[AnswerKind, int] = {"shown": 0, "opened": 1, "accepted": 2, "dismissed": 2, "redeemed": 3}
"""An answer replaces an earlier one of at most its weight: a "shown" that arrives late must not replace a refusal."""


class Contact(msgspec.Struct, frozen=True, gc=False):
    """An offer that was chosen for a person, read from the decision log; caps are counted on contacts.

    `is_sent` is false for a person of the holdout: the caps hold for both groups alike, so that their decisions can be compared.
    `steady_ms` is the time without the steps of the clock; without it the clock was never set.
    """

    decision: str
    offer: str
    at_ms: int
    answer: AnswerKind | None = None
    is_sent: bool = True
    steady_ms: int | None = None

    def times_ms(self, set_ms: int) -> tuple[int, int]:
        """Its time by the clock of then, and by a clock that was set by `set_ms` in total."""
        return self.at_ms, self.at_ms if self.steady_ms is None else self.steady_ms + set_ms


class Wishes(msgspec.Struct, frozen=True):
    """The newest wishes of a person; see `gateway.core.types.WishList`."""

    change: int = 0
    blocked: Named = Named()
    wanted: Named = Named()
    hours: tuple[tuple[int, int], ...] = ()
    language: str | None = None


class SubjectContext(msgspec.Struct, frozen=True):
    """The context of a consenting person, under a random local id; triggers are sent to `device`.

    `consent_change` is the app's number of the consent, `generation` the number of withdrawals at this gateway before it; the grants by
    purpose are in the register. `told` are stated values by attribute, `history` the states of history attributes, and `facts`
    the number of facts folded so far. `learned` are the effects of this person on propensities. `contacts` are those of this gateway,
    `elsewhere` those that neighbours have stated. `control_ms` is the time of the last answer to the question of perceived control.
    """

    subject: str
    device: str
    purposes: tuple[Purpose, ...]
    consent_boot: str
    consent_seq: int
    consent_expires_at_ms: int | None = None
    tags: tuple[str, ...] = ()
    irks: tuple[str, ...] = ()
    eid_keys: tuple[str, ...] = ()
    consent_change: int | None = None
    generation: int = 0
    told: Mapping[str, Stated] = {}
    history: Mapping[str, State] = {}
    facts: int = 0
    contacts: tuple[Contact, ...] = ()
    wishes: Wishes | None = None
    learned: PersonState = PersonState()
    elsewhere: tuple[Contact, ...] = ()
    control_ms: int = 0

    @property
    def reached(self) -> tuple[Contact, ...]:
        """The contacts of this gateway and of its neighbours, oldest first."""
        if not self.elsewhere:
            return self.contacts
        return tuple(sorted((*self.contacts, *self.elsewhere), key=_at_ms))


class ZoneContext(msgspec.Struct, frozen=True):
    """Newest sensor values of a zone, quantity -> (value, at_ms), its counters of people, and its rain gauges by device.

    All are bounded: by the quantities with a canonical unit, and by the devices that the config assigns to the zone.
    """

    readings: Mapping[str, tuple[float, int]] = {}
    counting: Counting = Counting()
    gauges: Mapping[str, Gauge] = {}


def allows(context: SubjectContext, purpose: Purpose, now_ms: int) -> bool:
    """Whether the person's consent covers `purpose` at `now_ms`."""
    return purpose in context.purposes and not has_expired(context.consent_expires_at_ms, now_ms)


def language(context: SubjectContext) -> str | None:
    """The language that the person stated, or None."""
    return context.wishes.language if context.wishes is not None else None


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
    before: SubjectContext | None,
    subject: str,
    consent: Consent,
    tags: tuple[str, ...],
    now_ms: int,
    plan: HistoryPlan,
    irks: tuple[str, ...] = (),
    eid_keys: tuple[str, ...] = (),
    generation: int = 0,
) -> SubjectContext:
    """The context after a (renewed) consent. A stated value replaces an earlier one, and restarts a history that has it as its prior."""
    stated = plan.stated(consent.told, consent.purposes)
    kept = plan.stated(before.told, consent.purposes) if before else {}
    return SubjectContext(
        subject=subject,
        device=consent.envelope.device,
        purposes=consent.purposes,
        consent_boot=consent.envelope.boot,
        consent_seq=consent.envelope.seq,
        consent_expires_at_ms=consent.expires_at_ms,
        tags=tags,
        irks=irks,
        eid_keys=eid_keys,
        consent_change=consent.change,
        generation=generation,
        told=kept | stated,
        history=plan.renewed(before.history if before else {}, consent.purposes, stated, now_ms),
        facts=(before.facts if before else 0) + 1,
        contacts=before.contacts if before else (),
        wishes=before.wishes if before else None,
        learned=before.learned if before and may_be_offered(consent.purposes) else PersonState(),
        elsewhere=before.elsewhere if before else (),
        control_ms=before.control_ms if before else 0,
    )


def is_stale(before: SubjectContext | None, consent: Consent) -> bool:
    """Whether a later consent is already known: by the number of the change, otherwise by the sequence within the same boot."""
    if before is None:
        return False
    if consent.change is not None and before.consent_change is not None:
        return consent.change <= before.consent_change
    return before.consent_boot == consent.envelope.boot and consent.envelope.seq <= before.consent_seq


def with_contact(context: SubjectContext, contact: Contact) -> SubjectContext:
    """Add a proposed offer; the newest CONTACTS_KEPT_MAX are kept."""
    return msgspec.structs.replace(context, contacts=(*context.contacts, contact)[-limits.CONTACTS_KEPT_MAX :])


def without_contact(context: SubjectContext, decision: str) -> SubjectContext:
    """Remove the contact of a decision."""
    return msgspec.structs.replace(context, contacts=tuple(one for one in context.contacts if one.decision != decision))


def _at_ms(contact: Contact) -> int:
    return contact.at_ms


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


def with_rain(context: ZoneContext, device: str, total_mm: float, at_ms: int) -> ZoneContext:
    """Fold the total of a rain gauge: the reading `precipitation` is its rate; see `gateway.core.rain`."""
    gauge, rate = with_total(context.gauges.get(device), total_mm, at_ms)
    context = msgspec.structs.replace(context, gauges={**context.gauges, device: gauge})
    return context if rate is None else with_reading(context, "precipitation", rate, at_ms)


def with_count(
    context: ZoneContext, count: Count, now_ms: int, direction: Direction | None = None, empty_ms: int | None = None
) -> ZoneContext:
    """Fold one report of a counter of people; see `gateway.core.counting`."""
    return msgspec.structs.replace(context, counting=counting.with_count(context.counting, count, now_ms, direction, empty_ms))


def merged(site: ZoneContext, zone: ZoneContext, now_ms: int) -> ZoneContext:
    """The readings and counters of a zone; where it has no fresh ones, those of the whole site."""
    fresh = {quantity: (value, at_ms) for quantity, (value, at_ms) in zone.readings.items() if not is_outdated(quantity, at_ms, now_ms)}
    is_counted = any(read(zone.counting, now_ms, math.inf) is not None for read in PEOPLE.values())
    return ZoneContext({**site.readings, **fresh}, zone.counting if is_counted else site.counting)


def rebased(context: ZoneContext, step_ms: int) -> ZoneContext:
    """The context with all its times moved by `step_ms`, after the clock was set."""
    readings = {quantity: (value, at_ms + step_ms) for quantity, (value, at_ms) in context.readings.items()}
    gauges = {device: gauge._replace(at_ms=gauge.at_ms + step_ms) for device, gauge in context.gauges.items()}
    return ZoneContext(readings, counting.rebased(context.counting, step_ms), gauges)


def is_outdated(quantity: str, at_ms: int, now_ms: int) -> bool:
    """Whether a reading of that time is too old to be used."""
    return now_ms - at_ms > FRESH_MS.get(quantity, READING_MS_MAX)


def latest(context: ZoneContext, quantity: str, now_ms: int, max_age_ms: float = math.inf) -> float | None:
    """The latest value of a quantity, one of PEOPLE too; None if it is outdated or older than `max_age_ms`."""
    known = _known(context, quantity, now_ms, max_age_ms)
    return known[0] if known and now_ms - known[1] <= max_age_ms else None


def age_min(context: ZoneContext, now_ms: int, quantities: Collection[str]) -> float | None:
    """Age in minutes of the oldest fresh value among `quantities`; None without any."""
    known = [_known(context, quantity, now_ms, math.inf) for quantity in quantities]
    ages_ms = [now_ms - one[1] for one in known if one is not None]
    return max(0, *ages_ms) / MINUTE_MS if ages_ms else None


def weather(context: ZoneContext, now_ms: int, max_age_ms: float = math.inf) -> Weather | None:
    """Sunny, rainy or snowy, from precipitation and temperature; None without a fresh precipitation reading."""
    rain = latest(context, "precipitation", now_ms, max_age_ms)
    if rain is None:
        return None
    if rain < RAIN_MM_H:
        return "sunny"
    temperature = latest(context, "temperature", now_ms, max_age_ms)
    return "snowy" if temperature is not None and temperature <= FREEZING_C else "rainy"


def _known(context: ZoneContext, quantity: str, now_ms: int, max_age_ms: float) -> tuple[float, int] | None:
    """The newest value and its time, or None if it is unknown or outdated."""
    read = PEOPLE.get(quantity)
    if read is not None:
        return read(context.counting, now_ms, max_age_ms)
    known = context.readings.get(quantity)
    return None if known is None or is_outdated(quantity, known[1], now_ms) else known

"""A campaign file -> the `Campaign` of a bundle, with instants in milliseconds and amounts in minor units of the currency.

Every fault is reported with its path in the file, not only the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from gateway.core import limits
from gateway.core.attributes.convert import Fault, convert
from gateway.core.attributes.schema import Schema
from gateway.core.campaign import units
from gateway.core.campaign.form import CampaignForm, EventForm, IgnoredForm, OfferForm, PolicyForm, RankingForm, SignOffForm, ThresholdForm
from gateway.core.campaign.trigger_faults import trigger_faults
from gateway.core.campaign.triggers import EVENT_HOURS_MAX, WEEKDAYS, EventFilter, Schedule, Threshold
from gateway.core.campaign.wording_faults import wording_faults
from gateway.core.creatives import Creative
from gateway.core.nearest import nearest
from gateway.core.offers import GAP_S_MAX, VALID_HOURS_MAX, Campaign, Cap, Ignored, Offer, Policy, Ranking, SignOff
from gateway.core.toml_lines import Path

T = TypeVar("T")


class CampaignError(ValueError):
    """The campaign cannot be used; `faults` has all, the text one line for each."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


def compile_campaign(table: Mapping[str, Any], schema: Schema | None = None) -> Campaign:
    """The campaign in a decoded TOML file, checked against `schema` if given. Raises CampaignError with every fault."""
    faults: list[Fault] = []
    form = convert(CampaignForm, _dates_as_text(table), (), faults)
    if form is None:
        raise CampaignError(faults)
    numbers = _Numbers(form, faults)
    offers = tuple(_offer(one, ("offers", at), numbers) for at, one in enumerate(form.offers))
    policy = _policy(form.policy, numbers)
    faults += _forgotten(policy)
    faults += _unranked(form.policy)
    faults += [fault for at, one in enumerate(offers) for fault in _unpriced(one, ("offers", at))]
    faults += _repeated(form)
    faults += [fault for at, one in enumerate(form.offers) for fault in wording_faults(one, ("offers", at))]
    faults += trigger_faults(form)
    faults += _unapproved(form.sign_off) if form.sign_off else []
    faults += _undeclared(form, schema) if schema else []
    if faults:
        raise CampaignError(faults)
    return Campaign(offers, policy, _sign_off(form.sign_off))


class _Numbers:
    """Texts of one form as numbers. A text with an impossible value appends a fault; its number is then of no use."""

    def __init__(self, form: CampaignForm, faults: list[Fault]) -> None:
        self._faults = faults
        self._currency = form.currency
        self._timezone = self._checked(("timezone",), lambda: _timezone(form.timezone), ZoneInfo("UTC"))

    def money(self, text: str, path: Path) -> int:
        """An amount in minor units."""
        return self._checked(path, lambda: units.minor_units(text, self._currency), 0)

    def span(self, starts: str, ends: str, path: Path) -> tuple[int, int]:
        """Two instants in ms, the first before the second."""
        starts_ms = self._checked((*path, "starts"), lambda: units.instant_ms(starts, self._timezone), 0)
        ends_ms = self._checked((*path, "ends"), lambda: units.instant_ms(ends, self._timezone, end=True), starts_ms + 1)
        if ends_ms <= starts_ms:
            self._faults.append(Fault((*path, "ends"), f"{ends!r} is not after the start, {starts!r}"))
        return starts_ms, ends_ms

    def duration(self, text: str, path: Path, *, least_s: int, most_s: int) -> int:
        """A duration in seconds, from `least_s` to `most_s`."""
        found = units.seconds(text)
        if not least_s <= found <= most_s:
            self._faults.append(Fault(path, f"{text!r} is {found} s; from {least_s} to {most_s} s are possible"))
        return found

    def window(self, text: str, path: Path) -> int:
        """A duration in seconds that contacts are kept for."""
        return self.duration(text, path, least_s=1, most_s=limits.CONTACT_DAYS_MAX * 86_400)

    def _checked(self, path: Path, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except ValueError as error:
            self._faults.append(Fault(path, str(error)))
            return otherwise


def _offer(form: OfferForm, path: Path, numbers: _Numbers) -> Offer:
    starts_ms, ends_ms = numbers.span(form.starts, form.ends, path)
    return Offer(
        id=form.id,
        category=form.category,
        zones=form.zones,
        shop=form.shop,
        value_minor=numbers.money(form.margin, (*path, "margin")),
        starts_ms=starts_ms,
        ends_ms=ends_ms,
        expiry_hours=numbers.duration(form.valid, (*path, "valid"), least_s=1, most_s=VALID_HOURS_MAX * 3_600) / 3_600,
        title=form.title,
        body=form.body,
        occasions=form.occasions,
        per_person_day_max=form.per_person_day_max,
        price_minor=None if form.price is None else numbers.money(form.price, (*path, "price")),
        discount=form.discount,
        tags=form.tags,
        budget_minor=None if form.budget is None else numbers.money(form.budget, (*path, "budget")),
        cost_minor=0 if form.cost is None else numbers.money(form.cost, (*path, "cost")),
        eligible=form.eligible,
        applicable=form.applicable,
        suitable=form.suitable,
        horizon_s=None
        if form.horizon is None
        else numbers.duration(form.horizon, (*path, "horizon"), least_s=1, most_s=VALID_HOURS_MAX * 3_600),
        coupon=form.coupon,
        kind=form.kind,
        during_incident=form.during_incident,
        creatives=tuple(Creative(one.title, one.body, one.placement, one.language) for one in form.creatives),
        channel=form.channel,
        schedule=Schedule(tuple(map(units.minute_of_day, form.times)), form.weekdays or WEEKDAYS) if form.times else None,
        threshold=_threshold(form.threshold),
        event=_event(form.event, (*path, "event"), numbers),
    )


def _threshold(form: ThresholdForm | None) -> Threshold | None:
    """The threshold; None also for one with both bounds or without, which `trigger_faults` reports."""
    if form is None or (form.at_least is None) == (form.at_most is None):
        return None
    return Threshold(form.quantity, form.at_least, form.at_most, form.hysteresis)


def _event(form: EventForm | None, path: Path, numbers: _Numbers) -> EventFilter | None:
    if form is None:
        return None
    return EventFilter(
        form.type, form.source, numbers.duration(form.expires, (*path, "expires"), least_s=1, most_s=EVENT_HOURS_MAX * 3_600)
    )


def _policy(form: PolicyForm, numbers: _Numbers) -> Policy:
    quiet_from, quiet_until = form.quiet_hours
    expiry_s_max = limits.TRIGGER_EXPIRY_MS_MAX // 1_000
    return Policy(
        per_person_day_max=form.per_person_day_max,
        gap_s_min=numbers.duration(form.gap, ("policy", "gap"), least_s=0, most_s=GAP_S_MAX),
        quiet_from=units.minute_of_day(quiet_from),
        quiet_until=units.minute_of_day(quiet_until),
        contact_cost_minor=float(numbers.money(form.contact_cost, ("policy", "contact_cost"))),
        propensity_min=form.propensity_min,
        trigger_expiry_s=numbers.duration(form.trigger_expiry, ("policy", "trigger_expiry"), least_s=1, most_s=expiry_s_max),
        refusal_s=numbers.window(form.refusal, ("policy", "refusal")),
        caps=tuple(
            Cap(cap.per, cap.most, numbers.window(cap.within, ("policy", "caps", at, "within"))) for at, cap in enumerate(form.caps)
        ),
        ignored=tuple(_ignored(one, ("policy", "ignored", at), numbers) for at, one in enumerate(form.ignored)),
        holdout=form.holdout,
        learn=form.learn,
        anyway_s=numbers.duration(form.anyway, ("policy", "anyway"), least_s=1, most_s=86_400),
        buying_share=form.buying_share,
        ranking=_ranking(form.ranking),
    )


def _ignored(form: IgnoredForm, path: Path, numbers: _Numbers) -> Ignored:
    return Ignored(form.per, form.times, numbers.window(form.within, (*path, "within")), numbers.window(form.silent, (*path, "silent")))


def _ranking(form: RankingForm | None) -> Ranking | None:
    return None if form is None else Ranking(form.propensity, form.margin, form.novelty, form.v)


def _unranked(form: PolicyForm) -> Iterator[Fault]:
    """A ranking without a weight, or beside learning, which ranks by learned values."""
    ranking = form.ranking
    if ranking is not None and not ranking.propensity + ranking.margin + ranking.novelty:
        yield Fault(("policy", "ranking"), "all weights are 0; state at least one above 0")
    if ranking is not None and form.learn:
        yield Fault(("policy", "ranking"), "`learn` ranks by learned values; leave out one of the two")


def _sign_off(form: SignOffForm | None) -> SignOff | None:
    if form is None:
        return None
    return SignOff(form.approver, form.may_offend, form.may_harm, form.uses_misfortune, form.second_approver)


def _timezone(name: str) -> ZoneInfo:
    """Raises ValueError, with the nearest name, for an unknown time zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name!r}{nearest(name, sorted(available_timezones()))}") from None


def _dates_as_text(value: Any) -> Any:
    """The table with TOML's own dates and times as text, because both spellings are allowed, with and without quotation marks."""
    if isinstance(value, Mapping):
        return {key: _dates_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_dates_as_text(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def _forgotten(policy: Policy) -> Iterator[Fault]:
    """Contacts that would be forgotten before a cap, a refusal or a silence has looked at them."""
    days, kept = policy.days_back, limits.CONTACTS_KEPT_MAX
    if days > limits.CONTACT_DAYS_MAX:
        text = f"looks back {days} days (within and silent together); at most {limits.CONTACT_DAYS_MAX} are kept"
        yield Fault(("policy", "ignored"), text)
    elif policy.per_person_day_max * days > kept:
        text = f"{policy.per_person_day_max} a day over {days} days, as far as refusal, caps and ignored look back, exceed {kept} contacts"
        yield Fault(("policy", "per_person_day_max"), f"{text}, which are not kept; lower it, or shorten them")


def _unpriced(offer: Offer, path: Path) -> Iterator[Fault]:
    """A budget that nothing is counted against or that covers nothing, a cost without a budget, and money on a screen."""
    if offer.budget_minor is not None and not offer.cost_minor:
        yield Fault((*path, "cost"), "a budget needs the cost of one acceptance, above 0")
    elif offer.budget_minor is not None and offer.budget_minor < offer.cost_minor:
        yield Fault((*path, "budget"), "the budget does not cover the cost of one acceptance; without a budget the offer has no bound")
    elif offer.channel == "screen" and (offer.coupon or offer.budget_minor is not None):
        yield Fault((*path, "channel"), "a screen shows the offer to everyone, so it has neither coupon nor budget")
    elif offer.budget_minor is None and offer.cost_minor:
        yield Fault((*path, "budget"), "a cost needs the budget that it counts against")


def _repeated(form: CampaignForm) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for at, offer in enumerate(form.offers):
        if first.setdefault(offer.id, at) != at:
            yield Fault(("offers", at, "id"), f"{offer.id!r} is also the id of offers[{first[offer.id]}]")
        for field in ("zones", "occasions", "tags", "times", "weekdays"):
            twice = [name for name, count in Counter(getattr(offer, field)).items() if count > 1]
            if twice:
                yield Fault(("offers", at, field), f"{twice[0]!r} is listed twice")


def _unapproved(form: SignOffForm) -> Iterator[Fault]:
    if not (form.may_offend or form.may_harm or form.uses_misfortune):
        return
    if not form.second_approver.strip():
        yield Fault(("sign_off", "second_approver"), "a question of the sign-off is answered with yes: name a second approver")
    elif form.second_approver.strip().casefold() == form.approver.strip().casefold():
        yield Fault(("sign_off", "second_approver"), f"{form.second_approver!r} is the approver; the second approver is another person")


def _undeclared(form: CampaignForm, schema: Schema) -> Iterator[Fault]:
    if form.currency != schema.currency:
        yield Fault(("currency",), f"{form.currency!r} is not the currency of the schema, {schema.currency}")
    for at, offer in enumerate(form.offers):
        if offer.category not in schema.categories:
            text = f"{offer.category!r} is no category of the schema{nearest(offer.category, schema.categories)}"
            yield Fault(("offers", at, "category"), text)

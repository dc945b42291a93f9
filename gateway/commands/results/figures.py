"""Every figure of `wayside results`, from the columns of a log. A figure without enough rows is a `Later` instead of a false number."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import msgspec

from gateway.commands.results.rows import amounts, numbered
from gateway.core.measure import exposure, forecasts, lift
from gateway.core.measure.fairness import Segment, fairness
from gateway.core.measure.holdout import EXPECTED_MIN, SampleRatio, sample_ratio
from gateway.core.measure.rates import Interval, Sums, sums, wilson
from gateway.core.policy.gates import REASONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.commands.results.rows import Row, Rows
    from gateway.core.measure.forecasts import Decile
    from gateway.core.measure.rates import Floats
    from gateway.core.offers import Campaign

STEPS = ("shown", "opened", "accepted", "redeemed")
_REACHED = {
    "shown": ("shown",),
    "dismissed": ("shown",),
    "opened": STEPS[:2],
    "accepted": STEPS[:3],
    "redeemed": STEPS,
}
"""The answer that stands -> the steps of the funnel that it implies."""
TOTAL = "all offers"
POPULAR_SHARE = 0.1  # of the offers, at least one
SPANS_MAX = 3_650  # days: a longer forecast is none


class Later(msgspec.Struct, frozen=True):
    """There are not enough rows for a figure: the cause, and the days that are missing at the present pace (None if that is unknown)."""

    wait: str
    more_days: int | None = None


NO_HOLDOUT = Later("the campaign holds nobody out (policy.holdout is 0), so the effect of its offers cannot be measured")


class Funnel(msgspec.Struct, frozen=True):
    """Intended offers step by step; each step counts those that went further. `accept_rate` is of those sent with a closed window."""

    offer: str
    intended: int
    held_out: int
    sent: int
    shown: int
    opened: int
    accepted: int
    redeemed: int
    dismissed: int
    accept_rate: Interval | None


class Money(msgspec.Struct, frozen=True):
    """Amounts in minor units. `cost` is contacts and accepted offers, `margin` that of accepted offers, each once.

    `redeemed` is the amount of the purchases that redeemed an offer. `per_lead` is the cost of one acceptance. `roi` is
    (margin - cost) / cost; `roi_added` the same with the margin that offers add.
    """

    currency: str
    contact_cost: float
    offer_cost: int
    cost: float
    margin: int
    redeemed: int
    per_lead: float | None
    roi: float | None
    roi_added: Interval | Later


class Exposure(msgspec.Struct, frozen=True):
    """How the sent offers are spread over the campaign; `novelty_bits` is the mean of -log2 of the share of people with that offer.

    `serendipity` is the share of the accepted offers that are not among the POPULAR_SHARE most popular ones, and `diversity` the mean
    distance of two offers of one person by category, shop and tags, over people with two.
    """

    gini: float
    coverage: float
    novelty_bits: float
    serendipity: float
    diversity: float


class Silence(msgspec.Struct, frozen=True):
    """Decisions without an offer, of one zone, local hour and reason."""

    zone: str
    hour: int
    reason: str
    meaning: str
    count: int


class OnScreen(msgspec.Struct, frozen=True):
    """The slots of one offer on one screen: how many, of these for a group, and the proven plays and seconds."""

    screen: str
    offer: str
    slots: int
    of_groups: int
    plays: int
    played_s: float


class Results(msgspec.Struct, frozen=True):
    """All figures. `funnel` ends with the sum of all offers; `added_margin` is in minor units for each intended offer.

    `policies` counts decisions by version and parameters of the policy.
    """

    days: float
    decisions: int
    people: int
    without_consent: int
    open_windows: int
    unknown_offers: tuple[str, ...]
    policies: dict[str, int]
    funnel: tuple[Funnel, ...]
    visits: lift.Lift | Later
    added_margin: Interval | Later
    money: Money
    sample_ratio: SampleRatio | Later
    exposure: Exposure
    calibration_error: float | Later
    deciles: tuple[Decile, ...]
    fairness: tuple[Segment, ...] | Later
    silence: tuple[Silence, ...]
    alarms: tuple[str, ...]
    screens: tuple[OnScreen, ...] = ()


def results(rows: Rows, campaign: Campaign, currency: str, by: str | None, without_consent: int) -> Results:
    """The figures of a log under a campaign; `by` is the name of the category of the segments."""
    treated, margins, control = _arms(rows, campaign)
    visits, added = _lifts(rows, treated, margins, control, campaign.policy.holdout)
    ratio = _sample_ratio(rows, campaign.policy.holdout)
    fair = _fairness(rows, by)
    known = {offer.id for offer in campaign.offers}
    return Results(
        days=rows.days,
        decisions=rows.decisions,
        people=rows.people,
        without_consent=without_consent,
        open_windows=sum(row.closed_at_ms is None for row in rows.intended),
        unknown_offers=tuple(sorted({row.offer for row in rows.intended} - known)),
        policies=dict(rows.policies),
        funnel=_funnels(rows),
        visits=visits,
        added_margin=added,
        money=_money(rows, campaign, currency, added, float(treated.rows.sum())),
        sample_ratio=ratio,
        exposure=_exposure(rows, campaign),
        calibration_error=_calibration(rows),
        deciles=_deciles(rows),
        fairness=fair,
        silence=tuple(
            Silence(zone, hour, reason, REASONS.get(reason, reason), count)  # type: ignore[call-overload]  # a reason of an older version
            for (zone, hour, reason), count in sorted(rows.silences.items(), key=lambda item: (-item[1], item[0]))
        ),
        alarms=_alarms(rows, ratio, fair),
    )


def later(what: str, have: int, need: int, days: float) -> Later:
    """The wait for a count that grows evenly: `have` in `days` days, `need` in all."""
    cause = f"{what}: {have} so far, {need} are needed"
    more = math.ceil(days * (need / have - 1)) if have and days else None
    return Later(cause, more if more is not None and more <= SPANS_MAX else None)


def _funnels(rows: Rows) -> tuple[Funnel, ...]:
    by_offer: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows.intended:
        by_offer[row.offer].append(row)
    return (*(_funnel(offer, by_offer[offer]) for offer in sorted(by_offer)), _funnel(TOTAL, rows.intended))


def _funnel(offer: str, rows: Sequence[Row]) -> Funnel:
    sent = [row for row in rows if row.is_sent]
    steps = Counter(step for row in sent for step in _REACHED.get(row.answer, ()))
    closed = [row for row in sent if row.closed_at_ms is not None]
    rate = wilson(sum(row.is_taken for row in closed), len(closed)) if closed else None
    dismissed = sum(row.answer == "dismissed" for row in sent)
    shown, opened, accepted, redeemed = (steps[step] for step in STEPS)
    return Funnel(offer, len(rows), len(rows) - len(sent), len(sent), shown, opened, accepted, redeemed, dismissed, rate)


def _arms(rows: Rows, campaign: Campaign) -> tuple[Sums, Floats, Sums]:
    """By person: visits of those sent offers, the margin, and visits of the holdout.

    A visit counts once: offers of one shop within the window of an earlier one are one row.
    """
    until_ms: dict[tuple[int, str], int] = {}
    episodes: dict[tuple[int, str, int], bool] = {}
    for row in rows.intended:
        if row.closed_at_ms is None:
            continue
        offer = campaign.offer(row.offer)
        shop = (row.person, offer.shop if offer else row.offer)
        if row.at_ms >= until_ms.get(shop, -1):
            until_ms[shop] = row.closed_at_ms
        episode = (*shop, until_ms[shop])
        episodes[episode] = episodes.get(episode, False) or row.visited
    margins = [(row.person, float(_value(row, campaign))) for row in rows.sent() if row.closed_at_ms is not None and row.is_taken]
    arms = []
    for is_held in (False, True):
        own = [(person, visited) for (person, _, _), visited in episodes.items() if rows.arms[person] == is_held]
        arms.append(sums(numbered(person for person, _ in own), amounts(visited for _, visited in own)))
    treated, control = arms
    gained = sums(numbered(person for person, _ in margins), amounts(margin for _, margin in margins)).values
    size = max(len(treated.rows), len(gained))
    return Sums(_padded(treated.rows, size), _padded(treated.values, size)), _padded(gained, size), control


def _padded(values: Floats, size: int) -> Floats:
    return amounts([*values.tolist(), *[0.0] * (size - len(values))])


def _lifts(rows: Rows, treated: Sums, margins: Floats, control: Sums, share: float) -> tuple[lift.Lift | Later, Interval | Later]:
    missing = lift.scarce(treated, control)
    if missing is not None:
        is_held = any(rows.arms.values())
        wait = later(missing.name, missing.have, missing.need, rows.days) if share or is_held else NO_HOLDOUT
        return wait, wait
    return lift.lift(treated.rate, control.rate), lift.margin_lift(treated, margins, control)


def _value(row: Row, campaign: Campaign) -> int:
    offer = campaign.offer(row.offer)
    return offer.value_minor if offer else 0


def _money(rows: Rows, campaign: Campaign, currency: str, added: Interval | Later, episodes: float) -> Money:
    sent = rows.sent()
    contact, given = _costs(sent, campaign)
    cost, taken = contact + given, [row for row in sent if row.is_taken]
    margin = sum(_value(row, campaign) for row in taken)
    closed_cost = sum(_costs([row for row in sent if row.closed_at_ms is not None], campaign))
    if isinstance(added, Later):
        roi_added: Interval | Later = added
    elif not closed_cost:
        roi_added = Later("contacts and offers cost nothing, so there is no return on a cost")
    else:
        scale = episodes / closed_cost
        roi_added = Interval(*(figure * scale - 1.0 for figure in (added.value, added.low, added.high)))
    return Money(
        currency=currency,
        contact_cost=contact,
        offer_cost=given,
        cost=cost,
        margin=margin,
        redeemed=sum(row.amount_minor for row in sent),
        per_lead=cost / len(taken) if taken else None,
        roi=(margin - cost) / cost if cost else None,
        roi_added=roi_added,
    )


def _costs(sent: Sequence[Row], campaign: Campaign) -> tuple[float, int]:
    """Cost of the contacts, and of the accepted offers."""
    costs = {offer.id: offer.cost_minor for offer in campaign.offers}
    return campaign.policy.contact_cost_minor * len(sent), sum(costs.get(row.offer, 0) for row in sent if row.is_taken)


def _sample_ratio(rows: Rows, share: float) -> SampleRatio | Later:
    if not share:
        return NO_HOLDOUT
    people = len(rows.arms)
    found = sample_ratio(sum(rows.arms.values()), people, share)
    if found is not None:
        return found
    return later("people with an intended offer", people, math.ceil(EXPECTED_MIN / share), rows.days)


def _exposure(rows: Rows, campaign: Campaign) -> Exposure:
    sent = rows.sent()
    counts = Counter(row.offer for row in sent)
    pairs = {(row.person, row.offer) for row in sent}
    reached = {person for person, _ in pairs}
    people = Counter(offer for _, offer in pairs)
    exposures = [float(counts[offer.id]) for offer in campaign.offers]
    popularity = [people[offer] / len(reached) for offer in counts]
    popular = {offer for offer, _ in people.most_common(math.ceil(len(campaign.offers) * POPULAR_SHARE))}
    return Exposure(
        exposure.gini(exposures),
        exposure.coverage(exposures),
        exposure.novelty_bits(popularity, [float(counts[offer]) for offer in counts]),
        exposure.serendipity([row.offer for row in sent if row.is_taken], popular),
        _diversity(pairs, campaign),
    )


def _diversity(pairs: Iterable[tuple[int, str]], campaign: Campaign) -> float:
    features = {offer.id: {offer.category, offer.shop, *offer.tags} for offer in campaign.offers}
    of_people: dict[int, list[set[str]]] = {}
    for person, offer in sorted(pairs):
        if offer in features:
            of_people.setdefault(person, []).append(features[offer])
    found = [exposure.diversity(items) for items in of_people.values() if len(items) > 1]
    return sum(found) / len(found) if found else 0.0


def _judged(rows: Rows) -> list[Row]:
    """Intended offers with a propensity and a closed window."""
    return [row for row in rows.intended if row.closed_at_ms is not None and row.propensity is not None]


def _columns(judged: Sequence[Row]) -> tuple[Floats, Floats, Floats]:
    return (
        amounts(row.propensity or 0.0 for row in judged),
        amounts(row.is_sent for row in judged),
        amounts(row.is_taken for row in judged),
    )


def _calibration(rows: Rows) -> float | Later:
    forecast, sent, taken = _columns(_judged(rows))
    if sent.sum() < forecasts.ROWS_MIN:
        return later("sent offers with a closed window", int(sent.sum()), forecasts.ROWS_MIN, rows.days)
    return forecasts.calibration_error(forecast[sent == 1], taken[sent == 1])


def _deciles(rows: Rows) -> tuple[Decile, ...]:
    forecast, sent, taken = _columns(_judged(rows))
    return forecasts.deciles(forecast, sent, taken)


def _fairness(rows: Rows, by: str | None) -> tuple[Segment, ...] | Later:
    if by is None:
        return Later("the model reads no category of a person, so the log states no segments; name one in the schema and train with it")
    if not rows.scored:
        return Later(f"no scored decision states {by}: its columns are those of another model")
    offered: dict[str, Sums] = {}
    gaps: dict[str, Sums] = {}
    for segment in {one.segment for one in rows.scored}:
        own = [one for one in rows.scored if one.segment == segment]
        offered[segment] = sums(numbered(one.person for one in own), amounts(one.is_offered for one in own))
        judged = [
            row
            for row, of in zip(rows.intended, rows.segments, strict=True)
            if of == segment and row.is_sent and row.closed_at_ms is not None and row.propensity is not None
        ]
        if judged:
            forecast, _, taken = _columns(judged)
            gaps[segment] = sums(numbered(row.person for row in judged), forecast - taken)
    return fairness(offered, gaps, _accepted(rows))


def _accepted(rows: Rows) -> Mapping[str, int]:
    return Counter(of for row, of in zip(rows.intended, rows.segments, strict=True) if row.is_sent and row.is_taken)


def _alarms(rows: Rows, ratio: SampleRatio | Later, fair: tuple[Segment, ...] | Later) -> tuple[str, ...]:
    """The gates that are closed, one line each."""
    found = []
    if isinstance(ratio, SampleRatio) and ratio.alarm:
        cause = f"{ratio.held_out} of {ratio.people} people are held out, {ratio.expected:.0f} are expected (p {ratio.p:.2g})"
        found.append(f"sample ratio: {cause}; the lift is not to be trusted")
    if rows.mixed:
        found.append(f"holdout: {rows.mixed} people are in both arms; its salt or share was changed within these days")
    for segment in () if isinstance(fair, Later) else fair:
        found += [f"fairness: {segment.name} {refused}" for refused in segment.refused]
    return tuple(found)

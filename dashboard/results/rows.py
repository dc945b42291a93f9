"""Rows of the results: the figures of each offer, zone, offer in a zone, or service day; and offers sent by hour of the day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Literal, get_args

import msgspec
from sqlalchemy import Connection, func, select

from dashboard.bounds import whole_days
from dashboard.estimates import Estimate, Share, Z, share, total
from dashboard.figures import CELLS
from dashboard.joining import HELD_OUT, SENT
from dashboard.results.effect import Cells, attributable, lift_of, more_days, sum_of
from dashboard.results.money import Counts, Terms, money_of
from dashboard.sources import Source, View
from gateway.core.records import OutcomeCell

By = Literal["offer", "zone", "both", "day"]
BY: tuple[By, ...] = get_args(By)
Key = tuple[str, ...]


class Result(msgspec.Struct, frozen=True):
    """One row. `lift` is None until it is clear; `more_days` are then still needed (None: unknown). Money is in minor units.

    `exposure` is the share of all offers sent. A share is None where the noise hides it, money also without the terms of an offer.
    """

    name: str
    title: str
    days: int
    held_out: Estimate
    sent: Estimate
    accepted: Estimate
    redeemed: Estimate
    dismissed: Estimate
    accepted_share: Share | None
    redeemed_share: Share | None
    dismissed_share: Share | None
    came: Share | None
    held_out_came: Share | None
    lift: Share | None
    more_days: int | None
    extra_visits: Estimate | None
    exposure: Share | None
    spend: Estimate | None
    cost_per_lead: Estimate | None
    margin: Estimate | None
    gain: Estimate | None
    return_on_spend: Estimate | None


class Hour(msgspec.Struct, frozen=True):
    """Offers sent in one hour of the day, of all days of the period."""

    hour: int
    sent: Estimate


class Results(msgspec.Struct, frozen=True):
    """The rows of a table, the sums over all of them, and the share of contacts held out."""

    rows: list[Result]
    all: Result | None
    held_out_share: Share | None


def results(connection: Connection, view: View, by: By, terms: Mapping[str, Terms], time_zone: tzinfo) -> Results:
    """A row for each offer, zone, offer in a zone or day, most sent first (days: newest first), over the whole days of the period."""
    source = Source(connection, view)
    spans = [(start_ms, length_ms) for start_ms, length_ms, _ in source.day_lengths()]
    days = sum(whole_days(length_ms) for _, length_ms in spans)
    length = {_date(start_ms, time_zone): whole_days(length_ms) for start_ms, length_ms in spans}
    rows_of = source.days() if by == "day" else source.outcomes(zones=by != "offer")
    columns = {"offer": (), "zone": (rows_of.c.zone,), "both": (rows_of.c.zone,), "day": (rows_of.c.window_start_ms,)}[by]
    keys = (rows_of.c.offer, rows_of.c.outcome, *columns)
    query = select(*keys, func.sum(rows_of.c.count), func.sum(rows_of.c.variance)).group_by(*keys)
    groups: dict[Key, dict[tuple[str, OutcomeCell], Estimate]] = {}
    sums: dict[tuple[str, OutcomeCell], Estimate] = {}
    for offer, outcome, *more, count, variance in connection.execute(query):
        one = Estimate(float(count), variance)
        for group in (groups.setdefault(_key(by, offer, more, time_zone), {}), sums):
            group[offer, outcome] = total((group.get((offer, outcome), Estimate()), one))
    sent = sum_of(_cells(sums), SENT)
    rows = []
    for key, found in groups.items():
        of_row = length[key[0]] if by == "day" else days
        rows.append(_result(key, _title(by, key, terms), found, of_row, terms, sent))
    rows.sort(key=(lambda row: row.name) if by == "day" else (lambda row: (-row.sent.value, row.name)), reverse=by == "day")
    held_out = sum_of(_cells(sums), HELD_OUT)
    return Results(
        rows,
        _result(("all",), "All offers", sums, days, terms, sent) if rows else None,
        share(held_out, total((held_out, sent))),
    )


def hours_of_day(connection: Connection, view: View, time_zone: tzinfo) -> list[Hour]:
    """Offers sent by local hour of the day."""
    windows = Source(connection, view).windows()
    query = select(windows.c.window_start_ms, func.sum(windows.c.count), func.sum(windows.c.variance))
    found: dict[int, list[Estimate]] = {}
    for start_ms, count, variance in connection.execute(query.group_by(windows.c.window_start_ms)):
        found.setdefault(datetime.fromtimestamp(start_ms / 1000, time_zone).hour, []).append(Estimate(float(count), variance))
    return [Hour(hour, total(counts)) for hour, counts in sorted(found.items())]


def _date(at_ms: int, time_zone: tzinfo) -> str:
    return datetime.fromtimestamp(at_ms / 1000, time_zone).date().isoformat()


def _key(by: By, offer: str, more: list[object], time_zone: tzinfo) -> Key:
    if by == "offer":
        return (offer,)
    if by == "both":
        return (offer, str(more[0]))
    if by == "day":
        return (_date(int(str(more[0])), time_zone),)
    return (str(more[0]),)


def _title(by: By, key: Key, terms: Mapping[str, Terms]) -> str:
    if by in ("offer", "both"):
        title = terms[key[0]].title if key[0] in terms else key[0]
        return f"{title}, {key[1]}" if by == "both" else title
    return key[0]


def _cells(counts: Counts) -> Cells:
    found: dict[OutcomeCell, list[Estimate]] = {}
    for (_, outcome), one in counts.items():
        found.setdefault(outcome, []).append(one)
    return {outcome: total(of_outcome) for outcome, of_outcome in found.items()}


def _result(key: Key, title: str, counts: Counts, days: int, terms: Mapping[str, Terms], all_sent: Estimate) -> Result:
    cells = _cells(counts)
    came, held_out_came, found = lift_of(cells)
    wait = more_days(cells, found, days)
    lift = found if wait == 0 else None
    sent = sum_of(cells, SENT)
    accepted, redeemed, dismissed = (sum_of(cells, CELLS[name]) for name in ("accepted", "redeemed", "dismissed"))
    money = money_of(counts, terms, attributable(came, held_out_came) if lift and came and held_out_came else None)
    return Result(
        name="/".join(key),
        title=title,
        days=days,
        held_out=sum_of(cells, HELD_OUT),
        sent=sent,
        accepted=accepted,
        redeemed=redeemed,
        dismissed=dismissed,
        accepted_share=share(accepted, sent),
        redeemed_share=share(redeemed, sent),
        dismissed_share=share(dismissed, sent),
        came=came,
        held_out_came=held_out_came,
        lift=lift,
        more_days=wait,
        extra_visits=None if lift is None else Estimate(lift.value * sent.value, (lift.margin / Z * sent.value) ** 2),
        exposure=share(sent, all_sent),
        spend=money.spend if money else None,
        cost_per_lead=money.per_lead if money else None,
        margin=money.margin if money else None,
        gain=money.gain if money else None,
        return_on_spend=money.returned if money else None,
    )

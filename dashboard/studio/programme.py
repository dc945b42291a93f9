"""The programme above the campaign: a note on its strategy, a budget for a time, and the pace of the spend."""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo
from typing import NamedTuple

from sqlalchemy import Connection, func, insert, select

from dashboard.estimates import Estimate, Share, Z
from dashboard.refusals import Refused
from dashboard.schema_desk import programme

NOTE_CHARS_MAX = 8_000
BUDGET_MINOR_MAX = 10**12
DAY_MS = 86_400_000
OFF_PACE = 0.1  # more of the budget than of the time


class Programme(NamedTuple):
    """The newest saved state; without a budget nothing is paced."""

    at_ms: int
    account: str
    note: str
    budget_minor: int | None
    from_ms: int
    until_ms: int


class Pace(NamedTuple):
    """Shares of the budget and of the time that are over, and a sentence."""

    spent: Share
    time: float
    text: str
    is_off: bool


def newest(connection: Connection) -> Programme | None:
    """The programme; None before the first save."""
    columns = [programme.c[name] for name in Programme._fields]
    row = connection.execute(select(*columns).order_by(programme.c.number.desc()).limit(1)).first()
    return None if row is None else Programme(*row)


def keep(connection: Connection, made: Programme) -> None:
    """Save a state; those before stay."""
    number = connection.execute(select(func.max(programme.c.number))).scalar_one() or 0
    connection.execute(insert(programme), [{"number": number + 1, **made._asdict()}])


def parsed(note: str, budget: str, begin: str, end: str, zone: tzinfo) -> tuple[str, int | None, int, int]:
    """Note, budget in minor units, and times of a form. Raises Refused (422) with the field that is wrong."""
    if len(note) > NOTE_CHARS_MAX:
        raise Refused(422, f"The note has more than {NOTE_CHARS_MAX:,} characters.")
    try:
        first, last = date.fromisoformat(begin.strip()), date.fromisoformat(end.strip())
    except ValueError:
        raise Refused(422, "Write the first and the last day as 2026-12-31.") from None
    if last < first or not 1970 <= first.year <= last.year <= 9_000:
        raise Refused(422, "The last day is before the first.")
    return note.replace("\r\n", "\n"), _budget(budget), _ms(first, zone), _ms(last + timedelta(days=1), zone)


def pace(of: Programme, spent: Estimate, now_ms: int) -> Pace | None:
    """The pace of the spend; None without a budget."""
    if not of.budget_minor:
        return None
    share = Share(max(0.0, spent.value) / of.budget_minor, Z * spent.variance**0.5 / of.budget_minor)
    time = min(1.0, max(0.0, (now_ms - of.from_ms) / (of.until_ms - of.from_ms)))
    ahead = share.value - time
    if share.value >= 1:
        text = (
            "The budget is spent. Offers go on until it is raised, or these are stopped: each gateway knows the budgets of its offers only."
        )
    elif ahead > OFF_PACE and time > 0:
        left = (of.until_ms - now_ms) / DAY_MS
        days = (1 - share.value) / share.value * (now_ms - of.from_ms) / DAY_MS
        text = f"The spend is ahead of the time: at this pace the budget lasts {days:.0f} more days of {left:.0f}."
    elif ahead < -OFF_PACE:
        text = "The spend is behind the time."
    else:
        text = "The spend keeps pace with the time."
    return Pace(share, time, text, share.value >= 1 or ahead > OFF_PACE)


def _budget(text: str) -> int | None:
    """An amount such as 5000 or 5000.50 in minor units; None for an empty text. Raises Refused (422)."""
    plain = text.strip().replace(",", "")
    if not plain:
        return None
    whole, _, part = plain.partition(".")
    if (
        not (whole.isascii() and whole.isdecimal())
        or (part and not (part.isascii() and part.isdecimal() and len(part) <= 2))
        or len(whole) > 10
    ):
        raise Refused(422, "Write the budget as an amount, such as 5000 or 5000.50.")
    minor = int(whole) * 100 + int(f"{part:0<2}" if part else 0)
    if not 0 < minor <= BUDGET_MINOR_MAX:
        raise Refused(422, "The budget must be above 0, or left empty.")
    return minor


def _ms(day: date, zone: tzinfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)

"""Texts of a campaign file as numbers: money in minor units, durations in seconds, times of day in minutes, days as instants.

Each function takes a text whose pattern the form has checked, and raises ValueError with the reason if its value is impossible.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_SECONDS: Mapping[str, int] = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_MINOR_DIGITS: Mapping[str, int] = dict.fromkeys(
    ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0
) | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)
"""ISO 4217: digits behind the point of the currencies that do not have two."""


def minor_units(money: str, currency: str) -> int:
    """An amount such as `1.90 EUR` in minor units of `currency` (190). Raises ValueError for another currency or too many digits."""
    amount, _, stated = money.partition(" ")
    if stated != currency:
        raise ValueError(f"{money!r} is not in {currency}, the currency of the campaign")
    whole, _, behind = amount.partition(".")
    digits = _MINOR_DIGITS.get(currency, 2)
    if len(behind) > digits:
        raise ValueError(f"{money!r} has {len(behind)} digits behind the point; {currency} has {digits}")
    return int(whole + behind.ljust(digits, "0"))


def seconds(duration: str) -> int:
    """A duration such as `10 min` in seconds."""
    number, _, unit = duration.partition(" ")
    return int(number) * _SECONDS[unit]


def minute_of_day(time: str) -> int:
    """A time such as `22:00` in minutes since midnight."""
    return int(time[:2]) * 60 + int(time[3:])


def instant_ms(day: str, timezone: ZoneInfo, *, end: bool = False) -> int:
    """The instant of a local day or a local date and time, in ms since 1970 (UTC). The end of a day is the next midnight.

    Raises ValueError for a date that the calendar does not have.
    """
    try:
        local = datetime.fromisoformat(day)
        if end and len(day) == len("2026-09-01"):
            local += timedelta(days=1)
        return int(local.replace(tzinfo=timezone).timestamp() * 1_000)
    except (ValueError, OverflowError):
        raise ValueError(f"{day!r} is no date of the calendar") from None

"""SQL expressions for the number, flag or date in a text of a table.

Dates may be written in several ways in one column. Where the day may stand before or after the month, the whole column decides: one of
the two readings must fit more of its texts, or both must give the same days.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from models.history.files import literal

FLAGS: Mapping[str, float] = {
    **dict.fromkeys(("yes", "y", "true", "t", "1", "1.0", "on"), 1.0),
    **dict.fromkeys(("no", "n", "false", "f", "0", "0.0", "off"), 0.0),
}
"""Spellings of a flag, in lower case."""

DayOrder = Literal["day first", "month first"]

DAY_ORDERS: tuple[DayOrder, DayOrder] = ("day first", "month first")

_FIXED = ("%d.%m.%Y", "%Y/%m/%d", "%Y.%m.%d", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y")
_ORDERED: Mapping[DayOrder, tuple[str, ...]] = {"day first": ("%d/%m/%Y", "%d-%m-%Y"), "month first": ("%m/%d/%Y", "%m-%d-%Y")}
_CLOCKS = ("", " %H:%M", " %H:%M:%S")


def number(text: str, *, comma_is_decimal: bool) -> str:
    """The text as DOUBLE or NULL; a comma is a decimal point, or else stands between groups of three digits."""
    plain = f"TRY_CAST({text} AS DOUBLE)"
    if comma_is_decimal:
        return (
            f"CASE WHEN regexp_full_match({text}, '[+-]?[0-9]+,[0-9]+') THEN TRY_CAST(replace({text}, ',', '.') AS DOUBLE) ELSE {plain} END"
        )
    grouped = f"regexp_full_match({text}, '[+-]?[0-9]{{1,3}}(,[0-9]{{3}})+([.][0-9]*)?')"
    return f"CASE WHEN {grouped} THEN TRY_CAST(replace({text}, ',', '') AS DOUBLE) ELSE {plain} END"


def finite(number_sql: str) -> str:
    """The number, NULL if it is infinite or NaN."""
    return f"CASE WHEN isfinite({number_sql}) THEN {number_sql} END"


def flag(text: str) -> str:
    """1.0, 0.0 or NULL."""
    return cases(f"lower({text})", {spelling: str(value) for spelling, value in FLAGS.items()})


def cases(text: str, results: Mapping[str, str]) -> str:
    """The SQL in `results` for the text that is its key, else NULL."""
    if not results:
        return "NULL"
    by_result: dict[str, list[str]] = {}
    for written, result in results.items():
        by_result.setdefault(result, []).append(literal(written))
    branches = " ".join(f"WHEN {text} IN ({', '.join(texts)}) THEN {result}" for result, texts in by_result.items())
    return f"CASE {branches} END"


def moment(text: str, order: DayOrder) -> str:
    """The date or time in a text as TIMESTAMP in UTC, or NULL."""
    formats = ", ".join(literal(day + clock) for day in (*_FIXED, *_ORDERED[order]) for clock in _CLOCKS)
    return f"coalesce(TRY_CAST({text} AS TIMESTAMP), try_strptime({text}, [{formats}]))"


def day_order(count: Callable[[str], int], text: str) -> DayOrder | None:
    """The order of day and month in a column of dates; None if both fit the same number of texts and differ.

    `count` counts the rows for which an SQL condition holds.
    """
    first, second = moment(text, "day first"), moment(text, "month first")
    day_first, month_first = count(f"{first} IS NOT NULL"), count(f"{second} IS NOT NULL")
    if day_first == month_first and count(f"{first} <> {second}"):
        return None
    return "month first" if month_first > day_first else "day first"

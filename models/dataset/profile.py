"""A column's kind, from its values: number, flag, category, date; or constant, identifier, free text, too many values.

The last four are no features: a constant carries no information, and by an identifier or a text a model
recognises rows instead of learning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal, NamedTuple

from gateway.core import limits
from models.dataset import values
from models.dataset.names import plain_name
from models.dataset.source import UNKNOWN, Source
from models.dataset.values import DayOrder
from models.history.files import literal

Kind = Literal["number", "flag", "category", "date", "empty", "constant", "identifier", "text", "many values"]
FEATURES: tuple[Kind, ...] = ("number", "flag", "category")

PARSED_SHARE = 0.99  # of the known texts; the rest is read as unknown and counted
UNIQUE_SHARE = 0.95  # different values among the known ones, from which on a column names its rows
COVERED_SHARE = 0.8  # of the known texts, by the commonest values of a category
TEXT_WORDS = 4.0  # mean words of a free text
BATCH = 40  # columns a query
_UNIQUE_ROWS_MIN = 20
_DATES_LOOKED_AT = 20
_NAMES_ROWS = re.compile(r"(?:^|_)(?:id|uuid|guid|key|number|no|nr|index|row|ref|respondent|customer|subject|person|household|member)$")


class Profile(NamedTuple):
    """A column `name` at position `at`. Of `rows` texts, `known` are not unknown, `distinct` differ, `parsed` fit the kind.

    `low` and `high` bound the finite numbers; `values` are the commonest texts and the rows of each, most first; `unknown` are spellings of
    unknown and the rows of each; `order` is that of day and month in a date, None if it cannot be decided.
    """

    name: str
    at: int
    kind: Kind
    rows: int
    known: int
    distinct: int
    parsed: int = 0
    infinite: int = 0
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    values: tuple[tuple[str, int], ...] = ()
    unknown: tuple[tuple[str, int], ...] = ()
    order: DayOrder | None = None


class _Measured(NamedTuple):
    """Aggregates of one column, in the order of the query."""

    known: int
    distinct: int
    numbers: int
    infinite: int
    whole: int
    low: float | None
    high: float | None
    words: float
    flags: int
    ones: int


def profiles(source: Source, step: Callable[[str], None]) -> list[Profile]:
    """The profile of every column; `step` is called once a batch of columns."""
    found: list[Profile] = []
    for start in range(0, len(source.names), BATCH):
        batch = range(start, min(start + BATCH, len(source.names)))
        found += [_profile(source, at, measured) for at, measured in zip(batch, _measured(source, batch), strict=True)]
        step(f"profiled {len(found):,} of {len(source.names):,} columns")
    return found


def steps_of(source: Source) -> int:
    """Number of calls of `step` by `profiles`."""
    return -(-len(source.names) // BATCH)


def _measured(source: Source, batch: Sequence[int]) -> Iterator[_Measured]:
    read: list[str] = []
    parts: list[str] = []
    for at in batch:
        text, number, flag = f"c{at}", f"n{at}", f"f{at}"
        read += (text, f"{values.number(text, comma_is_decimal=source.comma_is_decimal)} AS {number}", f"{values.flag(text)} AS {flag}")
        parts += (
            f"count({text})",
            f"count(DISTINCT {text})",
            f"count({number})",
            f"count(*) FILTER (isinf({number}))",
            f"count(*) FILTER ({number} = floor({number}) AND isfinite({number}))",
            f"min({number}) FILTER (isfinite({number}))",
            f"max({number}) FILTER (isfinite({number}))",
            f"coalesce(avg(length({text}) - length(replace({text}, ' ', '')) + 1), 0)",
            f"count({flag})",
            f"count(*) FILTER ({flag} = 1.0)",
        )
    # A table of its own: within one query, DuckDB would copy the expression of a number into every aggregate of it.
    texts = f"SELECT {', '.join(read)} FROM {source.of(batch)}"  # noqa: S608 - names are numbers
    source.sql(f"CREATE OR REPLACE TEMP TABLE batch AS {texts}")
    (row,) = source.sql(f"SELECT {', '.join(parts)} FROM batch")  # noqa: S608 - as above
    width = len(_Measured._fields)
    return (_Measured(*row[start : start + width]) for start in range(0, len(row), width))


def _profile(source: Source, at: int, of: _Measured) -> Profile:
    profile = Profile(source.names[at], at, "empty", source.rows, of.known, of.distinct, unknown=_unknown(source, at, of.known))
    if not of.known:
        return profile
    if of.distinct == 1 and of.known == source.rows:
        return profile._replace(kind="constant", values=_commonest(source, at))
    if of.flags == of.known and 0 < of.ones < of.known:
        return profile._replace(kind="flag", parsed=of.known, values=_commonest(source, at))
    if of.numbers >= PARSED_SHARE * of.known and of.low is not None:
        return _number(profile, of)
    return _date(source, profile) or _text(source, profile, of)


def _number(profile: Profile, of: _Measured) -> Profile:
    assert of.low is not None
    assert of.high is not None
    finite = of.numbers - of.infinite
    number = profile._replace(kind="number", parsed=of.numbers, infinite=of.infinite, low=of.low, high=of.high, whole=of.whole == finite)
    unique = of.distinct >= 0.999 * of.known and of.known >= _UNIQUE_ROWS_MIN
    dense = of.high - of.low <= 1.05 * of.known
    named = _NAMES_ROWS.search(plain_name(profile.name)) is not None and of.distinct > limits.VALUES_MAX
    return number._replace(kind="identifier") if number.whole and ((unique and dense) or named) else number


def _date(source: Source, profile: Profile) -> Profile | None:
    text, count = f"c{profile.at}", partial(source.rows_where, (profile.at,))
    if not _looks_like_dates(source, profile.at):
        return None
    parsed = max(count(f"{values.moment(text, order)} IS NOT NULL") for order in values.DAY_ORDERS)
    if parsed < PARSED_SHARE * profile.known:
        return None
    return profile._replace(kind="date", parsed=parsed, order=values.day_order(count, text))


def _looks_like_dates(source: Source, at: int) -> bool:
    """Whether some of a few texts are dates; to look at all is slow."""
    few = f"(SELECT DISTINCT c{at} AS one FROM {source.of((at,))} WHERE c{at} IS NOT NULL LIMIT {_DATES_LOOKED_AT})"  # noqa: S608
    either = " OR ".join(f"{values.moment('one', order)} IS NOT NULL" for order in values.DAY_ORDERS)
    return bool(source.sql(f"SELECT count(*) FROM {few} WHERE {either}")[0][0])  # noqa: S608 - names are numbers


def _text(source: Source, profile: Profile, of: _Measured) -> Profile:
    unique = of.distinct >= UNIQUE_SHARE * of.known and of.known >= _UNIQUE_ROWS_MIN
    wordy = of.words >= TEXT_WORDS
    if unique:
        return profile._replace(kind="text" if wordy else "identifier")
    if wordy and of.distinct > max(limits.VALUES_MAX, of.known // 2):
        return profile._replace(kind="text")
    commonest = _commonest(source, profile.at)
    covered = sum(rows for _, rows in commonest)
    kind: Kind = "category" if covered >= COVERED_SHARE * of.known else "many values"
    return profile._replace(kind=kind, parsed=covered, values=commonest)


def _commonest(source: Source, at: int) -> tuple[tuple[str, int], ...]:
    known = f"FROM {source.of((at,))} WHERE c{at} IS NOT NULL"
    query = f"SELECT c{at}, count(*) AS n {known} GROUP BY 1 ORDER BY n DESC, 1 LIMIT {limits.VALUES_MAX}"
    return tuple((str(text), int(rows)) for text, rows in source.sql(query))


def _unknown(source: Source, at: int, known: int) -> tuple[tuple[str, int], ...]:
    """Spellings of unknown in a column, other than an empty one, and the rows of each."""
    if known == source.rows:
        return ()
    listed = ", ".join(literal(spelling) for spelling in UNKNOWN if spelling)
    written = f"FROM {source.of((at,), as_written=True)} WHERE lower(c{at}) IN ({listed})"
    query = f"SELECT min(c{at}), count(*) AS n {written} GROUP BY lower(c{at}) ORDER BY n DESC, 1"
    return tuple((str(text), int(rows)) for text, rows in source.sql(query))

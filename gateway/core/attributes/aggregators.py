"""Aggregators: how the facts of one person become the value of one history attribute.

`fold(state, fact, now_ms) -> state` and `read(state, now_ms) -> value` are pure. The gateway folds fact by fact; the workstation replays an
exported log through the same functions, so training and serving cannot differ. States are small frozen values, stored as MessagePack.

Time: a fact or state later than `now_ms`, after the clock was set back, counts as of `now_ms`. Order: `count`, `sum`, `mean`, `share` and
`distinct` do not depend on the order of the facts (decayed sums up to rounding); `last` and `recency` keep the latest fact, so an older
one that arrives late changes nothing. `within_days` counts UTC days, today included, so a value changes at midnight UTC and costs one
bucket a day.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from gateway.core import limits
from gateway.core.attributes.schema import FactKind, FoldName, History
from gateway.core.types import AnswerKind, Occasion

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


class HistoryFact(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One fact of a person's history: a visit that dwelled, a purchase, an answer, or an offer sent (contact); `amount` in minor units."""

    of: FactKind
    at_ms: int
    category: str | None = None
    zone: str | None = None
    zone_kind: str | None = None
    offer: str | None = None
    occasion: Occasion | None = None
    answer: AnswerKind | None = None
    amount: int | None = None


class Totals(msgspec.Struct, frozen=True, array_like=True, tag="t", gc=False):
    """Number and total of facts, as of `at_ms` if decayed."""

    count: float
    total: float
    at_ms: int


class Buckets(msgspec.Struct, frozen=True, array_like=True, tag="d", gc=False):
    """Number and total of the facts of each UTC day with facts, the newest first: `ages` are days before `day`, rising.

    Whole numbers, because a window's sum is then exact in any order. Python shares small ones, so 30 days of counts take 0.7 kB.
    """

    day: int
    ages: tuple[int, ...]
    counts: tuple[int, ...]
    totals: tuple[int, ...]


class Latest(msgspec.Struct, frozen=True, array_like=True, tag="l", gc=False):
    """Value of the latest fact and its time."""

    value: float | str | None
    at_ms: int


class Seen(msgspec.Struct, frozen=True, array_like=True, tag="s", gc=False):
    """(value, last UTC day), latest last; at most DISTINCT_VALUES_MAX."""

    keys: tuple[tuple[str, int], ...]


class Progress(msgspec.Struct, frozen=True, array_like=True, tag="j", gc=False):
    """A journey: steps reached in the present walk, the step and time of the last visit, and when the journey was last completed."""

    reached: int
    step: str
    at_ms: int
    completed_ms: int | None


class Grouped(msgspec.Struct, frozen=True, array_like=True, tag="g", gc=False):
    """A person's tier and the values of the derived attributes, as worked out at `at_ms` and valid until `due_ms`."""

    tier: int
    values: tuple[float | str | None, ...]
    at_ms: int
    due_ms: int


State = Totals | Buckets | Latest | Seen | Progress | Grouped
Value = float | str | None
"""A number (flags are 0.0 or 1.0), the value of a category, or None for unknown."""

Weight = Callable[[HistoryFact], tuple[int, int] | None]
"""The increments of number and total by a fact; None if it does not apply."""
Fold = Callable[[State | None, HistoryFact, int], State | None]
Read = Callable[[Any, int], Value]
"""Takes a state of the aggregator's kind."""


class Aggregator(NamedTuple):
    """`kind` is the type of the state; another type, from an older definition, counts as no state. `facts` are the kinds it folds."""

    kind: type[State]
    facts: frozenset[FactKind]
    fold: Fold
    read: Read


def aggregator(source: History) -> Aggregator:
    """The aggregator of a history attribute."""
    kind, fold, read = _TABLE[source.fold](source)
    return Aggregator(kind, frozenset([source.of, source.per or source.of]), fold, read)


def elapsed_ms(at_ms: int, now_ms: int) -> int:
    """Milliseconds since `at_ms`, at least 0; 0 for a time before the clock was set, at an unknown distance."""
    return 0 if at_ms < limits.CLOCK_FLOOR_MS <= now_ms else max(0, now_ms - at_ms)


_Functions = tuple[type[State], Fold, Read]


# --- number and total: count, sum, mean, share ----------------------------------------------------------------


def _count(source: History) -> _Functions:
    def weight(fact: HistoryFact) -> tuple[int, int] | None:
        return (1, 0) if _applies(source, fact) else None

    return _additive(source, weight, lambda count, _: float(count))


def _sum(source: History) -> _Functions:
    def weight(fact: HistoryFact) -> tuple[int, int] | None:
        return (0, fact.amount) if fact.amount is not None and _applies(source, fact) else None

    return _additive(source, weight, lambda _, total: float(total))


def _mean(source: History) -> _Functions:
    def weight(fact: HistoryFact) -> tuple[int, int] | None:
        return (1, fact.amount) if fact.amount is not None and _applies(source, fact) else None

    return _additive(source, weight, _ratio)


def _share(source: History) -> _Functions:
    """Count is the number of facts that the share is taken of, total the number of those that pass all filters.

    Without `per` a share is of all facts `of` its kind (purchases of tea among all purchases). With `per` it is of these other facts
    with the same filters, except that on answers (accepted offers of tea among offers of tea that were sent). It is at most 1: one offer
    may have several answers, and its answer may lie within the window when the offer does not.
    """
    per = source.per or source.of

    def weight(fact: HistoryFact) -> tuple[int, int] | None:
        counts, hits = fact.of == per and (source.per is None or _matches(source, fact)), _applies(source, fact)
        return (int(counts), int(hits)) if counts or hits else None

    def value(count: float, total: float) -> Value:
        share = _ratio(count, total)
        return share if share is None else min(share, 1.0)

    return _additive(source, weight, value)


def _ratio(count: float, total: float) -> float | None:
    return total / count if count > 0 else None


def _matches(source: History, fact: HistoryFact) -> bool:
    """Whether a fact passes all filters except that on answers, which is the numerator of a share."""
    return (
        (not source.categories or fact.category in source.categories)
        and (not source.zone_kinds or fact.zone_kind in source.zone_kinds)
        and (not source.offers or fact.offer in source.offers)
        and (not source.occasions or fact.occasion in source.occasions)
    )


def _applies(source: History, fact: HistoryFact) -> bool:
    return fact.of == source.of and (not source.answers or fact.answer in source.answers) and _matches(source, fact)


def _additive(source: History, weight: Weight, value: Callable[[float, float], Value]) -> _Functions:
    if source.within_days is not None:
        return _bucketed(source.within_days, weight, value)
    if source.half_life_days is None:
        return _decayed(0.0, weight, value)
    rate = math.log(2.0) / (source.half_life_days * DAY_MS)
    # The decay of both cancels out in a ratio, which therefore stays known when both have become too small for a float.
    return _decayed(rate, weight, value, read_rate=0.0 if source.fold in {"mean", "share"} else rate)


def _decayed(rate: float, weight: Weight, value: Callable[[float, float], Value], read_rate: float = 0.0) -> _Functions:
    def fold(state: State | None, fact: HistoryFact, now_ms: int) -> State | None:
        weights = weight(fact)
        if weights is None:
            return state
        at_ms = min(fact.at_ms, now_ms)
        if not isinstance(state, Totals):
            return Totals(float(weights[0]), float(weights[1]), at_ms)
        # Both decay to the later of the two times: a fact that arrives late counts for less at once.
        before_ms = min(state.at_ms, now_ms)
        newest_ms = max(at_ms, before_ms)
        before, added = (math.exp(-rate * elapsed_ms(one, newest_ms)) for one in (before_ms, at_ms))
        return Totals(state.count * before + weights[0] * added, state.total * before + weights[1] * added, newest_ms)

    def read(state: Totals, now_ms: int) -> Value:
        if not read_rate:
            return value(state.count, state.total)
        left = math.exp(-read_rate * elapsed_ms(state.at_ms, now_ms))
        return value(state.count * left, state.total * left)

    return Totals, fold, read


def _bucketed(within_days: int, weight: Weight, value: Callable[[float, float], Value]) -> _Functions:
    def fold(state: State | None, fact: HistoryFact, now_ms: int) -> State | None:
        weights = weight(fact)
        if weights is None:
            return state
        today = now_ms // DAY_MS
        ages, counts, totals = _as_of(state, today)
        age = today - min(fact.at_ms, now_ms) // DAY_MS
        at = bisect_left(ages, age)
        if at == len(ages) or ages[at] != age:
            for column, first in ((ages, age), (counts, 0), (totals, 0)):
                column.insert(at, first)
        counts[at] += weights[0]
        totals[at] += weights[1]
        kept = bisect_left(ages, within_days)
        return Buckets(today, tuple(ages[:kept]), tuple(counts[:kept]), tuple(totals[:kept]))

    def read(state: Buckets, now_ms: int) -> Value:
        inside = bisect_left(state.ages, within_days - max(0, now_ms // DAY_MS - state.day))
        return value(sum(state.counts[:inside]), sum(state.totals[:inside]))

    return Buckets, fold, read


def _as_of(state: State | None, today: int) -> tuple[list[int], list[int], list[int]]:
    """Ages on a day, numbers and totals of the buckets; those of later days, of a clock that was fast, become the day's own."""
    if not isinstance(state, Buckets):
        return [], [], []
    ages, counts, totals = [age + today - state.day for age in state.ages], list(state.counts), list(state.totals)
    later = bisect_right(ages, 0)
    if later > 0:
        ages[:later], counts[:later], totals[:later] = [0], [sum(counts[:later])], [sum(totals[:later])]
    return ages, counts, totals


# --- the latest fact: last, recency -----------------------------------------------------------------------------


def _last(source: History) -> _Functions:
    def read(state: Latest, _now_ms: int) -> Value:
        return state.value

    return Latest, _keep_latest(source), read


def _recency(source: History) -> _Functions:
    """Hours since the latest fact; unknown for a fact from before the clock was set."""
    return Latest, _keep_latest(source), _hours_since


def _hours_since(state: Latest, now_ms: int) -> Value:
    return None if state.at_ms < limits.CLOCK_FLOOR_MS <= now_ms else max(0, now_ms - state.at_ms) / HOUR_MS


def _keep_latest(source: History) -> Fold:
    takes_value = source.fold == "last"

    def fold(state: State | None, fact: HistoryFact, now_ms: int) -> State | None:
        value = _field(source, fact) if takes_value else None
        if not _applies(source, fact) or (takes_value and value is None):
            return state
        at_ms = min(fact.at_ms, now_ms)
        if isinstance(state, Latest) and at_ms < min(state.at_ms, now_ms):
            return state
        return Latest(value if isinstance(value, str | None) else float(value), at_ms)

    return fold


# --- the first fact, and days: tenure, days -----------------------------------------------------------------------


def _tenure(source: History) -> _Functions:
    """Hours since the first fact; unknown for a fact from before the clock was set."""

    def fold(state: State | None, fact: HistoryFact, now_ms: int) -> State | None:
        if not _applies(source, fact):
            return state
        at_ms = min(fact.at_ms, now_ms)
        return state if isinstance(state, Latest) and state.at_ms <= at_ms else Latest(None, at_ms)

    return Latest, fold, _hours_since


def _days(source: History) -> _Functions:
    """Number of different UTC days with a fact; a fact of a day before the latest one changes nothing. `total` is the latest day."""

    def fold(state: State | None, fact: HistoryFact, now_ms: int) -> State | None:
        if not _applies(source, fact):
            return state
        at_ms = min(fact.at_ms, now_ms)
        count, latest = (state.count, state.total) if isinstance(state, Totals) else (0.0, -1.0)
        day = float(at_ms // DAY_MS)
        return Totals(count + 1.0, day, at_ms) if day > latest else state

    def read(state: Totals, _now_ms: int) -> Value:
        return state.count

    return Totals, fold, read


# --- different values: distinct ---------------------------------------------------------------------------------


def _distinct(source: History) -> _Functions:
    within_days = math.inf if source.within_days is None else source.within_days

    def fold(state: State | None, fact: HistoryFact, now_ms: int) -> State | None:
        key = _field(source, fact)
        if key is None or not _applies(source, fact):
            return state
        today, day = now_ms // DAY_MS, min(fact.at_ms, now_ms) // DAY_MS
        days = {name: min(last, today) for name, last in state.keys} if isinstance(state, Seen) else {}
        days[str(key)] = max(day, days.get(str(key), day))
        kept = sorted(((last, name) for name, last in days.items() if last > today - within_days))[-limits.DISTINCT_VALUES_MAX :]
        return Seen(tuple((name, last) for last, name in kept))

    def read(state: Seen, now_ms: int) -> Value:
        first = now_ms // DAY_MS - within_days
        return float(sum(last > first for _, last in state.keys))

    return Seen, fold, read


def _field(source: History, fact: HistoryFact) -> int | str | None:
    value: int | str | None = getattr(fact, source.field)
    return value


_TABLE: Mapping[FoldName, Callable[[History], _Functions]] = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "last": _last,
    "recency": _recency,
    "tenure": _tenure,
    "days": _days,
    "distinct": _distinct,
    "share": _share,
}

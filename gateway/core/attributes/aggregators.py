"""Aggregators: how the facts of one person become the value of one history attribute.

`fold(state, fact, now_ms) -> state` and `read(state, now_ms) -> value` are pure. The gateway folds fact by fact; the workstation replays an
exported log through the same functions, so training and serving cannot differ. States are small frozen values, stored as MessagePack.

Time: a fact later than `now_ms` counts as of `now_ms`. Order: `count`, `sum`, `mean`, `share` and `distinct` do not depend on the order of
the facts (decayed sums up to rounding); `last` and `recency` keep the latest fact, so an older one that arrives late changes nothing.
`within_days` counts UTC days, today included, so a value changes at midnight UTC and costs one bucket a day.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

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
    amount: float | None = None


class Totals(msgspec.Struct, frozen=True, array_like=True, tag="t", gc=False):
    """Number and total of facts, as of `at_ms` if decayed."""

    count: float
    total: float
    at_ms: int


class Buckets(msgspec.Struct, frozen=True, array_like=True, tag="d"):
    """(UTC day, number, total), by day."""

    days: tuple[tuple[int, float, float], ...]


class Latest(msgspec.Struct, frozen=True, array_like=True, tag="l", gc=False):
    """Value of the latest fact and its time."""

    value: float | str | None
    at_ms: int


class Seen(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """(value, last UTC day), latest last; at most DISTINCT_VALUES_MAX."""

    keys: tuple[tuple[str, int], ...]


State = Totals | Buckets | Latest | Seen
Value = float | str | None
"""A number (flags are 0.0 or 1.0), the value of a category, or None for unknown."""


class Aggregator(NamedTuple):
    """`kind` is the type of the state; another type, from an older definition, counts as no state."""

    kind: type[State]
    fold: Callable[[State | None, HistoryFact, int], State | None]
    read: Callable[[State, int], Value]


def aggregator(source: History) -> Aggregator:
    """The aggregator of a history attribute."""
    return _TABLE[source.fold](source)


def matches(source: History, fact: HistoryFact) -> bool:
    """Whether a fact passes all filters of `source` except that on answers, which is the numerator of a share."""
    return (
        (not source.categories or fact.category in source.categories)
        and (not source.zone_kinds or fact.zone_kind in source.zone_kinds)
        and (not source.offers or fact.offer in source.offers)
        and (not source.occasions or fact.occasion in source.occasions)
    )


def elapsed_ms(at_ms: int, now_ms: int) -> int:
    """Milliseconds since `at_ms`, at least 0; 0 for a time before the clock was set, at an unknown distance."""
    return 0 if at_ms < limits.CLOCK_FLOOR_MS <= now_ms else max(0, now_ms - at_ms)


# --- number and total: count, sum, mean, share ----------------------------------------------------------------


def _count(source: History) -> Aggregator:
    return _additive(source, lambda fact: _one(source, fact), lambda count, _: count)


def _sum(source: History) -> Aggregator:
    return _additive(source, lambda fact: _amount(source, fact), lambda _, total: total)


def _mean(source: History) -> Aggregator:
    return _additive(source, lambda fact: _amount(source, fact), lambda count, total: total / count if count > 0 else None)


def _share(source: History) -> Aggregator:
    """Count is the number of facts that the share is taken of, total the number of those that pass all filters.

    Without `per` a share is of all facts `of` its kind (purchases of tea among all purchases). With `per` it is of these other facts
    with the same filters, except that on answers (accepted offers of tea among offers of tea that were sent).
    """
    per = source.per or source.of

    def weight(fact: HistoryFact) -> tuple[float, float] | None:
        counts, hits = fact.of == per and (source.per is None or matches(source, fact)), _applies(source, fact)
        return (float(counts), float(hits)) if counts or hits else None

    return _additive(source, weight, lambda count, total: total / count if count > 0 else None)


def _one(source: History, fact: HistoryFact) -> tuple[float, float] | None:
    return (1.0, 0.0) if _applies(source, fact) else None


def _amount(source: History, fact: HistoryFact) -> tuple[float, float] | None:
    return (1.0, fact.amount) if fact.amount is not None and _applies(source, fact) else None


def _applies(source: History, fact: HistoryFact) -> bool:
    return fact.of == source.of and (not source.answers or fact.answer in source.answers) and matches(source, fact)


def _additive(
    source: History, weight: Callable[[HistoryFact], tuple[float, float] | None], value: Callable[[float, float], Value]
) -> Aggregator:
    within = source.within_days
    if within is not None:
        return Aggregator(Buckets, *_bucketed(within, weight, value))
    return Aggregator(Totals, *_decayed(source.half_life_days, weight, value))


def _decayed(
    half_life_days: float | None, weight: Callable[[HistoryFact], tuple[float, float] | None], value: Callable[[float, float], Value]
) -> tuple[Callable[[State | None, HistoryFact, int], State | None], Callable[[State, int], Value]]:
    rate = 0.0 if half_life_days is None else math.log(2.0) / (half_life_days * DAY_MS)

    def fold(state: State | None, fact: HistoryFact, now_ms: int) -> State | None:
        weights = weight(fact)
        if weights is None:
            return state
        at_ms = min(fact.at_ms, now_ms)
        if not isinstance(state, Totals):
            return Totals(*weights, at_ms)
        # Both decay to the later of the two times: a fact that arrives late counts for less at once.
        newest_ms = max(at_ms, state.at_ms)
        before, added = (math.exp(-rate * elapsed_ms(one, newest_ms)) for one in (state.at_ms, at_ms))
        return Totals(state.count * before + weights[0] * added, state.total * before + weights[1] * added, newest_ms)

    def read(state: State, now_ms: int) -> Value:
        assert isinstance(state, Totals)
        left = math.exp(-rate * elapsed_ms(state.at_ms, now_ms))
        return value(state.count * left, state.total * left)

    return fold, read


def _bucketed(
    within_days: int, weight: Callable[[HistoryFact], tuple[float, float] | None], value: Callable[[float, float], Value]
) -> tuple[Callable[[State | None, HistoryFact, int], State | None], Callable[[State, int], Value]]:
    def fold(state: State | None, fact: HistoryFact, now_ms: int) -> State | None:
        weights = weight(fact)
        if weights is None:
            return state
        today, day = now_ms // DAY_MS, min(fact.at_ms, now_ms) // DAY_MS
        days = {bucket[0]: bucket[1:] for bucket in (state.days if isinstance(state, Buckets) else ())}
        count, total = days.get(day, (0.0, 0.0))
        days[day] = (count + weights[0], total + weights[1])
        return Buckets(tuple((at, *days[at]) for at in sorted(days) if at > today - within_days))

    def read(state: State, now_ms: int) -> Value:
        assert isinstance(state, Buckets)
        today = now_ms // DAY_MS
        inside = [bucket for bucket in state.days if today - within_days < bucket[0] <= today]
        return value(math.fsum(bucket[1] for bucket in inside), math.fsum(bucket[2] for bucket in inside))

    return fold, read


# --- the latest fact: last, recency -----------------------------------------------------------------------------


def _last(source: History) -> Aggregator:
    def read(state: State, _now_ms: int) -> Value:
        assert isinstance(state, Latest)
        return state.value

    return Aggregator(Latest, _keep_latest(source), read)


def _recency(source: History) -> Aggregator:
    """Hours since the latest fact."""

    def read(state: State, now_ms: int) -> Value:
        assert isinstance(state, Latest)
        return elapsed_ms(state.at_ms, now_ms) / HOUR_MS

    return Aggregator(Latest, _keep_latest(source), read)


def _keep_latest(source: History) -> Callable[[State | None, HistoryFact, int], State | None]:
    def fold(state: State | None, fact: HistoryFact, now_ms: int) -> State | None:
        value = _field(source, fact) if source.fold == "last" else None
        if not _applies(source, fact) or (source.fold == "last" and value is None):
            return state
        at_ms = min(fact.at_ms, now_ms)
        return state if isinstance(state, Latest) and at_ms < state.at_ms else Latest(value, at_ms)

    return fold


# --- different values: distinct ---------------------------------------------------------------------------------


def _distinct(source: History) -> Aggregator:
    within = source.within_days or limits.WITHIN_DAYS_MAX

    def fold(state: State | None, fact: HistoryFact, now_ms: int) -> State | None:
        key = _field(source, fact)
        if key is None or not _applies(source, fact):
            return state
        today, day = now_ms // DAY_MS, min(fact.at_ms, now_ms) // DAY_MS
        days = dict(state.keys) if isinstance(state, Seen) else {}
        days[str(key)] = max(day, days.get(str(key), day))
        kept = sorted(((last, name) for name, last in days.items() if last > today - within))[-limits.DISTINCT_VALUES_MAX :]
        return Seen(tuple((name, last) for last, name in kept))

    def read(state: State, now_ms: int) -> Value:
        assert isinstance(state, Seen)
        today = now_ms // DAY_MS
        return float(sum(1 for _, last in state.keys if today - within < last <= today))

    return Aggregator(Seen, fold, read)


def _field(source: History, fact: HistoryFact) -> float | str | None:
    value: float | str | None = getattr(fact, source.field)
    return value


_TABLE: Mapping[FoldName, Callable[[History], Aggregator]] = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "last": _last,
    "recency": _recency,
    "distinct": _distinct,
    "share": _share,
}

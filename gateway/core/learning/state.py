"""The state of the learner, as values with a key each, so that a store keeps rows by key and rewrites only the changed ones.

`LearnedState` is about offers and places: no row of it is about a person. `PersonState` is about one person, belongs to the person's
context and is deleted with it. A change of a LearnedState is again a LearnedState, of the changed keys only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec

from gateway.core.learning.anyway import Habit, Visits
from gateway.core.learning.busy import Busy
from gateway.core.learning.outlook import Level, Outlook
from gateway.core.learning.person import Effect
from gateway.core.learning.regression import Weights

ALL = "all"
T = TypeVar("T")


class Share(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Count of one outcome, and count of all."""

    ones: float = 0.0
    of: float = 0.0

    def plus(self, one: float) -> Share:
        """With one more."""
        return Share(self.ones + one, self.of + 1.0)

    def mean(self, prior: float, weight: float) -> float:
        """The share, drawn to `prior` with the weight of as many rows."""
        return (self.ones + prior * weight) / (self.of + weight)


class LearnedState(msgspec.Struct, frozen=True):
    """Everything learned that is not about a person.

    `models` are by offer, by category ("category:tea") and for all offers (ALL). `visits` are by shop, and by shop, zone and occasion.
    `shares` are "taken" of all answers, "redeemed" of the accepted offers and "dismissed" of those not accepted. `means` has
    "fatigue", the loss of a message by the contacts before it. `shown` counts messages by offer, `moments` the moments by
    zone and occasion, `outlooks` have the log-odds by offer, `busy` the visits by shop and of the site (ALL).
    """

    models: Mapping[str, Weights] = {}
    visits: Mapping[str, Visits] = {}
    shares: Mapping[str, Share] = {}
    means: Mapping[str, Level] = {}
    shown: Mapping[str, float] = {}
    moments: Mapping[str, float] = {}
    outlooks: Mapping[str, Outlook] = {}
    busy: Mapping[str, Busy] = {}

    def plus(self, changed: LearnedState) -> LearnedState:
        """The state after a change."""
        parts = {name: merged(getattr(self, name), getattr(changed, name)) for name in self.__struct_fields__}
        return LearnedState(**parts)

    def rows(self) -> Iterator[tuple[str, bytes]]:
        """Key and content of each value."""
        for name in self.__struct_fields__:
            for key, value in getattr(self, name).items():
                yield f"{name}/{key}", msgspec.msgpack.encode(value)


def state_of(rows: Iterable[tuple[str, bytes]]) -> LearnedState:
    """The state of stored rows, as `LearnedState.rows` writes them. Raises msgspec.DecodeError for a row of another format."""
    parts: dict[str, dict[str, object]] = {name: {} for name in LearnedState.__struct_fields__}
    for key, content in rows:
        name, _, rest = key.partition("/")
        parts[name][rest] = _DECODERS[name].decode(content)
    return LearnedState(**parts)  # type: ignore[arg-type]  # each decoder gives the type of its field


def merged(before: Mapping[str, T], changed: Mapping[str, T]) -> Mapping[str, T]:
    """`before` with the values of `changed`; without changes `before` itself."""
    return {**before, **changed} if changed else before


class Waiting(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A silent moment before the end of its horizon."""

    at_ms: int
    zone: str
    occasion: str


class PersonState(msgspec.Struct, frozen=True):
    """Everything learned about one person.

    `effects` are on all offers, by category and by offer, `levels` by category. `silent` are moments without a message that wait for the
    end of their horizon, the oldest first, `visited` is the time of the last visit by zone, and `habits` are by shop. `moments` are counted
    since `since_ms`.
    """

    effects: Mapping[str, Effect] = {}
    levels: Mapping[str, Level] = {}
    silent: tuple[Waiting, ...] = ()
    visited: Mapping[str, int] = {}
    habits: Mapping[str, Habit] = {}
    moments: float = 0.0
    since_ms: int = 0


_DECODERS: Mapping[str, msgspec.msgpack.Decoder[object]] = {
    "models": msgspec.msgpack.Decoder(Weights),
    "means": msgspec.msgpack.Decoder(Level),
    "visits": msgspec.msgpack.Decoder(Visits),
    "shares": msgspec.msgpack.Decoder(Share),
    "shown": msgspec.msgpack.Decoder(float),
    "moments": msgspec.msgpack.Decoder(float),
    "outlooks": msgspec.msgpack.Decoder(Outlook),
    "busy": msgspec.msgpack.Decoder(Busy),
}

"""The router: finds the source of a topic and decodes its messages.

Messages with an unknown topic are counted, and so are those that concern no consenting person by their topic alone. A payload that its
decoder refuses is counted by reason and kept as a dead letter without its content, which may hold personal data; other messages are not
affected. Each observation is checked against the speaker of its topic (`sources.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.core import limits
from gateway.core.discards import Discard
from gateway.core.ports import DeadLetter
from gateway.core.recent import Recent
from gateway.core.strangers import Concern
from gateway.core.types import Consent, Count, OfferRequest, Position, Reading, Sighting
from gateway.decoders.contract import DecodeError
from gateway.decoders.topics import TopicTree, without_share
from gateway.runtime.sources import Installed, Source, Speech

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.core.types import Message, Observation

ROUTES_CACHED_MAX = 10_000  # a phone has one topic per kind; this bounds the memory under a flood of topics
SPEAKERS_KEPT_MAX = 64  # of one topic: more than a scanner has names

Dropped = Callable[[Concern], Discard | None]
"""The reason for which the messages of a topic change nothing, by the topic alone, or None if their payload is needed."""


class Route:
    """Everything that follows from a topic: its speaker, its concern, the function that decodes its payloads, and speakers of sightings."""

    __slots__ = ("concern", "name", "read", "sightings", "speech")

    def __init__(self, speech: Speech, concern: Concern | None, topic: str) -> None:
        self.speech, self.concern = speech, concern
        decoder = speech.source.decoder
        self.name = decoder.name
        self.read: Callable[[bytes], list[Observation]] | None = None
        self.sightings: dict[str, tuple[str, Discard | None]] = {}
        if decoder.at is not None:
            with suppress(DecodeError):  # `decode` raises it for each message
                self.read = decoder.at(topic)


class Router:
    """Decodes messages by the configured sources. Used by one thread.

    `dropped` decides by the topic whether a message is dropped before its payload is read; without it every payload is read. `passed` is
    the number of messages that were dropped so.
    """

    def __init__(self, sources: Sequence[Source], installed: Installed | None = None) -> None:
        """The first source whose topic filter matches is used."""
        self.sources = tuple(sources)
        self.dropped: Dropped | None = None
        self.passed = 0
        self._installed = installed or Installed()
        self._tree = TopicTree((without_share(one.topic), one) for one in self.sources)
        self._routes: Recent[Route] = Recent(ROUTES_CACHED_MAX)
        self.messages: Counter[str] = Counter()
        self.observations: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.discarded: Counter[Discard] = Counter()
        self._dead: dict[tuple[str, str, str], DeadLetter] = {}

    def decode_all(self, messages: Sequence[Message]) -> list[Observation]:
        """The observations of a batch, in order. After a consent in it every payload is read: it may be of the person who consented."""
        found: list[Observation] = []
        dropped, passed = self.dropped, dict[tuple[str, Discard], int]()
        for message in messages:
            made = self._decode(message, dropped, passed)
            if made:
                found += made
                if type(made[0]) is Consent:
                    dropped = None
        for (decoder, reason), count in passed.items():
            self.messages[decoder] += count
            self.observations[decoder] += count
            self.discarded[reason] += count
            self.passed += count
        return found

    def decode(self, message: Message) -> list[Observation]:
        """The observations of one message, whose payload is read; none if it is refused or its topic is unknown."""
        return list(self._decode(message, None, {}))

    def _decode(self, message: Message, dropped: Dropped | None, passed: dict[tuple[str, Discard], int]) -> Sequence[Observation]:
        """The observations of one message; one that is dropped by its topic is counted in `passed`, by decoder and reason."""
        topic, source = message.topic, None
        route = self._routes.get(topic)
        if route is not None:
            concern, name = route.concern, route.name
        else:
            levels = topic.split("/")
            source = self._tree.first(levels) if topic else None
            if source is None:
                self.messages[Discard.UNKNOWN_TOPIC] += 1
                return ()
            decoder = source.decoder
            concern, name = decoder.concern(levels) if decoder.concern is not None else None, decoder.name
        if dropped is not None and concern is not None:
            reason = dropped(concern)
            if reason is not None:  # it takes no place among the routes
                passed[name, reason] = passed.get((name, reason), 0) + 1
                return ()
        if route is None:
            assert source is not None
            route = Route(source.speech(topic), concern, topic)
            self._routes.put(topic, route)
        return self._read(route, message)

    def _read(self, route: Route, message: Message) -> list[Observation]:
        """The observations of a message that is not dropped."""
        name = route.name
        self.messages[name] += 1
        try:
            found = route.speech.source.decoder.decode(message) if route.read is None else route.read(message.payload)
        except DecodeError as error:
            self.refused[f"{name}:{error.reason}"] += 1
            self._bury(message, name, error)
            return []
        self.observations[name] += len(found)
        kept = self._without_outdated(found) if message.retained else found
        return self._attributed(kept, route)

    def sender(self, topic: str) -> str:
        """The device that a topic names, else the levels above its last one; for any thread."""
        source = self._source(topic)
        speaker = None if source is None else source.speech(topic).speaker
        return topic.rpartition("/")[0] if speaker is None else speaker

    def has_source(self, topic: str) -> bool:
        """Whether any source brings messages of a topic."""
        return self._source(topic) is not None

    def _source(self, topic: str) -> Source | None:
        return self._tree.first(topic.split("/")) if topic else None

    def dead_letters(self) -> list[DeadLetter]:
        """The refused messages since `forget_dead_letters`, one for each decoder, reason and topic, at most DEAD_LETTERS_MAX."""
        return list(self._dead.values())

    def forget_dead_letters(self) -> None:
        """Begin anew, because these are stored."""
        self._dead.clear()

    def _bury(self, message: Message, decoder: str, error: DecodeError) -> None:
        key = (decoder, error.reason, message.topic)
        before = self._dead.pop(key, None)
        count = 1 if before is None else before.times + 1
        size = len(message.payload)
        self._dead[key] = DeadLetter(message.received_at_ms, decoder, error.reason, error.detail, message.topic, size, count)
        if len(self._dead) > limits.DEAD_LETTERS_MAX:
            del self._dead[next(iter(self._dead))]

    def _attributed(self, found: list[Observation], route: Route) -> list[Observation]:
        """The observations that the speaker of the topic may make; the others are counted by reason."""
        known, kept = route.sightings, []
        for one in found:
            if type(one) is Sighting:
                own = known.get(one.hearer)
                if own is None:
                    own = self._installed.verdict("sighting", one.hearer, route.speech)
                    if len(known) < SPEAKERS_KEPT_MAX:
                        known[one.hearer] = own
                checked = one if own == (one.hearer, None) else self._installed.attributed(one, route.speech)
            else:
                checked = self._installed.attributed(one, route.speech)
            if isinstance(checked, Discard):
                self.discarded[checked] += 1
            else:
                kept.append(checked)
        return kept

    def _without_outdated(self, found: list[Observation]) -> list[Observation]:
        """The observations of a retained message that can still be used; the broker repeats it at every reconnect, at any age.

        Sightings, positions, counts and requests are outdated, and so is a consent with purposes: a yes may be withdrawn since. Readings
        are used if dated, and other facts are recognised by their envelope.
        """
        kept = [
            one for one in found if not isinstance(one, Sighting | Position | Count | Reading | Consent | OfferRequest) or _is_usable(one)
        ]
        self.discarded[Discard.RETAINED] += len(found) - len(kept)
        return kept

    def refusals(self) -> int:
        """Number of refused messages so far."""
        return sum(self.refused.values())


def _is_usable(observation: Observation) -> bool:
    """Whether a retained observation is a dated reading or a withdrawal."""
    is_dated = isinstance(observation, Reading) and observation.at_ms is not None
    return is_dated or (isinstance(observation, Consent) and not observation.purposes)

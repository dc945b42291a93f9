"""The router: finds the source of a topic and decodes its messages.

Messages with an unknown topic are counted. A payload that its decoder refuses is counted by reason and kept as a dead letter without its
content, which may hold personal data; other messages are not affected. Each observation is checked against the speaker of its topic
(`sources.py`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gateway.core import limits
from gateway.core.discards import Discard
from gateway.core.ports import DeadLetter
from gateway.core.types import Consent, Count, OfferRequest, Position, Reading, Sighting
from gateway.decoders.contract import DecodeError
from gateway.decoders.topics import topic_matches, without_share
from gateway.runtime.sources import Installed, Source, Speech

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.core.types import Message, Observation

ROUTES_CACHED_MAX = 10_000  # a phone has one topic per kind; this bounds the memory under a flood of topics


class Router:
    """Decodes messages by the configured sources. Used by one thread."""

    def __init__(self, sources: Sequence[Source], installed: Installed | None = None) -> None:
        """The first source whose topic filter matches is used."""
        self.sources = tuple(sources)
        self._installed = installed or Installed()
        self._routes: dict[str, Speech | None] = {}
        self.messages: Counter[str] = Counter()
        self.observations: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.discarded: Counter[Discard] = Counter()
        self._dead: dict[tuple[str, str, str], DeadLetter] = {}

    def decode(self, message: Message) -> list[Observation]:
        """The observations of one message; none if it is refused or its topic is unknown."""
        try:
            speech = self._routes[message.topic]
        except KeyError:
            speech = self._route(message.topic)
        if speech is None:
            self.messages[Discard.UNKNOWN_TOPIC] += 1
            return []
        decoder = speech.source.decoder
        self.messages[decoder.name] += 1
        try:
            found = decoder.decode(message)
        except DecodeError as error:
            self.refused[f"{decoder.name}:{error.reason}"] += 1
            self._bury(message, decoder.name, error)
            return []
        self.observations[decoder.name] += len(found)
        kept = self._without_outdated(found) if message.retained else found
        return self._attributed(kept, speech)

    def has_source(self, topic: str) -> bool:
        """Whether any source brings messages of a topic."""
        return self._route(topic) is not None

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

    def _attributed(self, found: list[Observation], speech: Speech) -> list[Observation]:
        """The observations that the speaker of the topic may make; the others are counted by reason."""
        checked = [self._installed.attributed(one, speech) for one in found]
        kept = [one for one in checked if not isinstance(one, Discard)]
        if len(kept) < len(checked):
            self.discarded.update(one for one in checked if isinstance(one, Discard))
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

    def _route(self, topic: str) -> Speech | None:
        source = next((one for one in self.sources if topic_matches(without_share(one.topic), topic)), None)
        speech = None if source is None else source.speech(topic)
        if len(self._routes) >= ROUTES_CACHED_MAX:
            self._routes.clear()
        self._routes[topic] = speech
        return speech


def _is_usable(observation: Observation) -> bool:
    """Whether a retained observation is a dated reading or a withdrawal."""
    is_dated = isinstance(observation, Reading) and observation.at_ms is not None
    return is_dated or (isinstance(observation, Consent) and not observation.purposes)

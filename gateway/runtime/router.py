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
from gateway.core.strangers import Concern, Dropped
from gateway.core.types import Consent, Count, OfferRequest, Position, Purchase, Reading, Sighting
from gateway.decoders.contract import DecodeError
from gateway.decoders.topics import TopicTree, without_share
from gateway.runtime.sources import Installed, Source, named
from gateway.runtime.tallies import Examples, Tally, Unnamed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.core.types import Message, Observation

ROUTES_CACHED_MAX = 10_000  # a phone has one topic per kind; this bounds the memory under a flood of topics
HEARERS_KEPT_MAX = 64  # of one topic: more than a scanner has names

_INSTALLED_ONLY = frozenset({Count, Purchase, Reading})  # the engine drops those of a device without a zone
_UNMAPPED = frozenset({Discard.UNMAPPED_ANCHOR, Discard.UNMAPPED_DEVICE})


class Route:
    """Everything that follows from a topic: its speaker, its concern, and the function that decodes its payloads.

    Sightings of the `hearers` are kept unchanged.
    """

    __slots__ = ("concern", "hearers", "read", "speech", "tally")

    def __init__(self, tally: Tally, concern: Concern | None, topic: str) -> None:
        self.tally, self.speech, self.concern = tally, tally.source.speech(topic), concern
        decoder = tally.source.decoder
        self.read: Callable[[bytes], list[Observation]] | None = None
        self.hearers: set[str] = set()
        if decoder.at is not None:
            with suppress(DecodeError):  # `decode` raises it for each message
                self.read = decoder.at(topic)


class Router:
    """Decodes messages by the configured sources. Used by one thread.

    `dropped` decides by the topic whether a message is dropped before its payload is read; without it every payload is read. `passed` is
    the number of messages that were dropped so. Messages on `echo_topic` are kept apart.
    """

    def __init__(self, sources: Sequence[Source], installed: Installed | None = None) -> None:
        """The first source whose topic filter matches is used."""
        self.sources = tuple(sources)
        self.dropped: Dropped | None = None
        self.passed = 0
        self.echo_topic: str | None = None
        self._echoes: list[Message] = []
        self._installed = installed or Installed()
        self.tallies = tuple(map(Tally, self.sources))
        self.unnamed, self.examples = Unnamed(), Examples()
        self._unknown = 0
        self._tree = TopicTree((without_share(one.source.topic), one) for one in self.tallies)
        self._routes: Recent[Route] = Recent(ROUTES_CACHED_MAX)
        self.refused: Counter[str] = Counter()
        self.discarded: Counter[Discard] = Counter()
        self._dead: dict[tuple[str, str, str], DeadLetter] = {}

    def decode_all(self, messages: Sequence[Message]) -> list[Observation]:
        """The observations of a batch, in order. After a consent in it every payload is read: it may be of the person who consented."""
        found: list[Observation] = []
        dropped, passed = self.dropped, dict[tuple[Tally, Discard], int]()
        for message in messages:
            made = self._decode(message, dropped, passed)
            if made:
                found += made
                if type(made[0]) is Consent:
                    dropped = None
        for (tally, reason), count in passed.items():
            tally.messages += count
            tally.newest_ms = messages[-1].received_at_ms
            tally.observations += count
            self.discarded[reason] += count
            self.passed += count
        return found

    def decode(self, message: Message) -> list[Observation]:
        """The observations of one message, whose payload is read; none if it is refused or its topic is unknown."""
        return list(self._decode(message, None, {}))

    def _decode(self, message: Message, dropped: Dropped | None, passed: dict[tuple[Tally, Discard], int]) -> Sequence[Observation]:
        """The observations of one message; one that is dropped by its topic is counted in `passed`, by source and reason."""
        topic = message.topic
        route = self._routes.get(topic)
        if route is not None:
            concern, tally = route.concern, route.tally
        elif topic == self.echo_topic:
            self._echoes.append(message)
            return ()
        else:
            levels = topic.split("/")
            found = self._tree.first(levels) if topic else None
            if found is None:
                self._unknown += 1
                return ()
            tally = found
            decoder = tally.source.decoder
            concern = decoder.concern(levels) if decoder.concern is not None else None
        if dropped is not None and concern is not None:
            reason = dropped(concern)
            if reason is not None:  # it takes no place among the routes
                key = tally, reason
                passed[key] = passed.get(key, 0) + 1
                if reason is Discard.UNMAPPED_ANCHOR and concern[1] is not None:
                    self.unnamed.note(concern[1])
                return ()
        if route is None:
            route = Route(tally, concern, topic)
            self._routes.put(topic, route)
        return self._read(route, message)

    def _read(self, route: Route, message: Message) -> list[Observation]:
        """The observations of a message that is not dropped."""
        tally = route.tally
        tally.messages += 1
        tally.newest_ms = message.received_at_ms
        try:
            found = route.speech.source.decoder.decode(message) if route.read is None else route.read(message.payload)
        except DecodeError as error:
            key = f"{tally.name}:{error.reason}"
            self.refused[key] += 1
            self.examples.note(key, error, len(message.payload))
            self._bury(message, tally.name, error)
            return []
        tally.observations += len(found)
        if message.retained:
            found = self._without_outdated(found)
        elif len(found) == 1 and type(found[0]) is Sighting and found[0].hearer in route.hearers:  # nearly always
            return found
        return self._attributed(found, route)

    def take_echoes(self) -> list[Message]:
        """The messages on the echo topic since the last call; no source counts such a message."""
        taken, self._echoes = self._echoes, []
        return taken

    def sender(self, topic: str) -> str:
        """The device that a topic names, else the levels above its last one; for any thread."""
        source = self._source(topic)
        speaker = None if source is None else source.speech(topic).speaker
        return topic.rpartition("/")[0] if speaker is None else speaker

    def has_source(self, topic: str) -> bool:
        """Whether any source brings messages of a topic."""
        return self._source(topic) is not None

    def _source(self, topic: str) -> Source | None:
        found = self._tree.first(topic.split("/")) if topic else None
        return None if found is None else found.source

    @property
    def messages(self) -> Counter[str]:
        """Messages by decoder, and under `unknown_topic` those without a source."""
        counted: Counter[str] = Counter()
        for tally in self.tallies:
            if tally.messages:
                counted[tally.name] += tally.messages
        if self._unknown:
            counted[Discard.UNKNOWN_TOPIC] = self._unknown
        return counted

    @property
    def observations(self) -> Counter[str]:
        """Observations by decoder; each message that was dropped by its topic counts as one."""
        counted: Counter[str] = Counter()
        for tally in self.tallies:
            if tally.observations:
                counted[tally.name] += tally.observations
        return counted

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
        hearers = route.hearers
        kept: list[Observation] = []
        for one in found:
            if type(one) is Sighting and one.hearer in hearers:
                kept.append(one)
                continue
            checked = self._installed.attributed(one, route.speech)
            if checked is one and type(one) is Sighting and len(hearers) < HEARERS_KEPT_MAX:
                hearers.add(one.hearer)
            if isinstance(checked, Discard):
                self.discarded[checked] += 1
                if checked in _UNMAPPED:
                    self.unnamed.note(named(one))
            else:
                kept.append(checked)
                if type(one) in _INSTALLED_ONLY and not self._installed.has(named(checked)):
                    self.unnamed.note(named(checked))
        return kept

    def _without_outdated(self, found: list[Observation]) -> list[Observation]:
        """The observations of a retained message that can still be used; the broker repeats it at every reconnect, at any age.

        Sightings, positions, counts and requests are outdated, and so is a consent with purposes: a yes may be withdrawn since. Readings
        are used if dated, and other facts are recognised by the envelope.
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

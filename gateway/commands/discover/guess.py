"""The source of a topic: by its usual filter, below a prefix, or guessed from samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.core.types import Message, Status
from gateway.decoders.contract import DecodeError, Decoder
from gateway.decoders.registry import by_topic
from gateway.decoders.topics import topic_matches

if TYPE_CHECKING:
    from gateway.core.types import Observation

LEVELS_KEPT_MIN = 3
PREFIX_LEVELS_MAX = 2


class Route(NamedTuple):
    """Topic filter and decoder of a topic; `evidence` states the reason where they do not follow from the topic itself."""

    topic_filter: str
    decoder: Decoder
    evidence: str = ""


class Guess(NamedTuple):
    """Numbers of messages and observations that one decoder reads of the samples of a shape."""

    decoder: Decoder
    messages: int
    observations: int


def route_of(message: Message) -> Route | None:
    """The source for the topic of a message: by its topic, else by a prefix; None if its samples must be guessed."""
    known = by_topic(message.topic)
    if known is not None:
        return Route(_filter_of(known, message.topic), known)
    return _below_prefix(message)


def _filter_of(decoder: Decoder, topic: str) -> str:
    return next(one for one in decoder.topics if topic_matches(one, topic))


def _below_prefix(message: Message) -> Route | None:
    """The source for a usual topic below other levels, such as those that a bridge to another broker adds."""
    levels = message.topic.split("/")
    for own in range(1, min(PREFIX_LEVELS_MAX, len(levels) - 1) + 1):
        prefix, rest = "/".join(levels[:own]), "/".join(levels[own:])
        decoder = by_topic(rest)
        if decoder is not None and read_by(decoder, message):
            return Route(f"{prefix}/{_filter_of(decoder, rest)}", decoder, f"guessed: a usual topic below {prefix!r}, check it")
    return None


def guessed(samples: list[Message], decoder: Decoder) -> Guess | None:
    """Numbers of a decoder for the samples; None for nothing but statuses, which many payloads give."""
    found = [read_by(decoder, message) for message in samples]
    read = [observations for observations in found if any(not isinstance(one, Status) for one in observations)]
    return Guess(decoder, len(read), sum(map(len, read))) if read else None


def read_by(decoder: Decoder, message: Message) -> list[Observation]:
    """The observations of a decoder; none where it refuses the message, or its optional library is not installed, as on a device."""
    try:
        return decoder.decode(message)
    except (DecodeError, ImportError):
        return []


def renamed(decoder: Decoder, topic: str) -> str | None:
    """The usual filter with another first level, if the topic matches that: `zigbee/#` for `zigbee2mqtt/#`."""
    base = topic.partition("/")[0]
    candidates = (f"{base}/{rest}" for _, _, rest in (one.partition("/") for one in decoder.topics))
    return next((one for one in candidates if topic_matches(one, topic)), None)


def shape_of(topic: str) -> str:
    """The topic with its middle levels as wildcards: `site/+/+/state` of `site/7/door/state`."""
    levels = topic.split("/")
    return topic if len(levels) < LEVELS_KEPT_MIN else "/".join([levels[0], *("+" for _ in levels[1:-1]), levels[-1]])

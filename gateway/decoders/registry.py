"""Which decoders there are, and which one a topic calls for.

Decoders are found through the entry points `wayside.decoders`: ours are declared in pyproject.toml, and
another distribution adds its own in the same way, without a line changed here. What is broken is told
at once and by name: a decoder that silently is not there would look like a quiet street.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from gateway.decoders.contract import Decoder
from gateway.decoders.topics import topic_matches

GROUP = "wayside.decoders"


class DecoderNotFoundError(LookupError):
    """No decoder answers to that name; the message names the nearest one that exists."""


class BrokenDecoderError(RuntimeError):
    """A distribution declares a decoder that is none, or that another one has declared before."""


@cache
def _declared() -> dict[str, EntryPoint]:
    declared: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = declared.setdefault(point.name, point)
        if other.value != point.value:
            message = f"decoder {point.name} is declared twice, as {other.value} and as {point.value}: uninstall one of them"
            raise BrokenDecoderError(message)
    return declared


def decoder_names() -> tuple[str, ...]:
    """The names of all decoders, in alphabetical order."""
    return tuple(sorted(_declared()))


@cache
def load(name: str) -> Decoder:
    """The decoder called `name`; `DecoderNotFoundError` names the nearest one, or all."""
    point = _declared().get(name)
    if point is None:
        near = get_close_matches(name, decoder_names(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(decoder_names()) or 'none; is wayside installed?'}"
        message = f"no decoder is called {name!r}; {hint}"
        raise DecoderNotFoundError(message)
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        message = f"decoder {name} cannot be loaded ({error}): repair or uninstall the distribution that declares it"
        raise BrokenDecoderError(message) from error
    if not isinstance(found, Decoder) or found.name != name:
        message = f"{point.value} is not a Decoder named {name!r}"
        raise BrokenDecoderError(message)
    return found


def by_topic(topic: str) -> Decoder | None:
    """The first decoder (by name) that products use on `topic`, or `None`: unknown topics are not guessed at."""
    decoders = (load(name) for name in decoder_names())
    return next((decoder for decoder in decoders if any(topic_matches(one, topic) for one in decoder.topics)), None)

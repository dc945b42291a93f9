"""Decoders by name and by topic, found through the entry points `wayside.decoders`.

Ours are declared in pyproject.toml, and another distribution declares its own in the same way. A broken declaration is
an error that names it: without the decoder, its messages would only be missing.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

from gateway.decoders.contract import Decoder
from gateway.decoders.topics import topic_matches

GROUP = "wayside.decoders"


class DecoderNotFoundError(LookupError):
    """There is no decoder of that name; the message suggests the nearest one."""


class BrokenDecoderError(RuntimeError):
    """A distribution declares something that is not a decoder, or a name that another distribution has declared."""


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
    """The names of all decoders, in alphabetical order.

    Raises BrokenDecoderError where a name is declared twice.
    """
    return tuple(sorted(_declared()))


@cache
def load(name: str) -> Decoder:
    """The decoder called `name`.

    Raises DecoderNotFoundError where there is none, and BrokenDecoderError where it cannot be loaded, is not a Decoder
    or has another name, and where a name is declared twice.
    """
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


def usable(name: str) -> Decoder:
    """The decoder called `name`, with the libraries that it needs.

    Raises DecoderNotFoundError and BrokenDecoderError as `load`, and BrokenDecoderError without one of the libraries.
    """
    found = load(name)
    for module in found.requires:
        if any(find_spec(part) is None for part in (module.partition(".")[0], module)):
            raise BrokenDecoderError(f"{name} needs the library {module}, which is not installed: install wayside[formats]")
    return found


def by_topic(topic: str) -> Decoder | None:
    """The first decoder, by name, one of whose default filters matches `topic`, or `None`.

    Raises BrokenDecoderError where a decoder cannot be loaded.
    """
    decoders = (load(name) for name in decoder_names())
    return next((decoder for decoder in decoders if any(topic_matches(one, topic) for one in decoder.topics)), None)

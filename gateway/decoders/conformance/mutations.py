"""Mutations of a message, for the conformance suite.

The faults are those that brokers really carry: payloads cut off by a full buffer, text in a wrong encoding, numbers
that became text or are out of range, keys given twice, deep nesting, topics of another product. Cuts and changes of
JSON are made in every place in turn, because the one place left out by chance may be the one without a check; only byte
noise is random.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from gateway.core import limits
from gateway.core.types import Message
from gateway.decoders.values.speakers import Template

_PLACES_MAX = 60  # of one payload; the elements of a long array are alike
_NOISES = 40
_DEEP = 20_000
_NOT_A_NUMBER = float("nan")
_DELETED = object()

_HOSTILE_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    -0.0,
    2**53,
    2**63,
    -(2**63) - 1,
    2**64,
    10**400,
    10**4_200,
    1e308,
    -1e308,
    _NOT_A_NUMBER,
    float("inf"),
    float("-inf"),
    "",
    "0",
    "NaN",
    "\0",
    "\ud800",
    "\u202e\u200b",
    "½²٣",
    "x" * (limits.TEXT_CHARS_MAX + 1),
    [],
    {},
    [[[]]],
    [None],
    {"": None},
    {"a": {"b": {"c": "d"}}},
    _DELETED,
)
_HOSTILE_LEVELS = ("", "+", "#", "$SYS", "\0", "\ud800", "é", "x" * 600, "set", "..", " ", "FF:FF:FF:FF:FF:FF")
_HOSTILE_TOPICS = ("", "/", "//", "$SYS/broker/uptime", "#", "a" * 70_000, "/".join("a" * 300), "\0", "\ud800/x/y")


def mutations(message: Message, draw: random.Random) -> Iterator[Message]:
    """The mutations of `message`; random bytes come from `draw`."""
    for payload in _payloads(message.payload, draw):
        yield _with(message, payload=payload)
    for topic in _topics(message.topic):
        yield _with(message, topic=topic)
        yield _with(message, topic=topic, payload=b"")


IDENTITIES = ("somebody-else", "AC:23:3F:00:A0:01")
_FIELDS = ("device", "id", "mac", "src", "gateway", "gw_mac", "topic", "tid", "source")


def identity_mutations(message: Message, identities: Sequence[object] = IDENTITIES) -> Iterator[Message]:
    """`message` with one value at a time exchanged for the identity of another device, and with fields that state one added."""
    try:
        document = json.loads(message.payload)
    except (ValueError, RecursionError):
        return
    for place in _places(document)[1 : _PLACES_MAX + 1]:
        for identity in identities:
            yield _with(message, payload=_text(_replaced(document, place, identity)))
    if isinstance(document, dict):
        for name in _FIELDS:
            yield _with(message, payload=_text({**document, name: identities[0]}))


def topics_of_others(template: Template, topic: str) -> Iterator[str]:
    """`topic`, where `template` matches it, with one level that names the speaker at a time changed."""
    if template.speaker(topic) is None:
        return
    levels = topic.split("/")
    for at in template.named:
        yield "/".join([*levels[:at], "somebody-else", *levels[at + 1 :]])


def _with(message: Message, **changed: Any) -> Message:
    return msgspec.structs.replace(message, **changed)


def _payloads(payload: bytes, draw: random.Random) -> Iterator[bytes]:
    for end in range(len(payload)):
        yield payload[:end]
    yield from (payload + tail for tail in (b"\0", b" ", b"}", payload))
    yield b"\xef\xbb\xbf" + payload
    yield from _noise(payload, draw)
    yield from (opening * _DEEP for opening in (b"[", b'{"data":', b'{"a":['))
    yield b'"' + b"x" * limits.PAYLOAD_BYTES_MAX + b'"'
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return
    yield from _bent(document)


def _noise(payload: bytes, draw: random.Random) -> Iterator[bytes]:
    for _ in range(_NOISES):
        yield draw.randbytes(draw.randrange(64))
        spoiled = bytearray(payload or b"{}")
        for _ in range(draw.randrange(1, 4)):
            spoiled[draw.randrange(len(spoiled))] = draw.randrange(256)
        yield bytes(spoiled)


def _bent(document: Any) -> Iterator[bytes]:
    """`document` with one value at a time exchanged for a hostile one, as JSON or as close to it as devices send."""
    for place in _places(document)[:_PLACES_MAX]:
        for value in _HOSTILE_VALUES:
            yield _text(_replaced(document, place, value))
    if isinstance(document, dict):
        for key in document:
            for value in ("null", "[]", '"x"', "0"):
                yield _with_twin(document, key, value)


def _places(document: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in `document`, beginning with that of the document itself."""
    found = [above]
    if isinstance(document, dict):
        rows = list(document.items())
    elif isinstance(document, list):
        rows = list(enumerate(document))
    else:
        rows = []
    for key, value in rows:
        found += _places(value, (*above, key))
    return found


def _replaced(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    """A copy of `document` with `value` at `place`, or without the value there."""
    if not place:
        return {} if value is _DELETED else value
    key, *rest = place
    copied = dict(document) if isinstance(document, dict) else list(document)
    if not rest and value is _DELETED:
        del copied[key]
    else:
        copied[key] = _replaced(document[key], tuple(rest), value)
    return copied


def _text(document: Any) -> bytes:
    """JSON, with the names that Python and JavaScript use for values that JSON has not: NaN, Infinity, lone surrogates."""
    return json.dumps(document).encode()


def _with_twin(document: dict[str, Any], key: str, value: str) -> bytes:
    """`document` with `key` given twice, the second time with `value`."""
    whole = json.dumps(document)
    return f"{whole[:-1]}, {json.dumps(key)}: {value}}}".encode()


def _topics(topic: str) -> Iterator[str]:
    yield from _HOSTILE_TOPICS
    levels = topic.split("/")
    for position in range(len(levels)):
        yield "/".join(levels[:position] + levels[position + 1 :])
        for hostile in _HOSTILE_LEVELS:
            yield "/".join([*levels[:position], hostile, *levels[position + 1 :]])
    yield from (topic + "/more", "/" + topic, topic + "/", topic.upper(), topic[::-1])

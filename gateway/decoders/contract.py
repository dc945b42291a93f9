"""What a decoder is, and the two ways in which it may end.

A decoder is a pure function from one message to a list of observations. An empty list is a fine answer
(the message is well formed and says nothing that Wayside keeps); `DecodeError` is the other one.
Nothing else may come out, whatever bytes go in: `checks.check_decoder()` holds every decoder to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, NoReturn

import msgspec

from gateway.core import limits
from gateway.core.types import Message, Observation

Reason = Literal["not_text", "not_json", "too_large", "wrong_shape", "missing_field", "out_of_range", "unknown_kind", "wrong_topic"]
"""Why a message was refused. A closed list: these are the labels of a counter."""

Keys = Mapping[str, bytes]
"""12 lower-case hex digits of a MAC address -> the 12 or 16 bytes of its AES key."""

NO_KEYS: Keys = MappingProxyType({})

UNSTATED = "unstated"
"""The hearer or device that a message does not name, not even by its topic.

No map of scanners or devices can hold it, so what it says places nobody; the rest of the message is kept.
"""


class DecodeError(ValueError):
    """The message is not what its format allows. `detail` names the field and the rule, never its value."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail


class Decoder(NamedTuple):
    """One wire format.

    `topics` are the MQTT filters on which products publish it by default: they tell the format of a
    message for which no source was configured. A decoder without a usual topic is only ever named.
    `decode_with` is there where devices may encrypt what they say, and takes their keys beside the message.
    """

    name: str
    topics: tuple[str, ...]
    decode: Callable[[Message], list[Observation]]
    decode_with: Callable[[Message, Keys], list[Observation]] | None = None

    def keyed(self, keys: Keys) -> Decoder:
        """This decoder for a source whose devices have `keys`; `ValueError` where the format encrypts nothing."""
        decode_with = self.decode_with
        if decode_with is None:
            raise ValueError(f"{self.name} messages are never encrypted: keys are of no use")
        return self._replace(decode=lambda message: decode_with(message, keys))


def refuse(reason: Reason, detail: str) -> NoReturn:
    """Raise `DecodeError`; one word shorter where it is read."""
    raise DecodeError(reason, detail)


def parse_json(payload: bytes, decoder: msgspec.json.Decoder[Any] | None = None) -> Any:
    """Parse a JSON payload once, bounded in size; `decoder` checks the shape in the same pass.

    msgspec refuses invalid UTF-8, NaN, Infinity, trailing bytes and nesting beyond the interpreter's
    limit; the bounds it does not know (length of texts, huge integers) are checked where values are used.
    A `decoder` builds only what it declares and skips the rest, so nesting is bounded where there is none.
    """
    if len(payload) > limits.PAYLOAD_BYTES_MAX:
        refuse("too_large", f"payload over {limits.PAYLOAD_BYTES_MAX} bytes")
    if decoder is None and _is_too_deep(payload):
        refuse("too_large", f"nested over {limits.JSON_DEPTH_MAX} deep")
    try:
        return (decoder or _ANY).decode(payload)
    except msgspec.ValidationError as error:
        _refuse_shape(str(error))
    except msgspec.DecodeError as error:
        refuse("not_json", str(error)[:200])
    except UnicodeDecodeError:
        refuse("not_text", "payload is not UTF-8")
    except RecursionError:
        refuse("wrong_shape", "nested too deep")


_TEXTS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)  # whole ones, also cut off ones: linear
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_RSSI_DBM = (-127.0, -1.0)
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_SHAPE_REASONS: tuple[tuple[str, Reason], ...] = (
    ("missing required field", "missing_field"),
    ("of length", "too_large"),
    ("out of range", "out_of_range"),
    (" >= ", "out_of_range"),
    (" <= ", "out_of_range"),
)


def _is_too_deep(payload: bytes) -> bool:
    """Whether arrays and objects stand deeper in each other than any format needs; most payloads have too few to."""
    if payload.count(b"[") + payload.count(b"{") <= limits.JSON_DEPTH_MAX:
        return False
    depth = 0
    for byte in _outside_texts(payload).translate(None, _NO_BRACKETS):
        depth += (byte in b"[{") - (byte in b"]}")
        if depth > limits.JSON_DEPTH_MAX:
            return True
    return False


def _outside_texts(payload: bytes) -> bytes:
    """What is not between quotes; where none is escaped, every other piece."""
    return _TEXTS.sub(b"", payload) if b"\\" in payload else b"".join(payload.split(b'"')[::2])


def _refuse_shape(said: str) -> NoReturn:
    """Sort what msgspec found wrong into our reasons, without the value that it may quote."""
    if said.startswith("Invalid"):  # "Invalid enum value 'anything a stranger sent' - at `$.kind`"
        refuse("unknown_kind", f"value not on the list - at {said.rpartition(' - at ')[2][:200]}")
    for words, reason in _SHAPE_REASONS:
        if words in said:
            refuse(reason, said[:200])
    refuse("wrong_shape", said[:200])


def text(value: object, field: str) -> str:
    """A short, printable, non-empty text, or `DecodeError`."""
    if not isinstance(value, str) or not value:
        refuse("missing_field", f"{field} must be a text")
    if len(value) > limits.TEXT_CHARS_MAX:
        refuse("too_large", f"{field} over {limits.TEXT_CHARS_MAX} characters")
    if not value.isprintable():
        refuse("out_of_range", f"{field} holds control characters")
    return value


def number(value: object, field: str, low: float, high: float) -> float:
    """A finite number within [low, high] (bool is not one), or `DecodeError`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        refuse("wrong_shape", f"{field} must be a number")
    if not low <= value <= high:  # False for NaN; compares integers of any size without converting them
        refuse("out_of_range", f"{field} outside {low:g}..{high:g}")
    return float(value)


def rssi(value: object, field: str = "rssi") -> float:
    """A received signal strength in dBm: -127..-1. 127 and 0 are the radios' words for "not measured"."""
    return number(value, field, *_RSSI_DBM)


def optional(value: object, low: float, high: float) -> float | None:
    """A number within [low, high], or `None`: for what only refines a message, or is one of many in it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        return None
    return float(value)


def measured(value: object) -> float | None:
    """A received signal strength as `rssi()` takes it, or `None` where none was measured."""
    return optional(value, *_RSSI_DBM)


def power(value: object) -> float | None:
    """A transmit power in dBm, or `None` where none was stated: it only refines a distance."""
    return optional(value, -127.0, 20.0)


def bounded(observations: list[Observation]) -> list[Observation]:
    """`observations` again, or `DecodeError`: one message may not fill the house."""
    if len(observations) > limits.OBSERVATIONS_PER_MESSAGE_MAX:
        refuse("too_large", f"over {limits.OBSERVATIONS_PER_MESSAGE_MAX} observations")
    return observations

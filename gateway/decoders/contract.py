"""The contract of a decoder: one message in, a list of observations out, or DecodeError.

A decoder is a pure function. It returns an empty list for a message that is well formed and holds nothing that Wayside
keeps, and raises `DecodeError` for one that its format does not allow; no other exception, whichever bytes it is given.
`conformance.checks.check_decoder()` tests that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, NoReturn

import msgspec

from gateway.core import limits
from gateway.core.strangers import Concern
from gateway.core.types import Message, Observation

Reason = Literal[
    "not_text",
    "not_json",
    "too_large",
    "wrong_shape",
    "missing_field",
    "out_of_range",
    "unknown_kind",
    "wrong_topic",
    "codec_time",
    "codec_memory",
    "codec_error",
    "codec_result",
    "codec_stopped",
]
"""Why a message was refused: a closed list, as these are the labels of a counter."""

Keys = Mapping[str, bytes]
"""12 lower-case hex digits of a MAC address -> the 12 or 16 bytes of its AES key."""

NO_KEYS: Keys = MappingProxyType({})

UNSTATED = "unstated"
"""The scanner or device of a message that names none, neither in its topic nor in its payload.

It may not stand in the settings (zones, devices), so its sightings place no person; its other observations are kept.
"""


Role = Literal["device", "scanner", "bridge"]
"""Of which ids a message may speak.

`device`: of the speaker in its topic and of the speaker's parts (`{speaker}/2`). `scanner`: of the speaker, which hears, and of the radios
that it heard. `bridge`: of all devices behind it, which the payload names; only the bridge may be allowed to publish on its topics.
"""

Kind = Literal[
    "sighting",
    "position",
    "reading",
    "count",
    "status",
    "purchase",
    "answer",
    "consent",
    "request",
    "wishes",
    "incident",
    "redeemed",
    "contact",
    "withdrawn",
    "played",
    "event",
]
"""A kind of observation, by its tag."""

MEASURED: frozenset[Kind] = frozenset({"reading", "count", "status"})
HEARD: frozenset[Kind] = MEASURED | {"sighting"}
PLACED: frozenset[Kind] = MEASURED | {"position"}


class DecodeError(ValueError):
    """A message that its format does not allow. `detail` names the field and the rule, never the value that was sent."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail


class Decoder(NamedTuple):
    """One wire format.

    `topics` are the MQTT filters on which products publish it by default; such a topic chooses the decoder of a message
    without a configured source. A decoder without a usual topic has none and is only chosen by name. `decode_with`
    takes the keys of devices beside the message, for formats that may be encrypted.

    `speakers` are templates of the usual topics (see `speakers.py`) and `role` states of which ids a message may speak. `kinds` are the
    kinds of observations that the format may make; a gateway drops others. A message names its speaker in its topic alone: a decoder
    may take a device from the payload only as a bridge, as a radio that was heard, or where the message has no topic (a file, HTTP).
    `fresh` makes a decoder that remembers descriptions of devices (names of aliases, places of values), bounded; a gateway has one of each
    such format, and without it `decode` knows nothing of earlier messages.

    Two more functions are for formats with many sightings. `concern` is the radio or device that the levels of a topic state, for topics
    whose messages place that one only. `at` returns a function that decodes the payloads of one topic, as `decode` does, with everything
    that follows from the topic worked out; it raises DecodeError for a wrong topic.

    `requires` are the modules of optional libraries; a source of the format is refused without them.
    """

    name: str
    topics: tuple[str, ...]
    decode: Callable[[Message], list[Observation]]
    decode_with: Callable[[Message, Keys], list[Observation]] | None = None
    speakers: tuple[str, ...] = ()
    role: Role = "bridge"
    kinds: frozenset[Kind] = MEASURED
    decode_coded: Callable[[Message, Any], list[Observation]] | None = None
    fresh: Callable[[], Decoder] | None = None
    concern: Callable[[Sequence[str]], Concern | None] | None = None
    at: Callable[[str], Callable[[bytes], list[Observation]]] | None = None
    requires: tuple[str, ...] = ()

    def coded(self, codecs: Any) -> Decoder:
        """This decoder with the codecs of LoRaWAN devices, where it reads uplinks; otherwise the decoder itself."""
        decode_coded = self.decode_coded
        return self if decode_coded is None else self._replace(decode=lambda message: decode_coded(message, codecs))

    def remembering(self) -> Decoder:
        """A decoder of its own that remembers descriptions, where the format has some; otherwise the decoder itself."""
        return self if self.fresh is None else self.fresh()

    def keyed(self, keys: Keys) -> Decoder:
        """This decoder for a source whose devices have `keys`. Raises ValueError where the format is never encrypted."""
        decode_with = self.decode_with
        if decode_with is None:
            raise ValueError(f"{self.name} messages are never encrypted: remove the keys of this source")
        return self._replace(decode=lambda message: decode_with(message, keys))


def refuse(reason: Reason, detail: str) -> NoReturn:
    """Raise DecodeError."""
    raise DecodeError(reason, detail)


def check_size(payload: bytes) -> None:
    """Raise DecodeError("too_large") above PAYLOAD_BYTES_MAX."""
    if len(payload) > limits.PAYLOAD_BYTES_MAX:
        refuse("too_large", f"the payload is larger than {limits.PAYLOAD_BYTES_MAX} bytes")


def parse_json(payload: bytes, decoder: msgspec.json.Decoder[Any] | None = None) -> Any:
    """The JSON value of `payload`; `decoder` (of msgspec) checks its shape in the same pass.

    Raises DecodeError: "too_large" above PAYLOAD_BYTES_MAX or JSON_DEPTH_MAX, "not_text" for invalid UTF-8, "not_json"
    for everything else that is not JSON (NaN, Infinity and trailing bytes too), and where `decoder` refuses the shape,
    "missing_field", "out_of_range", "unknown_kind", "too_large" or "wrong_shape".

    A `decoder` builds only the fields that it declares and skips the rest, so nesting is bounded only without one.
    """
    if len(payload) > limits.PAYLOAD_BYTES_MAX:
        check_size(payload)
    if decoder is None and _is_too_deep(payload):
        refuse("too_large", f"JSON is nested deeper than {limits.JSON_DEPTH_MAX} levels")
    try:
        return (decoder or _ANY).decode(payload)
    except msgspec.ValidationError as error:
        _refuse_shape(str(error))
    except msgspec.DecodeError as error:
        refuse("not_json", str(error)[:200])
    except UnicodeDecodeError:
        refuse("not_text", "the payload must be UTF-8")
    except RecursionError:
        refuse("wrong_shape", "JSON is nested too deep")


_TEXTS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)  # complete ones and ones that are cut off; takes linear time
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
    """Whether arrays and objects are nested deeper than JSON_DEPTH_MAX. Most payloads have fewer brackets than that."""
    if payload.count(b"[") + payload.count(b"{") <= limits.JSON_DEPTH_MAX:
        return False
    depth = 0
    for byte in _outside_texts(payload).translate(None, _NO_BRACKETS):
        depth += (byte in b"[{") - (byte in b"]}")
        if depth > limits.JSON_DEPTH_MAX:
            return True
    return False


def _outside_texts(payload: bytes) -> bytes:
    """The payload without its texts. Where no quote is escaped, that is every other part between quotes."""
    return _TEXTS.sub(b"", payload) if b"\\" in payload else b"".join(payload.split(b'"')[::2])


def _refuse_shape(found: str) -> NoReturn:
    """Refuse with the reason that msgspec's error message stands for, without the value that it may quote."""
    if found.startswith("Invalid"):  # "Invalid enum value 'anything' - at `$.kind`"
        refuse("unknown_kind", f"not one of the allowed values - at {found.rpartition(' - at ')[2][:200]}")
    for phrase, reason in _SHAPE_REASONS:
        if phrase in found:
            refuse(reason, found[:200])
    refuse("wrong_shape", found[:200])


def text(value: object, field: str) -> str:
    """`value`, where it is a text of 1 to TEXT_CHARS_MAX printable characters.

    Raises DecodeError: "missing_field" for no text or an empty one, "too_large", "out_of_range" for control characters.
    """
    if not isinstance(value, str) or not value:
        refuse("missing_field", f"{field} must be a text that is not empty")
    if len(value) > limits.TEXT_CHARS_MAX:
        refuse("too_large", f"{field} is longer than {limits.TEXT_CHARS_MAX} characters")
    if not value.isprintable():
        refuse("out_of_range", f"{field} contains characters that cannot be printed")
    return value


def number(value: object, field: str, low: float, high: float) -> float:
    """`value` as a float, where it is a number within [low, high].

    Raises DecodeError: "wrong_shape" for no number (a boolean is none), "out_of_range" for another number and NaN.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        refuse("wrong_shape", f"{field} must be a number")
    if not low <= value <= high:  # False for NaN; compares integers of any size without conversion
        refuse("out_of_range", f"{field} must be within {low:g}..{high:g}")
    return float(value)


def rssi(value: object, field: str = "rssi") -> float:
    """A received signal strength in dBm, -127..-1: radios report 127 or 0 for a missing measurement.

    Raises DecodeError as `number()` does.
    """
    return number(value, field, *_RSSI_DBM)


def number_or_none(value: object, low: float, high: float) -> float | None:
    """`value` as a float, where it is a number within [low, high], or `None`: for fields that a message can do without."""
    if type(value) is float:
        return value if low <= value <= high else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        return None
    return float(value)


def rssi_or_none(value: object) -> float | None:
    """A received signal strength as in `rssi()`, or `None` where none was measured."""
    return number_or_none(value, *_RSSI_DBM)


def tx_power_or_none(value: object) -> float | None:
    """A transmit power in dBm, -127..20, or `None`: it only refines a distance."""
    return number_or_none(value, -127.0, 20.0)


def bounded(observations: list[Observation]) -> list[Observation]:
    """`observations`. Raises DecodeError("too_large") above OBSERVATIONS_PER_MESSAGE_MAX."""
    if len(observations) > limits.OBSERVATIONS_PER_MESSAGE_MAX:
        refuse("too_large", f"the message holds more than {limits.OBSERVATIONS_PER_MESSAGE_MAX} observations")
    return observations

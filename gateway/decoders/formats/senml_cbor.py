"""SenML in CBOR (`application/senml+cbor`, RFC 8428 section 6); `senml.py` knows what a pack means.

Records are maps with small numbers for the field names. CBOR can say far more than SenML needs, and some of it
costs whoever reads it: regular expressions, references to itself, numbers with a billion digits. So of all tags only the
decimal fraction is let through, which the RFC names; depth, size and repeated keys are bounded by the library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from gateway.core import limits
from gateway.core.types import Message, Observation
from gateway.decoders.contract import Decoder, refuse
from gateway.decoders.formats.senml import pack_observations

_DEPTH_MAX = 2  # an array of maps of plain values
# Decimal fractions and fields that nobody knows nest deeper. So may keys, and thousands of them can be made to share one
# hash (-1 and -2 do), which costs the square of their number: a third of a second at 64 kB, four milliseconds at this size.
_NESTED_BYTES_MAX = 4_096
_NESTED_DEPTH_MAX = 4
_DECIMAL_FRACTION = 4
_LABELS: dict[int, str] = {
    -1: "bver",
    -2: "bn",
    -3: "bt",
    -4: "bu",
    -5: "bv",
    -6: "bs",
    0: "n",
    1: "u",
    2: "v",
    3: "vs",
    4: "vb",
    5: "s",
    6: "t",
    7: "ut",
    8: "vd",
}


class _Tags(Mapping[int, Callable[[Any], Any]]):
    """What the library asks for a tag's reader: every tag but one is refused before its content is looked at."""

    def __getitem__(self, tag: int) -> Callable[[Any], Any]:
        if tag == _DECIMAL_FRACTION:
            raise KeyError(tag)
        return _refuse_tag

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 1


def _refuse_tag(_: Any) -> None:
    raise ValueError("a tag that SenML does not have")


_TAGS = _Tags()


def decode(message: Message) -> list[Observation]:
    """The measurements of one pack."""
    # Imported on first use: only sources that speak CBOR pay for it.
    from cbor2 import CBORDecodeError, loads  # noqa: PLC0415

    if len(message.payload) > limits.PAYLOAD_BYTES_MAX:
        refuse("too_large", f"payload over {limits.PAYLOAD_BYTES_MAX} bytes")
    try:
        pack = loads(
            message.payload,
            max_depth=_NESTED_DEPTH_MAX if len(message.payload) <= _NESTED_BYTES_MAX else _DEPTH_MAX,
            allow_duplicate_keys=False,
            semantic_decoders=_TAGS,
        )
    except CBORDecodeError:
        refuse("wrong_shape", "payload is not a SenML pack in CBOR")
    except UnicodeDecodeError:
        refuse("not_text", "a text is not UTF-8")
    if not isinstance(pack, list):
        refuse("wrong_shape", "a pack is an array of one or more records")
    return pack_observations([_record(said) for said in pack], message.received_at_ms)


def _record(said: object) -> object:
    """A map with JSON's field names; fields that nobody knows are left out, unless they must be understood."""
    if not isinstance(said, dict):
        return said
    return {name: _plain(value) for key, value in said.items() if (name := _field(key)) is not None}


def _field(key: object) -> str | None:
    if isinstance(key, int) and not isinstance(key, bool):
        return _LABELS.get(key)
    return key if isinstance(key, str) else None


def _plain(value: object) -> object:
    """A decimal fraction as a float; one beyond every float is infinite and refused as such."""
    return float(value) if isinstance(value, Decimal) else value


DECODER = Decoder("senml_cbor", (), decode)

"""SenML in CBOR (`application/senml+cbor`, RFC 8428 section 6); `senml.py` reads the pack.

Records are maps with small integers as field names. CBOR has more than SenML needs, and some of it is expensive to
decode: regular expressions, references, numbers of a billion digits. So the only tag that is accepted is the decimal
fraction, which the RFC names; the library bounds depth, size and repeated keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from gateway.core.types import Message, Observation
from gateway.decoders.contract import PLACED, Decoder, check_size, refuse
from gateway.decoders.formats.senml import pack_observations

_DEPTH_MAX = 2  # an array of maps of plain values
# Decimal fractions and unknown fields are nested deeper. Keys may be nested too, and thousands of keys can be made to share one
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
    """The tag decoders for the library: every tag but one is refused before its content is decoded."""

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
    """The observations of one pack.

    Raises DecodeError: "too_large", "not_text", "wrong_shape" for CBOR that is not a pack, and as `pack_observations()`
    does.
    """
    # Imported on first use: only sources with CBOR need it.
    from cbor2 import CBORDecodeError, loads  # noqa: PLC0415

    check_size(message.payload)
    try:
        pack = loads(
            message.payload,
            max_depth=_NESTED_DEPTH_MAX if len(message.payload) <= _NESTED_BYTES_MAX else _DEPTH_MAX,
            allow_duplicate_keys=False,
            semantic_decoders=_TAGS,
        )
    except CBORDecodeError:
        refuse("wrong_shape", "the payload must be a SenML pack in CBOR")
    except UnicodeDecodeError:
        refuse("not_text", "texts must be UTF-8")
    if not isinstance(pack, list):
        refuse("wrong_shape", "a pack must be an array of one or more records")
    return pack_observations([_record(record) for record in pack], message.received_at_ms)


def _record(record: object) -> object:
    """A map with JSON's field names; unknown fields are left out, unless they must be understood."""
    if not isinstance(record, dict):
        return record
    return {name: _plain(value) for key, value in record.items() if (name := _field(key)) is not None}


def _field(key: object) -> str | None:
    if isinstance(key, int) and not isinstance(key, bool):
        return _LABELS.get(key)
    return key if isinstance(key, str) else None


def _plain(value: object) -> object:
    """A decimal fraction as a float; one beyond the range of floats becomes infinite and is refused later."""
    return float(value) if isinstance(value, Decimal) else value


DECODER = Decoder("senml_cbor", (), decode, kinds=PLACED, requires=("cbor2",))

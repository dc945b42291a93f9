"""SenML in XML (`application/senml+xml`, RFC 8428 section 7); `senml.py` reads the pack.

A `sensml` element holds `senml` elements whose attributes are the fields.
"""

from __future__ import annotations

from gateway.core.types import Message, Observation
from gateway.decoders.contract import PLACED, Decoder, refuse
from gateway.decoders.formats.senml import pack_observations
from gateway.decoders.values.text_payload import decimal_or_none
from gateway.decoders.values.xml_payload import root_of

_NAMESPACE = "{urn:ietf:params:xml:ns:senml}"
_NUMBERS = frozenset({"bt", "bv", "bs", "v", "s", "t", "ut"})
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def decode(message: Message) -> list[Observation]:
    """The observations of one pack.

    Raises DecodeError: "wrong_shape" for another element, and as `root_of()` and `pack_observations()` do.
    """
    root = root_of(message.payload)
    if root.tag != _NAMESPACE + "sensml":
        refuse("wrong_shape", "the outermost element must be sensml")
    if any(record.tag != _NAMESPACE + "senml" for record in root):
        refuse("wrong_shape", "every element of a pack must be senml")
    return pack_observations([_record(dict(record.attrib)) for record in root], message.received_at_ms)


def _record(attributes: dict[str, str]) -> dict[str, object]:
    return {field: _typed(field, value) for field, value in attributes.items()}


def _typed(field: str, value: str) -> object:
    """An attribute in the type of its field."""
    if field == "vb":
        return _TRUTH.get(value, value)
    if field == "bver":
        return int(value) if value.isascii() and value.isdigit() and len(value) < 5 else value
    if field not in _NUMBERS:
        return value
    amount = decimal_or_none(value)
    return value if amount is None else amount


DECODER = Decoder("senml_xml", (), decode, kinds=PLACED, requires=("defusedxml",))

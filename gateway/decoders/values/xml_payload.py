"""XML payloads (of SenML and ThingPark), bounded before parsing.

A document type, and with it every entity, is refused: these formats need none, and entity expansion is how a small
document becomes a huge one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core import limits
from gateway.decoders.contract import check_size, refuse


def root_of(payload: bytes) -> Any:
    """The outermost element.

    Raises DecodeError: "too_large" above PAYLOAD_BYTES_MAX or JSON_DEPTH_MAX, "not_text" for invalid UTF-8,
    "wrong_shape" for XML that is not well formed or has a document type, and without the library for XML.
    """
    # Imported on first use: only sources with XML need it, and formats that are JSON as a rule have it rarely.
    try:
        from defusedxml.common import DefusedXmlException  # noqa: PLC0415
        from defusedxml.ElementTree import ParseError, fromstring  # noqa: PLC0415
    except ImportError:
        refuse("wrong_shape", "XML needs the library defusedxml: install wayside[formats]")

    check_size(payload)
    try:
        root = fromstring(payload.decode(), forbid_dtd=True)
    except UnicodeDecodeError:
        refuse("not_text", "the payload must be UTF-8")
    except DefusedXmlException:
        refuse("wrong_shape", "XML with a document type or an entity is not accepted")
    except (ParseError, LookupError, ValueError):
        refuse("wrong_shape", "the payload must be well-formed XML")
    if _is_too_deep(root):
        refuse("too_large", f"XML is nested deeper than {limits.JSON_DEPTH_MAX} levels")
    return root


def local_name(tag: str) -> str:
    """The name of an element without its namespace."""
    return tag.rpartition("}")[2]


def _is_too_deep(root: Any) -> bool:
    """Whether elements are nested deeper than JSON_DEPTH_MAX; counted layer by layer, without recursion."""
    layer: list[Any] = [root]
    for _ in range(limits.JSON_DEPTH_MAX):
        layer = [*_below(layer)]
        if not layer:
            return False
    return True


def _below(layer: list[Any]) -> Iterator[Any]:
    return (child for element in layer for child in element)

"""XML from strangers: bounded before it is read, and without a document type.

Two formats can come as XML (SenML's, ThingPark's). A document type, and with it every kind of entity, is refused
before it is read: nothing that these formats say needs one, and a bomb does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core import limits
from gateway.decoders.contract import refuse


def root_of(payload: bytes) -> Any:
    """The outermost element, or `DecodeError`."""
    # Imported on first use: only sources that speak XML pay for it.
    from defusedxml.common import DefusedXmlException  # noqa: PLC0415
    from defusedxml.ElementTree import ParseError, fromstring  # noqa: PLC0415

    if len(payload) > limits.PAYLOAD_BYTES_MAX:
        refuse("too_large", f"payload over {limits.PAYLOAD_BYTES_MAX} bytes")
    try:
        root = fromstring(payload.decode(), forbid_dtd=True)
    except UnicodeDecodeError:
        refuse("not_text", "payload is not UTF-8")
    except DefusedXmlException:
        refuse("wrong_shape", "a document type or an entity: no format here has one")
    except (ParseError, LookupError, ValueError):
        refuse("wrong_shape", "payload is not well-formed XML")
    if _is_too_deep(root):
        refuse("too_large", f"nested over {limits.JSON_DEPTH_MAX} deep")
    return root


def local_name(tag: str) -> str:
    """The name of an element without its namespace."""
    return tag.rpartition("}")[2]


def _is_too_deep(root: Any) -> bool:
    """Whether elements stand deeper in each other than any format needs; layer by layer, as bombs are deep."""
    layer: list[Any] = [root]
    for _ in range(limits.JSON_DEPTH_MAX):
        layer = [*_below(layer)]
        if not layer:
            return False
    return True


def _below(layer: list[Any]) -> Iterator[Any]:
    return (child for element in layer for child in element)

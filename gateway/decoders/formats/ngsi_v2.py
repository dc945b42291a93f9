"""NGSI v2: context information of FIWARE (https://fiware.github.io/specifications/ngsiv2/stable/).

Entities come alone, in arrays, in notifications (`data`) and in batches (`entities`), normalized
(`{"value": 12.5, "type": "Number", "metadata": {…}}`) or as key-values (`12.5`). What they mean is in
`ngsi.py`. The topic of a notification is chosen by whoever subscribes, so there is none by default.
"""

from __future__ import annotations

from typing import Any

from gateway.core.types import Message, Observation
from gateway.decoders.contract import Decoder, parse_json, refuse
from gateway.decoders.formats.ngsi import Attribute, Entity, observed

_ENVELOPES = ("data", "entities")


def decode(message: Message) -> list[Observation]:
    """Readings, counts, positions and signs of life of all entities in a message."""
    said = parse_json(message.payload)
    if isinstance(said, dict) and "id" not in said:
        said = next((said[name] for name in _ENVELOPES if name in said), said)
    return observed([_entity(one) for one in (said if isinstance(said, list) else [said])])


def _entity(said: Any) -> Entity:
    if not isinstance(said, dict):
        refuse("wrong_shape", "an entity must be an object")
    return Entity(said.get("id"), said.get("type"), said, _attribute)


def _attribute(stated: Any) -> Attribute:
    if not isinstance(stated, dict) or "value" not in stated:
        return Attribute(stated)
    metadata = stated.get("metadata")
    return Attribute(stated["value"], _metadata(metadata, "timestamp"), _metadata(metadata, "unitCode"))


def _metadata(metadata: Any, name: str) -> object:
    found = metadata.get(name) if isinstance(metadata, dict) else None
    return found.get("value") if isinstance(found, dict) else None


DECODER = Decoder("ngsi_v2", (), decode)

"""NGSI v2: context information of FIWARE (https://fiware.github.io/specifications/ngsiv2/stable/).

Entities come alone, in arrays, in notifications (`data`) and in batches (`entities`), normalized (`{"value": 12.5,
"type": "Number", "metadata": {…}}`) or as key-values (`12.5`). `ngsi.py` reads the entities. The subscriber chooses the
topic, so there is no default one.
"""

from __future__ import annotations

from typing import Any

from gateway.core.types import Message, Observation
from gateway.decoders.contract import PLACED, Decoder, parse_json, refuse
from gateway.decoders.formats.ngsi import Attribute, Entity, entity_observations

_ENVELOPES = ("data", "entities")


def decode(message: Message) -> list[Observation]:
    """The readings, counts, positions and statuses of all entities in a message.

    Raises DecodeError: "wrong_shape" where an entity is no object, and as `entity_observations()` does.
    """
    document = parse_json(message.payload)
    if isinstance(document, dict) and "id" not in document:
        document = next((document[name] for name in _ENVELOPES if name in document), document)
    return entity_observations([_entity(one) for one in (document if isinstance(document, list) else [document])])


def _entity(document: Any) -> Entity:
    if not isinstance(document, dict):
        refuse("wrong_shape", "an entity must be an object")
    return Entity(document.get("id"), document.get("type"), document, _attribute)


def _attribute(stated: Any) -> Attribute:
    if not isinstance(stated, dict) or "value" not in stated:
        return Attribute(stated)
    metadata = stated.get("metadata")
    return Attribute(stated["value"], _metadata(metadata, "timestamp"), _metadata(metadata, "unitCode"))


def _metadata(metadata: Any, name: str) -> object:
    found = metadata.get(name) if isinstance(metadata, dict) else None
    return found.get("value") if isinstance(found, dict) else None


DECODER = Decoder("ngsi_v2", (), decode, kinds=PLACED | {"event"})

"""NGSI-LD: context information of ETSI (GS CIM 009).

Entities come alone, in arrays (also as the body of a batch operation), in notifications (`data`, by MQTT below `body`),
as the `@graph` of a JSON-LD document, and as GeoJSON features or feature collections; normalized (`{"type": "Property",
"value": 12.5, "observedAt": …}`), concise or simplified (`12.5`). Of several instances of an attribute the first is
read; relationships are not. `ngsi.py` reads the entities. The subscriber chooses the topic, so there is no default one.
"""

from __future__ import annotations

from typing import Any

from gateway.core.types import Message, Observation
from gateway.decoders.contract import PLACED, Decoder, parse_json, refuse
from gateway.decoders.formats.ngsi import Attribute, Entity, entity_observations

_FEATURE, _FEATURES, _GRAPH = "Feature", "FeatureCollection", "@graph"


def decode(message: Message) -> list[Observation]:
    """The readings, counts, positions and statuses of all entities in a message.

    Raises DecodeError: "wrong_shape" where an entity is no object, "missing_field", and as `entity_observations()`
    does.
    """
    return entity_observations([_entity(one) for one in _entities(parse_json(message.payload))])


def _entities(document: Any) -> list[Any]:
    """The entities in a message, without the envelopes."""
    if isinstance(document, dict) and isinstance(document.get("body"), dict):
        document = document["body"]
    if isinstance(document, dict) and document.get("type") == "Notification":
        document = document.get("data")
    if isinstance(document, dict) and document.get("type") == _FEATURES:
        document = document.get("features")
    if isinstance(document, dict) and "id" not in document and _GRAPH in document:
        document = document[_GRAPH]
    return document if isinstance(document, list) else [document]


def _entity(document: Any) -> Entity:
    if not isinstance(document, dict):
        refuse("wrong_shape", "an entity must be an object")
    stated: dict[str, Any] = document
    kind = document.get("type", document.get("@type"))
    if kind == _FEATURE:
        stated = _feature(document)
        kind = stated.get("type")
    if isinstance(kind, list) and kind:
        kind = kind[0]
    return Entity(document.get("id", document.get("@id")), kind, stated, _attribute)


def _feature(document: dict[str, Any]) -> dict[str, Any]:
    """The properties of a GeoJSON feature; its geometry is the location unless the properties hold one."""
    stated = document.get("properties")
    if not isinstance(stated, dict):
        refuse("missing_field", "properties of a feature must be an object")
    return stated if "location" in stated else {**stated, "location": document.get("geometry")}


def _attribute(stated: Any) -> Attribute:
    if isinstance(stated, list) and any(isinstance(one, dict) and "datasetId" in one for one in stated):
        stated = stated[0]
    if not isinstance(stated, dict) or "value" not in stated:
        return Attribute(stated)
    return Attribute(stated["value"], stated.get("observedAt"), stated.get("unitCode"))


DECODER = Decoder("ngsi_ld", (), decode, kinds=PLACED | {"event"})

"""NGSI-LD: context information of ETSI (GS CIM 009).

Entities come alone, in arrays (also as the body of a batch operation), in notifications (`data`, by MQTT below
`body`), as the `@graph` of a JSON-LD document and as GeoJSON features or collections of them; normalized
(`{"type": "Property", "value": 12.5, "observedAt": …}`), concise or simplified (`12.5`). Of several instances of an
attribute the first counts; a relationship measures nothing. What entities mean is in `ngsi.py`. The topic of a
notification is chosen by whoever subscribes.
"""

from __future__ import annotations

from typing import Any

from gateway.core.types import Message, Observation
from gateway.decoders.contract import Decoder, parse_json, refuse
from gateway.decoders.formats.ngsi import Attribute, Entity, observed

_FEATURE, _FEATURES, _GRAPH = "Feature", "FeatureCollection", "@graph"


def decode(message: Message) -> list[Observation]:
    """Readings, counts, positions and signs of life of all entities in a message."""
    return observed([_entity(one) for one in _entities(parse_json(message.payload))])


def _entities(said: Any) -> list[Any]:
    """What stands in the envelopes, from the outermost to the innermost."""
    if isinstance(said, dict) and isinstance(said.get("body"), dict):
        said = said["body"]
    if isinstance(said, dict) and said.get("type") == "Notification":
        said = said.get("data")
    if isinstance(said, dict) and said.get("type") == _FEATURES:
        said = said.get("features")
    if isinstance(said, dict) and "id" not in said and _GRAPH in said:
        said = said[_GRAPH]
    return said if isinstance(said, list) else [said]


def _entity(said: Any) -> Entity:
    if not isinstance(said, dict):
        refuse("wrong_shape", "an entity must be an object")
    stated: dict[str, Any] = said
    kind = said.get("type", said.get("@type"))
    if kind == _FEATURE:
        stated = _feature(said)
        kind = stated.get("type")
    if isinstance(kind, list) and kind:
        kind = kind[0]
    return Entity(said.get("id", said.get("@id")), kind, stated, _attribute)


def _feature(said: dict[str, Any]) -> dict[str, Any]:
    """The properties of a GeoJSON feature, whose geometry is the entity's location unless they have one."""
    stated = said.get("properties")
    if not isinstance(stated, dict):
        refuse("missing_field", "properties of a feature")
    return stated if "location" in stated else {**stated, "location": said.get("geometry")}


def _attribute(stated: Any) -> Attribute:
    if isinstance(stated, list) and any(isinstance(one, dict) and "datasetId" in one for one in stated):
        stated = stated[0]
    if not isinstance(stated, dict) or "value" not in stated:
        return Attribute(stated)
    return Attribute(stated["value"], stated.get("observedAt"), stated.get("unitCode"))


DECODER = Decoder("ngsi_ld", (), decode)

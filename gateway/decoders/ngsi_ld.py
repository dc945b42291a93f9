"""NGSI-LD: context information of ETSI (GS CIM 009).

Entities come alone, in arrays, in notifications (`data`, by MQTT below `body`) and as GeoJSON features or
collections of them; normalized (`{"type": "Property", "value": 12.5, "observedAt": …}`), concise or
simplified (`12.5`). Of several instances of an attribute the first counts; a relationship measures nothing.
What entities mean is in `ngsi.py`. The topic of a notification is chosen by whoever subscribes.
"""

from __future__ import annotations

from typing import Any

from gateway.core.types import Message, Observation
from gateway.decoders.contract import Decoder, parse_json, refuse
from gateway.decoders.ngsi import Attribute, Entity, observed

_NOT_ATTRIBUTES = frozenset({"id", "type", "@context", "@id", "@type", "scope"})
_FEATURE, _FEATURES = "Feature", "FeatureCollection"


def decode(message: Message) -> list[Observation]:
    """Readings, counts, positions and signs of life of all entities in a message."""
    said = parse_json(message.payload)
    if isinstance(said, dict) and isinstance(said.get("body"), dict):
        said = said["body"]
    if isinstance(said, dict) and said.get("type") == "Notification":
        said = said.get("data")
    if isinstance(said, dict) and said.get("type") == _FEATURES:
        said = said.get("features")
    return observed([_entity(one) for one in (said if isinstance(said, list) else [said])])


def _entity(said: Any) -> Entity:
    if not isinstance(said, dict):
        refuse("wrong_shape", "an entity must be an object")
    stated: Any = said
    kind = said.get("type")
    if kind == _FEATURE:
        stated = said.get("properties")
        if not isinstance(stated, dict):
            refuse("missing_field", "properties of a feature")
        kind = stated.get("type")
    if isinstance(kind, list) and kind:
        kind = kind[0]
    attributes = {name: _attribute(value) for name, value in stated.items() if name not in _NOT_ATTRIBUTES}
    return Entity(said.get("id"), kind, attributes)


def _attribute(stated: Any) -> Attribute:
    if isinstance(stated, list) and any(isinstance(one, dict) and "datasetId" in one for one in stated):
        stated = stated[0]
    if not isinstance(stated, dict) or "value" not in stated:
        return Attribute(stated)
    return Attribute(stated["value"], stated.get("observedAt"), stated.get("unitCode"))


DECODER = Decoder("ngsi_ld", (), decode)

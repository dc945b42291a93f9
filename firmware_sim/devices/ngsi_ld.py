"""NGSI-LD: sensor values that a city platform forwards as linked data (ETSI GS CIM 009, Smart Data Models).

Normalized form: every attribute is an object with its own type; units are UN/CEFACT codes. Each platform chooses its topics;
the simulator uses `ngsi-ld/{entity type}/{entity id}`.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from firmware_sim.message import Message

FORMAT = "ngsi_ld"
CONTEXT_FLOW = "https://raw.githubusercontent.com/smart-data-models/dataModel.Transportation/master/context.jsonld"
CONTEXT_WEATHER = "https://raw.githubusercontent.com/smart-data-models/dataModel.Weather/master/context.jsonld"


def crowd(place: str, from_ms: int, until_ms: int, people: int, towards: int, line: list[tuple[float, float]]) -> Message:
    """Number of people that passed between two times; `line` is (longitude, latitude) along the counted way."""
    identity = f"urn:ngsi-ld:CrowdFlowObserved:{place}"
    fields: dict[str, object] = {
        "id": identity,
        "type": "CrowdFlowObserved",
        "averageHeadwayTime": _property(round((until_ms - from_ms) / 1000 / max(1, people))),
        "congested": _property(value=False),
        "dateObserved": _property({"@type": "DateTime", "@value": moment(from_ms)}),
        "dateObservedFrom": _property({"@type": "DateTime", "@value": moment(from_ms)}),
        "dateObservedTo": _property({"@type": "DateTime", "@value": moment(until_ms)}),
        "direction": _property("inbound"),
        "location": {"type": "GeoProperty", "value": {"type": "LineString", "coordinates": [list(point) for point in line]}},
        "peopleCount": _property(people),
        "peopleCountTowards": _property(towards),
        "peopleCountAway": _property(people - towards),
        "@context": [CONTEXT_FLOW],
    }
    return Message(f"ngsi-ld/CrowdFlowObserved/{place}", msgspec.json.encode(fields), FORMAT, "count")


def weather(place: str, at_ms: int, spot: tuple[float, float], temperature_c: float, humidity_pct: float, rain_mm: float) -> Message:
    """Weather at a place; humidity as a share of one and rain in mm of the last hour, as in the WeatherObserved model."""
    fields: dict[str, object] = {
        "id": f"urn:ngsi-ld:WeatherObserved:{place}",
        "type": "WeatherObserved",
        "dateObserved": _property({"@type": "DateTime", "@value": moment(at_ms)}),
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": list(spot)}},
        "precipitation": _property(round(rain_mm, 2)),
        "relativeHumidity": _property(round(humidity_pct / 100, 4)),
        "temperature": _property(round(temperature_c, 2)),
        "@context": [CONTEXT_WEATHER],
    }
    return Message(f"ngsi-ld/WeatherObserved/{place}", msgspec.json.encode(fields), FORMAT, "reading")


def moment(at_ms: int) -> str:
    """ISO 8601 in UTC, whole seconds."""
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _property(value: object) -> dict[str, object]:
    return {"type": "Property", "value": value}

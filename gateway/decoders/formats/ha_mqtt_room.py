"""Home Assistant's `mqtt_room` convention: `{"id", "distance"}` on `room_presence/{room}`.

Several kinds of scanners use it (https://www.home-assistant.io/integrations/mqtt_room/), and some state only the
distance, computed from a signal strength. Presence is decided by signal strength, so without `rssi` the strength is
computed from the distance, for -59 dBm at one metre and a path loss exponent of 3. That keeps the order of near and
far; the level itself is an assumption.
"""

from __future__ import annotations

import math

import msgspec

from gateway.core.types import Message, Observation, Sighting
from gateway.decoders.contract import HEARD, Decoder, number, parse_json, refuse, rssi_or_none, text, tx_power_or_none
from gateway.decoders.values.radio_ids import canonical_id

_DISTANCE_M_MAX = 1_000.0
_AT_1M_DBM = -59.0
_DB_PER_DECADE = 30.0  # path loss exponent 3: rooms with people and walls
_NEAR_M = 0.01  # the least distance


class _Tag(msgspec.Struct, gc=False):
    id: str
    distance: object = None
    rssi: object = None
    txpower: object = None


_TAG = msgspec.json.Decoder(_Tag)


def decode(message: Message) -> list[Observation]:
    """A sighting by the room that is the last level of the topic.

    Raises DecodeError: "missing_field" without an id or a room, "wrong_shape" or "out_of_range" for the distance or
    rssi.
    """
    sent = parse_json(message.payload, _TAG)
    levels = message.topic.split("/")
    if len(levels) < 2:
        refuse("wrong_topic", "the topic must be room_presence/{room}")
    rssi_dbm = rssi_or_none(sent.rssi)
    if rssi_dbm is None and sent.distance is None:
        refuse("missing_field", "distance or rssi is missing")
    distance_m = None if sent.distance is None else number(sent.distance, "distance", 0, _DISTANCE_M_MAX)
    strength = _strength(distance_m) if rssi_dbm is None and distance_m is not None else rssi_dbm
    if strength is None:
        refuse("out_of_range", "rssi must be within -127..-1")
    tag = canonical_id(text(sent.id, "id"))
    return [Sighting(text(levels[-1], "room"), tag, strength, distance_m=distance_m, tx_power_dbm=tx_power_or_none(sent.txpower))]


def _strength(distance_m: float) -> float:
    """The rssi in dBm at such a distance."""
    return round(max(-127.0, min(-1.0, _AT_1M_DBM - _DB_PER_DECADE * math.log10(max(distance_m, _NEAR_M)))), 1)


DECODER = Decoder("ha_mqtt_room", ("room_presence/+",), decode, speakers=("room_presence/{room}",), role="scanner", kinds=HEARD)

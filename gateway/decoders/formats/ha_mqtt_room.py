"""Home Assistant's `mqtt_room` convention: `{"id", "distance"}` on `room_presence/{room}`.

Many hearers speak it (https://www.home-assistant.io/integrations/mqtt_room/), and some leave out everything but
the distance. They computed it from a signal strength, and presence is decided on signal strengths: so without
`rssi` it is computed back with an assumed radio: -59 dBm at one metre, path loss exponent 3. That keeps near before
far; the absolute level is ours, not the hearer's.
"""

from __future__ import annotations

import math

import msgspec

from gateway.core.types import Message, Observation, Sighting
from gateway.decoders.contract import Decoder, measured, number, parse_json, power, refuse, text
from gateway.decoders.values.radio_ids import canonical_id

_DISTANCE_M_MAX = 1_000.0
_AT_1M_DBM = -59.0
_DB_PER_DECADE = 30.0  # path loss exponent 3: rooms with people and walls
_NEAR_M = 0.01  # nearer than a distance can be told


class _Heard(msgspec.Struct, gc=False):
    id: str
    distance: object = None
    rssi: object = None
    txpower: object = None


_HEARD = msgspec.json.Decoder(_Heard)


def decode(message: Message) -> list[Observation]:
    """A sighting by the room of the topic's last level."""
    heard = parse_json(message.payload, _HEARD)
    levels = message.topic.split("/")
    if len(levels) < 2:
        refuse("wrong_topic", "not room_presence/{room}")
    rssi_dbm = measured(heard.rssi)
    if rssi_dbm is None and heard.distance is None:
        refuse("missing_field", "neither distance nor rssi")
    distance_m = None if heard.distance is None else number(heard.distance, "distance", 0, _DISTANCE_M_MAX)
    strength = _strength(distance_m) if rssi_dbm is None and distance_m is not None else rssi_dbm
    if strength is None:
        refuse("out_of_range", "rssi outside -127..-1")
    tag = canonical_id(text(heard.id, "id"))
    return [Sighting(text(levels[-1], "room"), tag, strength, distance_m=distance_m, tx_power_dbm=power(heard.txpower))]


def _strength(distance_m: float) -> float:
    """The strength that such a distance was made of, in dBm."""
    return round(max(-127.0, min(-1.0, _AT_1M_DBM - _DB_PER_DECADE * math.log10(max(distance_m, _NEAR_M)))), 1)


DECODER = Decoder("ha_mqtt_room", ("room_presence/+",), decode)

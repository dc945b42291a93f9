"""room-assistant: several Raspberry Pis that agree on the room a Bluetooth tag is in (https://www.room-assistant.io).

Each entity is published whole on `room-assistant/entity/{instance}/{integration}/{entity}` whenever anything in
it changes. A tag's entity holds what every instance measured, with a time of its own in `distances`; so each is
a sighting of its time, and those that have not changed are old ones. Other entities say nothing that is kept.
"""

from __future__ import annotations

import msgspec

from gateway.core.types import Message, Observation, Sighting
from gateway.decoders.contract import Decoder, bounded, measured, optional, parse_json, power, refuse, text
from gateway.decoders.values.radio_ids import canonical_id, ibeacon_id
from gateway.decoders.values.times import iso_ms

_TAG_PREFIX = "ble-"
_DISTANCE_M_MAX = 1_000.0


class _Measured(msgspec.Struct, gc=False, rename="camel"):
    rssi: object = None
    measured_power: object = None


class _Distance(msgspec.Struct, gc=False, rename="camel"):
    distance: object = None
    last_updated_at: object = None


class _Entity(msgspec.Struct, gc=False, rename="camel"):
    id: object = None
    measured_values: dict[str, _Measured] = {}
    distances: dict[str, _Distance] = {}


class _Body(msgspec.Struct, gc=False):
    entity: _Entity


_BODY = msgspec.json.Decoder(_Body)
_NO_DISTANCE = _Distance()


def decode(message: Message) -> list[Observation]:
    """A sighting for each instance that measured the tag."""
    entity: _Entity = parse_json(message.payload, _BODY).entity
    if not entity.measured_values:
        return []
    tag = _tag(text(entity.id, "entity.id"))
    sightings = [one for room, said in entity.measured_values.items() if (one := _sighting(room, tag, said, entity)) is not None]
    if not sightings:
        refuse("out_of_range", "no measuredValues with an rssi in -127..-1")
    return bounded([*sightings])


def _sighting(room: str, tag: str, said: _Measured, entity: _Entity) -> Sighting | None:
    rssi_dbm = measured(said.rssi)
    if rssi_dbm is None:
        return None
    distance = entity.distances.get(room, _NO_DISTANCE)
    distance_m = optional(distance.distance, 0, _DISTANCE_M_MAX)
    return Sighting(text(room, "instance"), tag, rssi_dbm, iso_ms(distance.last_updated_at), distance_m, power(said.measured_power))


def _tag(stated: str) -> str:
    """`ble-{MAC}` and `ble-{uuid}-{major}-{minor}` in the house's spelling, any other id as it is."""
    bare = stated.removeprefix(_TAG_PREFIX)
    uuid, _, rest = bare.partition("-")
    major, _, minor = rest.partition("-")
    if major.isdecimal() and minor.isdecimal() and len(rest) <= 11:
        return ibeacon_id(uuid, int(major), int(minor)) or stated
    known = canonical_id(bare)
    return stated if known == bare and len(bare) != 12 else known


DECODER = Decoder("room_assistant", ("room-assistant/entity/#",), decode)

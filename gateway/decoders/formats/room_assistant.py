"""room-assistant: several Raspberry Pis that agree on the room of a Bluetooth tag (https://www.room-assistant.io).

An entity is published whole on `room-assistant/entity/{instance}/{integration}/{entity}` at every change. The entity of
a tag holds the values of every instance, each with its time in `distances`. Each becomes a sighting at that time, so
values that have not changed are old sightings. Other entities give nothing.
"""

from __future__ import annotations

import msgspec

from gateway.core.types import Message, Observation, Sighting
from gateway.decoders.contract import HEARD, Decoder, bounded, number_or_none, parse_json, refuse, rssi_or_none, text, tx_power_or_none
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
    """A sighting for each instance that measured the tag.

    Raises DecodeError: "missing_field" without an id, "out_of_range" where no instance has a measured rssi,
    "wrong_shape", "too_large".
    """
    entity: _Entity = parse_json(message.payload, _BODY).entity
    if not entity.measured_values:
        return []
    tag = _tag(text(entity.id, "entity.id"))
    sightings = [one for room, values in entity.measured_values.items() if (one := _sighting(room, tag, values, entity)) is not None]
    if not sightings:
        refuse("out_of_range", "no instance has an rssi within -127..-1")
    return bounded([*sightings])


def _sighting(room: str, tag: str, values: _Measured, entity: _Entity) -> Sighting | None:
    rssi_dbm = rssi_or_none(values.rssi)
    if rssi_dbm is None:
        return None
    distance = entity.distances.get(room, _NO_DISTANCE)
    distance_m = number_or_none(distance.distance, 0, _DISTANCE_M_MAX)
    return Sighting(
        text(room, "instance"), tag, rssi_dbm, iso_ms(distance.last_updated_at), distance_m, tx_power_or_none(values.measured_power)
    )


def _tag(stated: str) -> str:
    """The canonical id of `ble-{MAC}` and `ble-{uuid}-{major}-{minor}`; another id as it is."""
    bare = stated.removeprefix(_TAG_PREFIX)
    uuid, _, rest = bare.partition("-")
    major, _, minor = rest.partition("-")
    if major.isdecimal() and minor.isdecimal() and len(rest) <= 11:
        return ibeacon_id(uuid, int(major), int(minor)) or stated
    known = canonical_id(bare)
    return stated if known == bare and len(bare) != 12 else known


DECODER = Decoder("room_assistant", ("room-assistant/entity/#",), decode, kinds=HEARD)

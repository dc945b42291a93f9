"""What Theengs Gateway and OpenMQTTGateway say of one Bluetooth device: the same JSON, from the same library.

They hand on service and manufacturer data in hex digits, and beside it, or instead of it, the values that they
read there themselves (https://decoder.theengs.io, "devices": names and units of properties). OpenMQTTGateway
writes some numbers as text. What they read is taken; where they read nothing, the house reads the raw bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gateway.core.types import Observation
from gateway.decoders.bluetooth.advertisement import Advertisement, hex_bytes
from gateway.decoders.bluetooth.frames import Frame, short_uuid
from gateway.decoders.bluetooth.radio_observations import observed
from gateway.decoders.contract import measured, optional, power, refuse, text
from gateway.decoders.values.measurements import kept
from gateway.decoders.values.radio_ids import canonical_id, ibeacon_id, mac_or_none

_DISTANCE_M_MAX = 1_000.0
_NUMBER_CHARS_MAX = 24
_FLOAT = (-1e9, 1e9)  # anything measurable; the quantity has the last word
_UUID_DIGITS = 32

# property -> (quantity, how many of its unit make one of ours)
_PROPERTIES: tuple[tuple[str, str, float], ...] = (
    ("tempc", "temperature", 1),
    ("tempc2", "temperature", 1),
    ("tempc3", "temperature", 1),
    ("tempc4", "temperature", 1),
    ("tempc5", "temperature", 1),
    ("tempc6", "temperature", 1),
    ("hum", "humidity", 1),
    ("pres", "pressure", 1),
    ("lux", "illuminance", 1),
    ("batt", "battery", 1),
    ("volt", "voltage", 1),
    ("moi", "soil_moisture", 1),
    ("fer", "conductivity", 1),
    ("co2", "co2", 1),
    ("pm25", "pm2_5", 1),
    ("pm10", "pm10", 1),
    ("formaldehyde", "formaldehyde", 1),
    ("power", "power", 1),
    ("energy", "energy", 1),
    ("current", "current", 1),
    ("lvl_cm", "distance", 100),
    ("motion", "occupancy", 1),
    ("pir", "occupancy", 1),
    ("button", "button", 1),
)


class Body(msgspec.Struct, gc=False):
    """One message: who was heard, the raw parts of the advertisement, what was read in them."""

    id: object = None
    mac: object = None
    name: object = None
    rssi: object = None
    distance: object = None
    txpower: object = None
    uuid: object = None
    major: object = None
    minor: object = None
    servicedata: object = None
    servicedatauuid: object = None
    manufacturerdata: object = None
    open: object = None
    tempc: object = None
    tempc2: object = None
    tempc3: object = None
    tempc4: object = None
    tempc5: object = None
    tempc6: object = None
    hum: object = None
    pres: object = None
    lux: object = None
    batt: object = None
    volt: object = None
    moi: object = None
    fer: object = None
    co2: object = None
    pm25: object = None
    pm10: object = None
    formaldehyde: object = msgspec.field(default=None, name="for")
    power: object = None
    energy: object = None
    current: object = None
    lvl_cm: object = None
    motion: object = None
    pir: object = None
    button: object = None


def device_of(body: Body, above: str | None) -> str | None:
    """The radio address: as the topic has it, or `mac`, or `id` where that is one."""
    return above or mac_or_none(body.mac) or mac_or_none(body.id)


def observe(hearer: str, device: str | None, body: Body, said: Advertisement) -> list[Observation]:
    """What was heard, with what the gateway read before what the house reads."""
    beacon = ibeacon_id(body.uuid, _whole(body.major), _whole(body.minor)) or said.beacon or _named(body)
    stated = kept(_stated(body))
    mine = () if stated else said.readings
    distance_m = optional(body.distance, 0, _DISTANCE_M_MAX)
    heard = said._replace(beacon=beacon, readings=stated + mine)
    return observed(hearer, device, measured(_number(body.rssi)), heard, distance_m=distance_m, tx_power_dbm=power(body.txpower))


def frame_of(body: Body, device: str | None) -> Frame:
    """The parts of the advertisement; what is not hex digits is left out."""
    manufacturer, service = hex_bytes(body.manufacturerdata), hex_bytes(body.servicedata)
    uuid = short_uuid(body.servicedatauuid) if isinstance(body.servicedatauuid, str) else ""
    return Frame(
        device,
        (manufacturer,) if manufacturer else (),
        ((uuid, service),) if service else (),
        (uuid,) if uuid else (),
        body.name if isinstance(body.name, str) else "",
    )


def _named(body: Body) -> str | None:
    """An id that is no address (a name, the UUID of a beacon) as it is stated; one that is has its own place."""
    return None if body.id is None or mac_or_none(body.id) is not None else canonical_id(text(body.id, "id"))


def _stated(body: Body) -> Iterator[tuple[str, float | None]]:
    for name, quantity, per in _PROPERTIES:
        stated = getattr(body, name)
        value = None if stated is None else _number(stated)
        yield quantity, None if value is None else value / per
    opened = _number(body.open)
    if opened in (0, 1):
        yield "contact", 1 - opened


def _number(value: object) -> float | None:
    """A number, one written as text, or what is so or not."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and len(value) <= _NUMBER_CHARS_MAX:
        try:
            value = float(value)
        except ValueError:
            return None
    return optional(value, *_FLOAT)


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def check_shape(body: Body) -> None:
    """`DecodeError` for a body in which nobody is named and nothing is said."""
    if body.id is None and body.servicedata is None and body.manufacturerdata is None and not any(kept(_stated(body))):
        refuse("missing_field", "neither id, nor data, nor a measured value")

"""The JSON of Theengs Gateway and OpenMQTTGateway for one Bluetooth device; both use the same library.

The service and manufacturer data is in hex digits, and the decoded values are beside or instead of it
(https://decoder.theengs.io, "devices": names and units of properties). OpenMQTTGateway writes some numbers as text. The
decoded values come first; where there are none, the raw bytes are parsed.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

import msgspec

from gateway.core.types import Observation
from gateway.decoders.bluetooth.advertisement import Advertisement, hex_bytes
from gateway.decoders.bluetooth.frames import Frame, short_uuid
from gateway.decoders.bluetooth.radio_observations import radio_observations
from gateway.decoders.contract import number_or_none, refuse, rssi_or_none, text, tx_power_or_none
from gateway.decoders.values.measurements import Readings, possible_readings
from gateway.decoders.values.radio_ids import canonical_id, ibeacon_id, mac_or_none

_DISTANCE_M_MAX = 1_000.0
_NUMBER_CHARS_MAX = 24
_FLOAT = (-1e9, 1e9)  # any measurable amount; in_range() decides
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
_VALUES_OF = attrgetter(*(name for name, _, _ in _PROPERTIES))


class Body(msgspec.Struct, gc=False):
    """One message: the device, the raw parts of the advertisement, and the decoded values."""

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
    """The radio address: that of the topic (`above`), else `mac`, else `id` where that is one, or `None`."""
    return above or mac_or_none(body.mac) or mac_or_none(body.id)


def body_observations(hearer: str, device: str | None, body: Body, advertisement: Advertisement) -> list[Observation]:
    """The sighting, and the decoded readings or else those of `advertisement`. Raises DecodeError as `text()` does for the id."""
    beacon = ibeacon_id(body.uuid, _whole(body.major), _whole(body.minor)) or advertisement.beacon or _named(body)
    stated = _readings(body)
    mine = () if stated else advertisement.readings
    distance_m = number_or_none(body.distance, 0, _DISTANCE_M_MAX)
    heard = advertisement._replace(beacon=beacon, readings=stated + mine)
    return radio_observations(
        hearer, device, rssi_or_none(_number(body.rssi)), heard, distance_m=distance_m, tx_power_dbm=tx_power_or_none(body.txpower)
    )


def frame_of(body: Body, device: str | None) -> Frame:
    """The parts of the advertisement; data that is not hex digits is left out."""
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
    """An id that is no address (a name, the UUID of a beacon) in its canonical spelling, or `None`."""
    return None if body.id is None or mac_or_none(body.id) is not None else canonical_id(text(body.id, "id"))


def _readings(body: Body) -> Readings:
    """The decoded values; most messages hold none."""
    values = _VALUES_OF(body)
    return () if body.open is None and values.count(None) == len(values) else possible_readings(_stated(body, values))


def _stated(body: Body, values: tuple[object, ...]) -> Iterator[tuple[str, float | None]]:
    for (_, quantity, per), stated in zip(_PROPERTIES, values, strict=True):
        value = None if stated is None else _number(stated)
        yield quantity, None if value is None else value / per
    opened = _number(body.open)
    if opened in (0, 1):
        yield "contact", 1 - opened


def _number(value: object) -> float | None:
    """A number, also as a text or a Boolean, or `None`."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and len(value) <= _NUMBER_CHARS_MAX:
        try:
            value = float(value)
        except ValueError:
            return None
    return number_or_none(value, *_FLOAT)


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def check_shape(body: Body) -> None:
    """Raise DecodeError("missing_field") for a body that has no id, no data and no measured value."""
    if body.id is None and body.servicedata is None and body.manufacturerdata is None and not _readings(body):
        refuse("missing_field", "the message must hold an id, advertisement data or a measured value")

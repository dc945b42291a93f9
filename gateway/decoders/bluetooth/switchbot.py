"""SwitchBot's meters, contact and motion sensors, bots and curtains.

Source: https://github.com/OpenWonderLabs/SwitchBotAPI-BLE. The first byte of the service data is the kind of device;
newer meters send readings in manufacturer data of company 0x0969, after the address.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.decoders.bluetooth.frames import Frame
from gateway.decoders.contract import Keys
from gateway.decoders.values.measurements import Parsed, Readings, Stated, possible_readings

_SERVICES = ("fd3d", "0d00")
COMPANY = 0x0969
_METER_BYTES = 6
_METER_NAMES = ("WoSensorTH", "WoIOSensorTH")
_METER_AT = 8  # in manufacturer data: address, a counter, a byte of state


def _climate(data: bytes) -> Stated:
    """Tenths in a low nibble; then the degrees, with the top bit set from zero up; then the humidity."""
    degrees = (data[1] & 0x7F) + (data[0] & 0x0F) / 10
    return (("temperature", degrees if data[1] & 0x80 else -degrees), ("humidity", data[2] & 0x7F))


def _battery(data: bytes) -> Stated:
    return (("battery", data[2] & 0x7F),)


def _meter(data: bytes) -> Stated:
    return (*_battery(data), *(_climate(data[3:6]) if len(data) >= _METER_BYTES else ()))


def _contact(data: bytes) -> Stated:
    door = data[3] >> 1 & 3  # 0 closed, 1 open, 2 open for too long
    return (*_battery(data), ("occupancy", data[1] >> 6 & 1), ("contact", float(door == 0)), ("light", data[3] & 1))


def _motion(data: bytes) -> Stated:
    return (*_battery(data), ("occupancy", data[1] >> 6 & 1))


def _curtain(data: bytes) -> Stated:
    return (*_battery(data), ("level", data[3] & 0x7F))


def _bot(data: bytes) -> Stated:
    return (*_battery(data), ("switch", 1 - (data[1] >> 6 & 1)))


_KINDS: dict[int, tuple[int, Callable[[bytes], Stated]]] = {
    ord("H"): (3, _bot),
    ord("T"): (6, _meter),
    ord("i"): (6, _meter),
    ord("w"): (3, _battery),
    ord("d"): (4, _contact),
    ord("s"): (3, _motion),
    ord("c"): (4, _curtain),
    ord("{"): (4, _curtain),
    ord("x"): (3, _battery),
}
_METERS = frozenset(b"Tiw")


def decode(frame: Frame, _keys: Keys) -> Parsed | None:
    """The readings of a SwitchBot device, or `None` where `frame` is of none or of an unknown kind."""
    service = next((content for uuid, content in frame.services if uuid in _SERVICES and content), b"")
    kind = _KINDS.get(service[0] & 0x7F) if service else None
    own = next((content for content in frame.of_company(COMPANY) if len(content) >= _METER_AT + 3), b"")
    readings: Readings = possible_readings(kind[1](service)) if kind is not None and len(service) >= kind[0] else ()
    is_meter = (service and service[0] & 0x7F in _METERS) or frame.name.startswith(_METER_NAMES)
    if own and is_meter and not any(one.quantity == "temperature" for one in readings):
        readings += possible_readings(_climate(own[_METER_AT:]))
    if not readings:
        return None
    return Parsed(readings, own[:6].hex() or None)

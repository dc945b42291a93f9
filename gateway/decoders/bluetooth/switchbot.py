"""SwitchBot's meters, contact and motion sensors, bots and curtains.

Facts: https://github.com/OpenWonderLabs/SwitchBotAPI-BLE. The service data's first byte is the device's kind;
newer meters put what they measure into manufacturer data of company 0x0969, after their address.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.decoders.bluetooth.frames import Frame
from gateway.decoders.contract import Keys
from gateway.decoders.values.measurements import Parsed, Readings, Stated, kept

_SERVICES = ("fd3d", "0d00")
COMPANY = 0x0969
_METER_BYTES = 6
_METER_NAMES = ("WoSensorTH", "WoIOSensorTH")
_METER_AT = 8  # in manufacturer data: address, a counter, a byte of state


def _climate(said: bytes) -> Stated:
    """Tenths in a low nibble; then the degrees, whose top bit is set from zero up; then the humidity."""
    degrees = (said[1] & 0x7F) + (said[0] & 0x0F) / 10
    return (("temperature", degrees if said[1] & 0x80 else -degrees), ("humidity", said[2] & 0x7F))


def _battery(said: bytes) -> Stated:
    return (("battery", said[2] & 0x7F),)


def _meter(said: bytes) -> Stated:
    return (*_battery(said), *(_climate(said[3:6]) if len(said) >= _METER_BYTES else ()))


def _contact(said: bytes) -> Stated:
    door = said[3] >> 1 & 3  # 0 closed, 1 open, 2 open for too long
    return (*_battery(said), ("occupancy", said[1] >> 6 & 1), ("contact", float(door == 0)), ("light", said[3] & 1))


def _motion(said: bytes) -> Stated:
    return (*_battery(said), ("occupancy", said[1] >> 6 & 1))


def _curtain(said: bytes) -> Stated:
    return (*_battery(said), ("level", said[3] & 0x7F))


def _bot(said: bytes) -> Stated:
    return (*_battery(said), ("switch", 1 - (said[1] >> 6 & 1)))


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
    """The readings of a SwitchBot device; `None` when `frame` is from none that is known."""
    service = next((content for uuid, content in frame.services if uuid in _SERVICES and content), b"")
    kind = _KINDS.get(service[0] & 0x7F) if service else None
    own = next((content for content in frame.of_company(COMPANY) if len(content) >= _METER_AT + 3), b"")
    readings: Readings = kept(kind[1](service)) if kind is not None and len(service) >= kind[0] else ()
    is_meter = (service and service[0] & 0x7F in _METERS) or frame.name.startswith(_METER_NAMES)
    if own and is_meter and not any(one.quantity == "temperature" for one in readings):
        readings += kept(_climate(own[_METER_AT:]))
    if not readings:
        return None
    return Parsed(readings, own[:6].hex() or None)

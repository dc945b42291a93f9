"""Some forty brands of Bluetooth sensors, parsed by the library `bleparser` (MIT; the extra `ble`).

Why this library: the Bluetooth-Devices family (`xiaomi-ble`, `govee-ble`, …) is under permissive licences, but needs
`habluetooth`, which needs a GPL-3 package; Theengs Decoder is GPL-3. `bleparser` needs only a cipher library. Another
library can be declared in the same way (see `plugins.py`).

The library keeps state for one radio, so each advertisement gets a new parser object. It does not validate its input,
so its exceptions are caught here. Measurements of a person's body (scales, heart rates, toothbrushes, beds) are not
kept: passers-by have not consented to that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

from gateway.core.quantities import in_range
from gateway.decoders.bluetooth.beacons import ibeacon
from gateway.decoders.bluetooth.frames import UNNAMED, Frame
from gateway.decoders.contract import Keys
from gateway.decoders.plugins import Parser
from gateway.decoders.values.measurements import Parsed, possible_readings

_XIAOMI, _QINGPING = "fe95", "fdcd"
_XIAOMI_WITH_MAC = 0x10
_NO_MAC = bytes(6)
_SCALES = {"181b": 2, "181d": 3}  # scales for people: service -> offset of the year
_YEARS = (2000, 2100)
_SERVICE, _MANUFACTURER = 0x16, 0xFF
_NO_LOGGING = 100  # above every level of the standard library
_UNUSED_RSSI = -60  # required by the library and not used
_PARSER_ERRORS = (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError, struct.error)

# the library's name -> (quantity, how many of its unit make one of ours)
_NAMES: dict[str, tuple[str, float]] = {
    "temperature": ("temperature", 1),
    "temperature probe 1": ("probe_temperature", 1),
    "temperature probe 2": ("probe_temperature", 1),
    "temperature probe 3": ("probe_temperature", 1),
    "temperature probe 4": ("probe_temperature", 1),
    "temperature probe 5": ("probe_temperature", 1),
    "temperature probe 6": ("probe_temperature", 1),
    "meat temperature": ("probe_temperature", 1),
    "ambient temperature": ("probe_temperature", 1),
    "humidity": ("humidity", 1),
    "dewpoint": ("dew_point", 1),
    "pressure": ("pressure", 1),
    "battery": ("battery", 1),
    "voltage": ("voltage", 1),
    "illuminance": ("illuminance", 1),
    "moisture": ("soil_moisture", 1),
    "conductivity": ("conductivity", 1),
    "co2": ("co2", 1),
    "pm2.5": ("pm2_5", 1),
    "pm10": ("pm10", 1),
    "tvoc": ("tvoc", 1),
    "formaldehyde": ("formaldehyde", 1),
    "energy": ("energy", 1),
    "power": ("power", 1),
    "distance": ("distance", 1),
    "distance mm": ("distance", 1_000),
    "opening percentage": ("level", 1),
    "motion": ("occupancy", 1),
    "light": ("light", 1),
    "switch": ("switch", 1),
    "lock": ("unlocked", 1),
    "smoke": ("smoke_alarm", 1),
    "smoke detector": ("smoke_alarm", 1),
    "leak": ("leak", 1),
    "vibration": ("vibration", 1),
    "tamper": ("tamper", 1),
    "low battery": ("battery_low", 1),
    "fall": ("fall", 1),
    "shake": ("tally", 1),
    "volume dispensed port 1": ("volume", 1),
    "volume dispensed port 2": ("volume", 1),
}
_GOVEE = "Govee"
_GOVEE_COMPANY = 0x0001  # of another maker; Govee's sensors broadcast one of these names with it
_GOVEE_NAMES = ("GV", "Govee", "B5", "ihoment")
_GOVEE_ERROR_C, _GOVEE_ERROR_PCT = 0.1, 99.9  # packed in one number, which is 999 where the probe fails
_ESTIMATED_FROM_BATTERY = "Xiaomi"  # the library calculates a voltage from the per cent
_OPENED = ("opening", "door", "window")
_CLOSED, _OPEN = 0, 1


def parse(frame: Frame, keys: Keys) -> Parsed | None:
    """The library's readings of `frame`, or `None` where it knows no brand for it or is not installed."""
    if not frame.services and not frame.manufacturer:
        return None
    for uuid, content in frame.services:
        if uuid in _SCALES:
            return Parsed() if _is_weighing(content[_SCALES[uuid] :]) else None
    stated = frame.mac or _stated_mac(frame)
    values = _parsed(frame, bytes.fromhex(stated) if stated else _NO_MAC, keys)
    if values is None or _is_foreign(values, frame):
        return None
    return Parsed(possible_readings(_readings(_measured(values))), stated)


def _is_foreign(values: dict[str, Any], frame: Frame) -> bool:
    """Whether the library took another maker's advertisement for one of Govee: the company id and length are no proof."""
    of_govee = values.get("firmware") == _GOVEE and any(frame.of_company(_GOVEE_COMPANY))
    return of_govee and bool(frame.name) and not frame.name.startswith(_GOVEE_NAMES)


def _measured(values: dict[str, Any]) -> dict[str, Any]:
    """`values` without those that the sensor marks as failed, and without those that the library estimates."""
    left_out: set[str] = set()
    firmware = str(values.get("firmware"))
    celsius, percent = values.get("temperature"), values.get("humidity")
    if firmware == _GOVEE and isinstance(celsius, float) and isinstance(percent, float):
        failed = abs(celsius) <= _GOVEE_ERROR_C and percent == _GOVEE_ERROR_PCT
        if failed or not in_range("temperature", celsius):
            left_out = {"temperature", "humidity"}
    if firmware.startswith(_ESTIMATED_FROM_BATTERY):
        left_out = {"voltage"}
    return {name: value for name, value in values.items() if name not in left_out}


def _is_weighing(since: bytes) -> bool:
    """Whether the date of a weighing stands at the start of `since`; the weight itself is not read."""
    return len(since) >= 7 and _YEARS[0] <= int.from_bytes(since[:2], "little") <= _YEARS[1] and 1 <= since[2] <= 12


def _parsed(frame: Frame, mac: bytes, keys: Keys) -> dict[str, Any] | None:
    library = _library()
    if library is None:
        return None
    key = keys.get(mac.hex())
    aeskeys = {} if key is None else {mac: key}
    try:
        sensor, _tracker = library(discovery=True, filter_duplicates=False, aeskeys=aeskeys).parse_advertisement(
            mac, _UNUSED_RSSI, *_listed(frame), frame.name, _services(frame), _manufacturer(frame)
        )
    except _PARSER_ERRORS:
        return None
    return sensor if isinstance(sensor, dict) else None


@cache
def _library() -> Any:
    """The library's parser, or `None` where the extra is not installed. It must neither log nor print received data."""
    try:
        import bleparser  # noqa: PLC0415 - only sources with brands' advertisements need it
    except ImportError:
        return None
    bleparser._LOGGER.setLevel(_NO_LOGGING)  # noqa: SLF001 - the logger of the whole package
    bleparser.hhcc.print = _discard  # a forgotten print() in the library would write into the output of `wayside decode`
    return bleparser.BleParser


def _discard(*_words: object) -> None:
    """A print() that discards."""


def _readings(values: dict[str, Any]) -> Iterator[tuple[str, float | None]]:
    for name, (quantity, per) in _NAMES.items():
        value = values.get(name)
        if isinstance(value, (int, float)):
            yield quantity, value / per
        elif name.startswith("temperature probe"):
            yield quantity, None  # no probe in this socket; the numbers of the others stay
    for name in _OPENED:
        if values.get(name) in (_CLOSED, _OPEN):
            yield "contact", float(values[name] == _CLOSED)


def _stated_mac(frame: Frame) -> str | None:
    """The address in the sensor's data, for a carrier that leaves the address out: the library compares the two."""
    for uuid, content in frame.services:
        if uuid in (_XIAOMI, UNNAMED) and len(content) > 11 and content[0] & _XIAOMI_WITH_MAC:
            return content[5:11][::-1].hex()
        if uuid == _QINGPING and len(content) > 8:
            return content[2:8][::-1].hex()
    return None


def _listed(frame: Frame) -> tuple[int | None, bytes | None]:
    """The last 16-bit and the last 128-bit service UUID, in the library's byte order."""
    short = [bytes.fromhex(uuid)[::-1] for uuid in frame.listed if len(uuid) == 4]
    long = [bytes.fromhex(uuid)[::-1] for uuid in frame.listed if len(uuid) == 32]
    return int.from_bytes(short[-1], "big") if short else None, long[-1] if long else None


def _services(frame: Frame) -> list[bytes]:
    """Service data as AD structures. Data without a service UUID is tried as Xiaomi, whose UUID carriers leave out most often."""
    short = ((uuid or _XIAOMI, content) for uuid, content in frame.services if len(uuid) in (0, 4))
    return [_structure(_SERVICE, bytes.fromhex(uuid)[::-1] + content) for uuid, content in short if len(content) > 1]


def _manufacturer(frame: Frame) -> list[bytes]:
    """Manufacturer data as AD structures, without a plain iBeacon: some brands send one before the readings."""
    several = len(frame.manufacturer) > 1
    return [_structure(_MANUFACTURER, content) for content in frame.manufacturer if not (several and ibeacon(content))]


def _structure(kind: int, content: bytes) -> bytes:
    return bytes((len(content) + 1 & 0xFF, kind)) + content


PARSER = Parser("bleparser", parse)

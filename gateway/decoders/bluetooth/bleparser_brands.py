"""Some forty brands of Bluetooth sensors, read by the library `bleparser` (MIT; the extra `ble`).

Why this one: the Bluetooth-Devices family (`xiaomi-ble`, `govee-ble`, ...) is permissive itself, but needs
`habluetooth`, which needs a GPL-3 package; and Theengs Decoder is GPL-3. `bleparser` needs only a cipher library.
Who wants another installs it and declares it as this file is declared (see `plugins.py`).

The library was made for one radio that it listens to for hours, so it is given each advertisement afresh, and
nothing that it remembers outlives the call. It trusts what it reads, so what it stumbles over on a stranger's
bytes is caught here. What people's bodies say (scales, heart rates, toothbrushes, beds) is not kept: nobody in a
street consented to that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

from gateway.decoders.bluetooth.beacons import ibeacon
from gateway.decoders.bluetooth.frames import UNTOLD, Frame
from gateway.decoders.contract import Keys
from gateway.decoders.plugins import Parser
from gateway.decoders.values.measurements import Parsed, kept

_XIAOMI, _QINGPING = "fe95", "fdcd"
_XIAOMI_WITH_MAC = 0x10
_NO_MAC = bytes(6)
_SCALES = {"181b": 2, "181d": 3}  # people's scales: service -> where the year stands
_YEARS = (2000, 2100)
_SERVICE, _MANUFACTURER = 0x16, 0xFF
_NEVER = 100  # above every level of the standard library's logging
_SOME_RSSI = -60  # handed through by the library, and not looked at
_STUMBLES = (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError, struct.error)

# the library's word -> (quantity, how many of its unit make one of ours)
_WORDS: dict[str, tuple[str, float]] = {
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
_OPENED = ("opening", "door", "window")
_CLOSED, _OPEN = 0, 1


def parse(frame: Frame, keys: Keys) -> Parsed | None:
    """What the library reads in `frame`; `None` where it, or the library itself, is missing."""
    if not frame.services and not frame.manufacturer:
        return None
    for uuid, content in frame.services:
        if uuid in _SCALES:
            return Parsed() if _is_weighing(content[_SCALES[uuid] :]) else None
    stated = frame.mac or _stated_mac(frame)
    said = _ask(frame, bytes.fromhex(stated) if stated else _NO_MAC, keys)
    return None if said is None else Parsed(kept(_readings(said)), stated)


def _is_weighing(since: bytes) -> bool:
    """Whether a scale's date stands where it should; what it weighs is not even read."""
    return len(since) >= 7 and _YEARS[0] <= int.from_bytes(since[:2], "little") <= _YEARS[1] and 1 <= since[2] <= 12


def _ask(frame: Frame, mac: bytes, keys: Keys) -> dict[str, Any] | None:
    library = _library()
    if library is None:
        return None
    key = keys.get(mac.hex())
    aeskeys = {} if key is None else {mac: key}
    try:
        sensor, _tracker = library(discovery=True, filter_duplicates=False, aeskeys=aeskeys).parse_advertisement(
            mac, _SOME_RSSI, *_listed(frame), frame.name, _services(frame), _manufacturer(frame)
        )
    except _STUMBLES:
        return None
    return sensor if isinstance(sensor, dict) else None


@cache
def _library() -> Any:
    """The library's parser, or `None` where the extra is not installed. It must neither log nor print what passers-by send."""
    try:
        import bleparser  # noqa: PLC0415 - only who receives brands' advertisements needs it
    except ImportError:
        return None
    bleparser._LOGGER.setLevel(_NEVER)  # noqa: SLF001 - the logger of the whole package
    bleparser.hhcc.print = _silence  # a print that was left in there would end among our answers
    return bleparser.BleParser


def _silence(*_words: object) -> None:
    """What is printed here goes nowhere."""


def _readings(said: dict[str, Any]) -> Iterator[tuple[str, float | None]]:
    for word, (quantity, per) in _WORDS.items():
        value = said.get(word)
        if isinstance(value, (int, float)):
            yield quantity, value / per
        elif word.startswith("temperature probe"):
            yield quantity, None  # not plugged in: the next one keeps its number
    for word in _OPENED:
        if said.get(word) in (_CLOSED, _OPEN):
            yield "contact", float(said[word] == _CLOSED)


def _stated_mac(frame: Frame) -> str | None:
    """The address within the data, for carriers that do not tell it: the library holds one against the other."""
    for uuid, content in frame.services:
        if uuid in (_XIAOMI, UNTOLD) and len(content) > 11 and content[0] & _XIAOMI_WITH_MAC:
            return content[5:11][::-1].hex()
        if uuid == _QINGPING and len(content) > 8:
            return content[2:8][::-1].hex()
    return None


def _listed(frame: Frame) -> tuple[int | None, bytes | None]:
    """The last 16-bit and the last 128-bit service UUID, in the library's order of bytes."""
    short = [bytes.fromhex(uuid)[::-1] for uuid in frame.listed if len(uuid) == 4]
    long = [bytes.fromhex(uuid)[::-1] for uuid in frame.listed if len(uuid) == 32]
    return int.from_bytes(short[-1], "big") if short else None, long[-1] if long else None


def _services(frame: Frame) -> list[bytes]:
    """Service data as AD structures; data of an untold service is tried as Xiaomi's, which is the usual one to leave it out."""
    short = ((uuid or _XIAOMI, content) for uuid, content in frame.services if len(uuid) in (0, 4))
    return [_structure(_SERVICE, bytes.fromhex(uuid)[::-1] + content) for uuid, content in short if len(content) > 1]


def _manufacturer(frame: Frame) -> list[bytes]:
    """Without a plain iBeacon, behind which some brands hide what they measure."""
    several = len(frame.manufacturer) > 1
    return [_structure(_MANUFACTURER, content) for content in frame.manufacturer if not (several and ibeacon(content))]


def _structure(kind: int, content: bytes) -> bytes:
    return bytes((len(content) + 1 & 0xFF, kind)) + content


PARSER = Parser("bleparser", parse)

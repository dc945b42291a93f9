"""Small sensors of several makers, each a fixed layout of bytes, that `bleparser` does not read or reads wrongly.

A layout is known by its maker's company id or by the name that the device broadcasts; only the byte counts that
products really send are taken. Facts: the makers' own pages where there are any, and messages of real devices.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from gateway.decoders.bluetooth.frames import UNTOLD, Frame
from gateway.decoders.contract import Keys
from gateway.decoders.values.measurements import Parsed, Stated, kept


class _Maker(NamedTuple):
    """`find` gives the bytes of a frame that are of this layout, `stated` what they state, `mac` the address among them."""

    find: Callable[[Frame], bytes | None]
    stated: Callable[[bytes], Stated]
    mac: Callable[[bytes], str] | None = None


def _company(size: int, *companies: int) -> Callable[[Frame], bytes | None]:
    heads = frozenset(company.to_bytes(2, "little") for company in companies)

    def find(frame: Frame) -> bytes | None:
        return next((content[2:] for content in frame.manufacturer if len(content) == size + 2 and content[:2] in heads), None)

    return find


def _named(*names: str, sizes: tuple[int, ...]) -> Callable[[Frame], bytes | None]:
    """Manufacturer data of a device of such a name, company id and all: some makers put a value there."""

    def find(frame: Frame) -> bytes | None:
        if not frame.name.startswith(names):
            return None
        return next((content for content in frame.manufacturer if len(content) in sizes), None)

    return find


def _service(size: int, head: bytes, *uuids: str) -> Callable[[Frame], bytes | None]:
    def find(frame: Frame) -> bytes | None:
        found = (content for uuid, content in frame.services if uuid in uuids and len(content) == size and content.startswith(head))
        return next(found, None)

    return find


# --- ThermoBeacon WS02, WS08: address reversed, battery in mV, then sixteenths ---
_THERMOBEACON = struct.Struct("<2x6sHhH4x")


def _thermobeacon(said: bytes) -> Stated:
    _, millivolt, temperature, humidity = _THERMOBEACON.unpack(said)
    return (("voltage", millivolt / 1_000), ("temperature", temperature / 16), ("humidity", humidity / 16))


# --- ThermoPro TP35x, TP39x: the high byte of the "company" is the low one of the temperature ---
def _thermopro(said: bytes) -> Stated:
    return (("temperature", int.from_bytes(said[1:3], "little", signed=True) / 10), ("humidity", said[3]))


# --- Oria T201, T301: hundredths, the high byte first ---
_ORIA = struct.Struct(">2x6s2xhHB")


def _oria(said: bytes) -> Stated:
    _, temperature, humidity, battery = _ORIA.unpack_from(said)
    return (("temperature", temperature / 100), ("humidity", humidity / 100), ("battery", battery))


# --- SmartDry laundry sensor: floats, and a battery in mV above 2.847 V ---
_SMARTDRY = struct.Struct("<ffHBx")
_SMARTDRY_BATTERY_MV = 2_847


def _smartdry(said: bytes) -> Stated:
    temperature, humidity, _, above = _SMARTDRY.unpack(said)
    return (("temperature", temperature), ("humidity", humidity), ("voltage", (_SMARTDRY_BATTERY_MV + above) / 1_000))


# --- Govee H5106: temperature, humidity and dust as the digits of one number; the top bit is the temperature's sign ---
def _govee_air(said: bytes) -> Stated:
    word = int.from_bytes(said[4:8], "big")
    number = word & 0x7FFF_FFFF
    degrees = number // 1_000_000 / 10
    return (
        ("temperature", -degrees if word >> 31 else degrees),
        ("humidity", number // 1_000 % 1_000 / 10),
        ("pm2_5", number % 1_000),
    )


# --- Govee H5055: two of six probes at a time ---
_NO_PROBE = 0xFFFF


def _govee_grill(said: bytes) -> Iterator[tuple[str, float | None]]:
    yield "battery", said[4]
    for _ in range(2 * (said[5] >> 6)):
        yield "probe_temperature", None
    for at in (7, 14):
        degrees = int.from_bytes(said[at : at + 2], "little")
        yield "probe_temperature", None if degrees == _NO_PROBE else float(degrees)


# --- Inkbird IBT (iBBQ): its address, then tenths for each probe; below zero none is plugged in ---
def _find_ibbq(frame: Frame) -> bytes | None:
    if frame.mac is None:
        return None
    addresses = (bytes.fromhex(frame.mac), bytes.fromhex(frame.mac)[::-1])
    found = (said for company in (0, 1) for said in frame.of_company(company))
    return next((said[8:] for said in found if said[2:8] in addresses and len(said) in (12, 16, 20)), None)


def _ibbq(said: bytes) -> Stated:
    tenths = (int.from_bytes(said[at : at + 2], "little", signed=True) for at in range(0, len(said), 2))
    return [("probe_temperature", None if one < 0 else one / 10) for one in tenths]


# --- April Brother ABN03: battery, eighths of a degree, halves of a percent, lux ---
_APRIL = struct.Struct("<2x6sBhHH")


def _april(said: bytes) -> Stated:
    _, battery, temperature, humidity, lux = _APRIL.unpack(said)
    return (("battery", battery), ("temperature", temperature / 8), ("humidity", humidity / 2), ("illuminance", lux))


_MAKERS: tuple[_Maker, ...] = (
    _Maker(_company(_THERMOBEACON.size, 0x10, 0x11, 0x15, 0x18, 0x1B), _thermobeacon, lambda said: said[2:8][::-1].hex()),
    _Maker(_named("TP35", "TP39", sizes=(6, 7)), _thermopro),
    _Maker(_company(17, 0xAA55), _oria, lambda said: said[2:8].hex()),
    _Maker(_company(18, 0xAA55), _oria, lambda said: said[2:8].hex()),
    _Maker(_company(_SMARTDRY.size, 0x01AE), _smartdry),
    _Maker(_named("GVH5106", sizes=(8,)), _govee_air),
    _Maker(_named("GVH5055", sizes=(20, 22)), _govee_grill),
    _Maker(_find_ibbq, _ibbq),
    _Maker(_service(_APRIL.size, b"\xab\x03", UNTOLD, "ffe0"), _april, lambda said: said[2:8].hex()),
    # NodOn's soft buttons: the battery, and which button of the pad
    _Maker(_service(16, b"\x02\x59", "0000"), lambda said: (("battery", said[12]), ("button", said[15]))),
)


def decode(frame: Frame, _keys: Keys) -> Parsed | None:
    """The readings of the first layout that `frame` is of; `None` when it is of none."""
    for maker in _MAKERS:
        said = maker.find(frame)
        if said is not None:
            return Parsed(kept(maker.stated(said)), None if maker.mac is None else maker.mac(said))
    return None

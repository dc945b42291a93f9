"""Ingics iBS beacons (manufacturer data; "iBS payload formats", https://github.com/ingics/ingics-parse-doc).

The company id is followed by a code, the battery, one byte of events and several fields of two bytes; a subtype further
back decides the quantities of the fields, and which bits of the events count. Models with an accelerometer (codes 81,
85, 86) hold the events in the high bits of the battery instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.decoders.bluetooth.frames import Frame
from gateway.decoders.contract import Keys
from gateway.decoders.values.measurements import Parsed, possible_readings

_COMPANIES = frozenset(company.to_bytes(2, "little") for company in (0x0059, 0x000D, 0x082C))  # Nordic, Texas Instruments, Ingics
_CODE_IBS01, _CODE_IBS, _CODE_IBS07, _CODE_IBS08 = 0xBC80, 0xBC83, 0xBC87, 0xBC88
_MOVING_CODES = (0xBC81, 0xBC85, 0xBC86)
_CODE_BAROMETER = 0xBC85
_NO_TEMPERATURE, _NO_VALUE = 0xAAAA, 0xFFFF


class _Field(NamedTuple):
    quantity: str
    per: float = 1
    signed: bool = False


_T = _Field("temperature", 100, signed=True)
_PROBE = _Field("probe_temperature", 100, signed=True)
_H, _H10 = _Field("humidity"), _Field("humidity", 10)
_COUNT, _LUX, _CO2 = _Field("tally"), _Field("illuminance"), _Field("co2")
_RANGE, _MILLIVOLT, _MICROAMPERE = _Field("distance", 1_000), _Field("voltage", 1_000), _Field("current", 1_000_000)
_PM25, _PM10, _VOC, _NOX = _Field("pm2_5", 10), _Field("pm10", 10), _Field("voc_index", 10), _Field("nox_index", 10)
_SKIP = _Field("")

# signal -> bit; the quantity is 1 while the bit is set
_BUTTON, _MOVING, _HALL, _FALL = ("button", 0), ("moving", 1), ("contact", 2), ("fall", 3)
_PIR, _IR, _INPUT, _INPUT_2 = ("occupancy", 4), ("occupancy", 5), ("input", 6), ("input", 3)


class _Model(NamedTuple):
    fields: tuple[_Field, ...] = ()
    signals: tuple[tuple[str, int], ...] = ()


_IBS01 = {
    0x03: _Model((), (_BUTTON,)),
    0x04: _Model((), (_BUTTON, _HALL)),
    0x05: _Model((_T, _H), (_BUTTON,)),
    0x06: _Model((), (_BUTTON, _MOVING, _FALL)),
    0x07: _Model((_T,), (_BUTTON,)),
    0xFF: _Model((), (_BUTTON, _MOVING, _HALL, _FALL)),  # the oldest models have no subtype
}
_IBS = {
    0x01: _Model((), (_PIR,)),
    0x02: _Model((_SKIP, _COUNT), (_IR,)),
    0x04: _Model((_SKIP, _COUNT), (_INPUT,)),
    0x10: _Model((), (_BUTTON, _HALL)),
    0x12: _Model((_SKIP, _PROBE)),
    0x13: _Model((_SKIP, _RANGE)),
    0x14: _Model((_T, _H), (_BUTTON,)),
    0x15: _Model((_T,), (_BUTTON,)),
    0x16: _Model((), (_BUTTON, _MOVING, _FALL)),
    0x17: _Model((_T, _PROBE)),
    0x18: _Model((), (_BUTTON,)),
    0x19: _Model((), (_BUTTON,)),
    0x1A: _Model((_SKIP, _RANGE)),
    0x1B: _Model((_SKIP, _COUNT), (_INPUT,)),
    0x1C: _Model((_SKIP, _COUNT), (_INPUT,)),
    0x1D: _Model((_SKIP, _COUNT), (_INPUT, _INPUT_2)),
    0x20: _Model((_T,), (_HALL,)),
    0x21: _Model((_T, _PROBE), (_HALL,)),
    0x23: _Model((_SKIP, _PROBE)),
    0x24: _Model((_SKIP, _MILLIVOLT)),
    0x25: _Model((_SKIP, _COUNT), (_INPUT,)),
    0x26: _Model((_SKIP, _MICROAMPERE)),
    0x30: _Model((), (_BUTTON,)),
    0x31: _Model((_SKIP, _COUNT), (_BUTTON, _HALL)),
    0x32: _Model((_T,), (_BUTTON,)),
    0x33: _Model((), (_BUTTON, _MOVING)),
    0x34: _Model((_SKIP, _CO2), (_BUTTON,)),
    0x35: _Model((), (_BUTTON,)),
    0x36: _Model(),
    0x3A: _Model((), (_BUTTON,)),
    0x40: _Model(),
}
_IBS07 = {0x50: _Model((_T, _H, _LUX), (_BUTTON,))}
_IBS08 = {
    0x41: _Model((_T, _H10), (_BUTTON,)),
    0x42: _Model((_SKIP, _RANGE), (_BUTTON, _IR)),
    0x43: _Model((_SKIP, _COUNT), (_IR,)),
    0x44: _Model((), (_PIR,)),
    0x45: _Model((_T, _H10, _LUX), (_BUTTON,)),
    0x46: _Model((_T, _H10, _CO2, _PM25, _PM10, _VOC, _NOX), (_BUTTON,)),
    0x47: _Model((_SKIP, _COUNT), (_BUTTON, _IR)),
    0x48: _Model((_SKIP, _RANGE), (_BUTTON,)),
    0x49: _Model((_T, _PROBE), (_BUTTON,)),
    0x4A: _Model((_SKIP, _PROBE), (_BUTTON,)),
    0x4B: _Model((_T, _PROBE), (_BUTTON,)),
    0x4D: _Model((_SKIP, _COUNT), (_BUTTON, _FALL)),
    0x4E: _Model((_SKIP, _COUNT), (_BUTTON, _INPUT)),
    0x51: _Model((_SKIP, _MILLIVOLT), (_BUTTON,)),
    0x52: _Model((_SKIP, _COUNT), (_BUTTON, _INPUT)),
    0x53: _Model((_SKIP, _MICROAMPERE), (_BUTTON,)),
    0x54: _Model((), (_BUTTON,)),
}
# code -> (offset of the subtype, models by subtype)
_LAYOUTS = {_CODE_IBS01: (11, _IBS01), _CODE_IBS: (11, _IBS), _CODE_IBS07: (17, _IBS07), _CODE_IBS08: (19, _IBS08)}
_ACCELERATED = {0x1000: "moving", 0x2000: "button", 0x4000: "fall"}


def decode(frame: Frame, _keys: Keys) -> Parsed | None:
    """The readings of an iBS beacon, or `None` where `frame` is of none."""
    for content in (whole[2:] for whole in frame.manufacturer if whole[:2] in _COMPANIES):
        code = int.from_bytes(content[:2], "little")
        if code in _MOVING_CODES and len(content) >= 4:
            return Parsed(possible_readings(_with_accelerometer(code, content)))
        if code in _LAYOUTS and len(content) > _LAYOUTS[code][0]:
            return Parsed(possible_readings(_plain(content, *_LAYOUTS[code])))
    return None


def _plain(content: bytes, at: int, models: dict[int, _Model]) -> Iterator[tuple[str, float | None]]:
    yield "voltage", _word(content, 2) / 100
    model = models.get(content[at], _Model())
    for number, field in enumerate(model.fields):
        raw = _word(content, 5 + 2 * number)
        if field.quantity:
            yield field.quantity, _value(field, raw)
    for quantity, bit in model.signals:
        yield quantity, float(content[4] >> bit & 1)


def _value(field: _Field, raw: int) -> float | None:
    if raw == (_NO_TEMPERATURE if field.signed else _NO_VALUE):
        return None
    return (raw - 0x1_0000 if field.signed and raw > 0x7FFF else raw) / field.per


def _with_accelerometer(code: int, content: bytes) -> Iterator[tuple[str, float | None]]:
    word = _word(content, 2)
    yield "voltage", (word & 0x0FFF) / 100
    for mask, quantity in _ACCELERATED.items():
        yield quantity, float(bool(word & mask))
    if code == _CODE_BAROMETER and len(content) >= 24:
        yield "pressure", _word(content, 22) / 50


def _word(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 2], "little")

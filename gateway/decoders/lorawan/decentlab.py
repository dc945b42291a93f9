"""Decentlab's LoRaWAN sensors: frames of numbered parts, interpreted by model.

A frame is a version (2), the device's number, one flag a part, and the parts: 16-bit values, big-endian. The manual of
each model states how many values a part has, and of which quantities; no frame names its model. So a frame is read in
full only where the network server names the model (ChirpStack's device profile, The Things Stack's `version_ids`,
ThingPark's driver) and the frame has exactly the length of that model's parts. Without a model only the battery is
read: in frames of up to three parts it is the last value (models with more parts send it first).

Rows follow https://github.com/decentlab/decentlab-decoders and the user guides. Values that need a calibration of the
single sensor (weight, level, 4-20 mA) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.core.quantities import in_range
from gateway.core.types import Count, Observation, Reading
from gateway.decoders.contract import text

_VERSION = 2
_HEAD_BYTES = 5
_BATTERY_V = (1.5, 4.5)  # two alkaline cells or one lithium cell, from empty to fresh
_LAST_IS_BATTERY_MAX = 0b111
_ZERO = 32_768  # the zero of signed values


class _Row(NamedTuple):
    """A value is `word * factor + offset`; with `words` 2 the next value is the high half. `sub` numbers several of one kind, from 1."""

    part: int
    word: int
    quantity: str
    factor: float = 1
    offset: float = 0
    sub: int = 1
    words: int = 1
    counts: bool = False


class _Model(NamedTuple):
    """The number of 16-bit values of each part, and the rows that are kept."""

    sizes: tuple[int, ...]
    rows: tuple[_Row, ...]


def _signed(part: int, word: int, quantity: str, divisor: float, sub: int = 1) -> _Row:
    return _Row(part, word, quantity, 1 / divisor, -_ZERO / divisor, sub)


def _battery(part: int) -> _Row:
    return _Row(part, 0, "voltage", 0.001)


def _plain(size: int, *rows: _Row) -> _Model:
    """The usual frame: one part of measurements, then the battery."""
    return _Model((size, 1), (*rows, _battery(1)))


def _weather(*rows: _Row) -> _Model:
    """The rows that both generations of the weather station share, and `rows`."""
    return _plain(
        17,
        *rows,
        _signed(0, 4, "wind_speed", 100),
        _signed(0, 5, "wind_direction", 10),
        _signed(0, 7, "temperature", 10),
        _signed(0, 9, "pressure", 10),  # in hundredths of a kilopascal
        _signed(0, 10, "humidity", 10),
    )


def _sht2x(part: int) -> tuple[_Row, _Row]:
    return _Row(part, 0, "temperature", 175.72 / 65_536, -46.85), _Row(part, 1, "humidity", 125 / 65_536, -6)


def _sht3x(part: int) -> tuple[_Row, _Row]:
    return _Row(part, 0, "temperature", 175 / 65_535, -45), _Row(part, 1, "humidity", 100 / 65_535)


def _pulses(part: int) -> tuple[_Row, _Row]:
    """Pulses since the last frame, and the total."""
    return _Row(part, 0, "pulses", sub=part + 1, counts=True), _Row(part, 2, "tally", sub=part + 1, words=2)


_PASCAL = 0.02  # one step is 2 Pa
_MODELS: dict[str, _Model] = {
    "dl-5tm": _plain(2, _Row(0, 1, "probe_temperature", 0.1, -40)),
    "dl-alb": _plain(2, _signed(0, 0, "solar_radiation", 10)),
    "dl-atm22": _plain(8, _signed(0, 0, "wind_speed", 100), _signed(0, 1, "wind_direction", 10), _signed(0, 3, "temperature", 10)),
    "dl-atm41": _weather(_signed(0, 0, "solar_radiation", 1)),
    "dl-atm41g2": _weather(_signed(0, 0, "solar_radiation", 10), _Row(0, 15, "rain_total", 0.001, words=2)),
    "dl-ctd10": _plain(4, _signed(0, 1, "probe_temperature", 10), _Row(0, 2, "conductivity")),
    "dl-cws": _plain(6, _signed(0, 1, "temperature", 100), _signed(0, 2, "humidity", 100)),
    "dl-gmm": _plain(
        7,
        _signed(0, 1, "temperature", 100),
        _signed(0, 2, "humidity", 10),
        _signed(0, 3, "co2", 1),
        _signed(0, 4, "pressure", 10),  # in hundredths of a kilopascal
    ),
    "dl-dlr2-010": _Model((4, 4, 1), (*_pulses(0), *_pulses(1), _battery(2))),
    "dl-ds18": _plain(1, _signed(0, 0, "temperature", 16)),
    "dl-iam": _Model(
        (1, 2, 1, 2, 3, 1, 1),
        (_battery(0), *_sht3x(1), _Row(2, 0, "pressure", _PASCAL), _signed(4, 0, "co2", 1), _Row(5, 0, "motions", counts=True)),
    ),
    "dl-lid": _plain(11, _Row(0, 0, "distance", 0.001)),
    "dl-lp8p": _Model((2, 2, 8, 1), (*_sht2x(0), _Row(1, 1, "pressure", _PASCAL), _signed(2, 0, "co2", 1), _battery(3))),
    "dl-mbx": _plain(2, _Row(0, 0, "distance", 0.001)),
    "dl-mes5": _plain(5, _signed(0, 1, "probe_temperature", 100)),
    "dl-ntu": _plain(6, _signed(0, 1, "probe_temperature", 100)),
    "dl-pm": _Model(
        (1, 10, 2, 1),
        (
            _battery(0),
            _Row(1, 0, "pm1", 0.1),
            _Row(1, 1, "pm2_5", 0.1),
            _Row(1, 3, "pm10", 0.1),
            *_sht2x(2),
            _Row(3, 0, "pressure", _PASCAL),
        ),
    ),
    "dl-pr26": _plain(2, _Row(0, 1, "probe_temperature", 0.003125, -51.2)),
    "dl-pheht": _plain(5, _signed(0, 1, "probe_temperature", 100)),
    "dl-rad": _plain(4, _Row(0, 0, "distance", 0.001)),
    "dl-rhc": _plain(4, _Row(0, 2, "humidity", 0.01), _signed(0, 3, "temperature", 100)),
    "dl-sht21": _plain(2, *_sht2x(0)),
    "dl-sht35": _plain(2, *_sht3x(0)),
    "dl-smtp": _plain(16, *(_signed(0, 2 * depth + 1, "probe_temperature", 100, depth + 1) for depth in range(8))),
    "dl-trs11": _plain(2, _signed(0, 1, "probe_temperature", 10)),
    "dl-wrm": _Model((2, 2, 1), (*_sht3x(0), _battery(2))),
    "dl-tp": _plain(16, *(_signed(0, level, "probe_temperature", 100, level + 1) for level in range(16))),
}


def decode_decentlab(payload: bytes, device: str, at_ms: int | None, model: str | None) -> list[Observation] | None:
    """The readings of one frame, or `None` where it is not of Decentlab."""
    words = [int.from_bytes(payload[at : at + 2], "big") for at in range(_HEAD_BYTES, len(payload), 2)]
    if payload[:1] != bytes((_VERSION,)) or len(payload) % 2 == 0 or not words:
        return None
    flags = int.from_bytes(payload[3:_HEAD_BYTES], "big")
    known = _known(model)
    parts = None if known is None else _parts(known.sizes, flags, words)
    if known is not None and parts is not None:
        return [*_read(known.rows, parts, device, at_ms)]
    battery_v = words[-1] / 1_000
    if not 0 < flags <= _LAST_IS_BATTERY_MAX or flags.bit_count() > len(words) or not _BATTERY_V[0] <= battery_v <= _BATTERY_V[1]:
        return None
    return [Reading(device, "voltage", battery_v, at_ms)]


def is_decentlab(model: str | None) -> bool:
    """Whether `model` is the name of one of Decentlab's sensors with a row here, with or without its `DL-`."""
    return _known(model) is not None


def _known(model: str | None) -> _Model | None:
    return None if model is None else _MODELS.get("dl-" + model.lower().removeprefix("dl-"))


def _parts(sizes: tuple[int, ...], flags: int, words: list[int]) -> list[list[int]] | None:
    """The values of each part (none for a part that was not sent), or `None` where the frame has another length."""
    parts: list[list[int]] = []
    at = 0
    for bit, size in enumerate(sizes):
        sent = size if flags >> bit & 1 else 0
        parts.append(words[at : at + sent])
        at += sent
    return parts if at == len(words) and flags >> len(sizes) == 0 else None


def _read(rows: tuple[_Row, ...], parts: list[list[int]], device: str, at_ms: int | None) -> Iterator[Observation]:
    for row in rows:
        words = parts[row.part][row.word : row.word + row.words]
        if not words:
            continue
        number = sum(word << 16 * place for place, word in enumerate(words))
        whole = device if row.sub == 1 else text(f"{device}/{row.sub}", "device")
        if row.counts:
            yield Count(whole, row.quantity, number, at_ms)
            continue
        value = round(number * row.factor + row.offset, 6)
        if in_range(row.quantity, value):
            yield Reading(whole, row.quantity, value, at_ms)

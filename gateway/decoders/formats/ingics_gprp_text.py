"""Ingics iGS gateways: lines of text, `$GPRP,{tag},{gateway},{rssi},{advertisement}[,{time}]`.

The first field is the kind of report: an advertisement (GPRP, and RSPR, LRAD, LRSR, 1MAD, 1MSR, SRRP for other kinds of
it), the gateway's position ($GPSR) or its heartbeat ($HBRP). In JSON mode the same lines are in `{"data": [...]}`.
Source: Ingics, "iGS message format". A faulty line does not affect the others; a message without any valid report is
refused.
"""

from __future__ import annotations

import math

import msgspec

from gateway.core.types import Message, Observation, Position, Status
from gateway.decoders.bluetooth.advertisement import parse_hex
from gateway.decoders.bluetooth.radio_observations import radio_observations
from gateway.decoders.contract import (
    HEARD,
    NO_KEYS,
    UNSTATED,
    DecodeError,
    Decoder,
    Keys,
    bounded,
    check_size,
    number,
    parse_json,
    refuse,
    rssi,
)
from gateway.decoders.values.radio_ids import mac
from gateway.decoders.values.times import seconds_ms

_ADVERTISEMENTS = frozenset({"$GPRP", "$RSPR", "$LRAD", "$LRSR", "$1MAD", "$1MSR", "$SRRP", "$SRSR"})
_POSITION, _HEARTBEAT = "$GPSR", "$HBRP"
_FIELDS_MIN = 5


class _Body(msgspec.Struct, gc=False):
    data: list[str]


_BODY = msgspec.json.Decoder(_Body)


def decode(message: Message, keys: Keys = NO_KEYS) -> list[Observation]:
    """Sightings and readings of tags, positions and statuses of gateways.

    Raises DecodeError with the reason of the first faulty line where no line is valid; "missing_field" where there is
    no line.
    """
    observations: list[Observation] = []
    fault: DecodeError | None = None
    for line in _lines(message.payload):
        try:
            observations += _line(line, keys, is_placed=bool(message.topic))
        except DecodeError as error:
            fault = fault or error
    if not observations:
        raise fault or DecodeError("missing_field", "the payload holds no report")
    return bounded(observations)


def _lines(payload: bytes) -> list[str]:
    if payload.lstrip().startswith(b"{"):
        stated: list[str] = parse_json(payload, _BODY).data
        return stated
    check_size(payload)
    if not payload.isascii():
        refuse("not_text", "the payload must be ASCII")
    return [line for line in payload.decode("ascii").splitlines() if line.strip()]


def _line(line: str, keys: Keys, *, is_placed: bool) -> list[Observation]:
    kind, *fields = line.strip().split(",")
    if len(fields) < _FIELDS_MIN - 1:
        refuse("wrong_shape", "a report must have at least five fields")
    stated = mac(fields[1], "gateway")
    gateway = UNSTATED if is_placed else stated  # the topic names it
    if kind == _HEARTBEAT:
        return [Status(gateway, at_ms=_time(fields[4:]))]
    if kind == _POSITION:
        return [_position(gateway, fields)]
    if kind not in _ADVERTISEMENTS:
        refuse("unknown_kind", "the kind of report is unknown")
    device = mac(fields[0], "tag")
    advertisement = parse_hex(fields[3], device, keys)
    if advertisement is None:
        refuse("wrong_shape", "the advertisement must be hex digits")
    return radio_observations(gateway, device, rssi(_float(fields[2], "rssi")), advertisement, _time(fields[4:]))


def _position(gateway: str, fields: list[str]) -> Position:
    if len(fields) < 7:
        refuse("missing_field", "latitude and longitude are missing")
    latitude = number(_float(fields[5], "latitude"), "latitude", -90, 90)
    return Position(gateway, latitude, number(_float(fields[6], "longitude"), "longitude", -180, 180), at_ms=_time(fields[9:]))


def _time(rest: list[str]) -> int | None:
    """Unix seconds, with or without a fraction, as milliseconds, or `None`."""
    return seconds_ms(rest[0].partition(".")[0]) if rest else None


def _float(digits: str, field: str) -> float:
    try:
        value = float(digits)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        refuse("wrong_shape", f"{field} must be a number")
    return value


DECODER = Decoder("ingics_gprp_text", (), decode, decode, role="scanner", kinds=HEARD | {"position"})

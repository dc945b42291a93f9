"""Uplinks of LoRaWAN devices, the same for all network servers.

An uplink becomes the readings of the sensor, and `rssi` and `snr` of the best radio link. It is no sighting: a gateway
receives devices kilometres away. The server's decoded values come first. Where it decoded an object, the payload adds
only quantities that the object lacks, and only if the model names the maker, so that no value rests on a guess. The
device is the DevEUI in lower case, which is the same on every network.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from typing import NamedTuple

from gateway.core.quantities import in_range
from gateway.core.types import Observation, Position, Reading, Status
from gateway.decoders.contract import bounded, number, number_or_none, refuse
from gateway.decoders.lorawan.javascript import Codec, Codecs, codec_of
from gateway.decoders.lorawan.payloads import decode_payload, is_of_known_maker
from gateway.decoders.mapping.decode import observed
from gateway.decoders.mapping.rows import resolved
from gateway.decoders.values.decoded_objects import observations_in
from gateway.decoders.values.text_payload import decimal_or_none

_PORT_MAX = 255


class Link(NamedTuple):
    """The link to one gateway; `None` where a value was not measured."""

    rssi_dbm: float | None
    snr_db: float | None


class Uplink(NamedTuple):
    """One uplink; `decoded` is the object that a script made of `payload`, `normalized` what the network server reads itself."""

    device: str
    at_ms: int | None
    decoded: object = None
    payload: bytes = b""
    port: int | None = None
    links: tuple[Link, ...] = ()
    model: str | None = None
    normalized: tuple[Observation, ...] = ()


def from_base64(stated: object, field: str) -> bytes:
    """The bytes of a base64 text; none where it is missing or empty. Raises DecodeError("wrong_shape") for any other value."""
    if stated is None or stated == "":
        return b""
    if not isinstance(stated, str):
        refuse("wrong_shape", f"{field} must be a text")
    try:
        return binascii.a2b_base64(stated.encode(), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        refuse("wrong_shape", f"{field} must be base64")


def from_hex(stated: object, field: str) -> bytes:
    """The bytes of hex digits; none where the text is missing or empty. Raises DecodeError("wrong_shape") for any other value."""
    if stated is None or stated == "":
        return b""
    if not isinstance(stated, str):
        refuse("wrong_shape", f"{field} must be a text")
    try:
        return binascii.unhexlify(stated.encode())
    except (binascii.Error, UnicodeEncodeError):
        refuse("wrong_shape", f"{field} must be hex digits")


def port_or_none(stated: object) -> int | None:
    """A frame port, or `None`: then fewer formats of payloads can be recognised."""
    port = number_or_none(_number_of(stated), 0, _PORT_MAX)
    return None if port is None else int(port)


def link(rssi: object, snr: object) -> Link:
    """One gateway's link, of numbers or of numbers as texts; `None` for other values and out of range."""
    return Link(number_or_none(_number_of(rssi), -150.0, -1.0), number_or_none(_number_of(snr), -40.0, 40.0))


def _number_of(stated: object) -> object:
    return decimal_or_none(stated) if isinstance(stated, str) else stated


def links_in(stated: object, rssi: str, *snr: str) -> tuple[Link, ...]:
    """The links in an array of objects with the keys `rssi` and one of `snr`; none where it is not an array."""
    rows = stated if isinstance(stated, list) else []
    return tuple(link(row.get(rssi), next((row[name] for name in snr if name in row), None)) for row in rows if isinstance(row, dict))


def uplink_observations(uplink: Uplink, codecs: Codecs = ()) -> list[Observation]:
    """The readings of the sensor and of its best link; a `Status` where there is neither. `codecs` are those of the config.

    Raises DecodeError("too_large") as `bounded()` does, and as `Codec.decode()` does.
    """
    device, at_ms = uplink.device, uplink.at_ms
    codec = codec_of(codecs, uplink.model) if uplink.payload else None
    if codec is not None:
        return bounded([*_by_codec(codec, uplink), *_best_link(device, uplink.links, at_ms)]) or [Status(device, at_ms=at_ms)]
    observations = observations_in(device, uplink.decoded, at_ms) or [*uplink.normalized]
    if uplink.payload and (not (uplink.decoded or uplink.normalized) or is_of_known_maker(uplink.model)):
        sent = decode_payload(uplink.payload, uplink.port, device, at_ms, uplink.model)
        observations += _lacking(observations, sent) if observations else sent
    return bounded([*observations, *_best_link(device, uplink.links, at_ms)]) or [Status(device, at_ms=at_ms)]


def _by_codec(codec: Codec, uplink: Uplink) -> list[Observation]:
    """The observations in the object of the device's codec, by its rows or by its names."""
    decoded = codec.decode(uplink.payload, uplink.port, uplink.at_ms)
    if not codec.rows:
        return observations_in(uplink.device, decoded, uplink.at_ms)
    found = (observed(row, resolved(decoded, row.at), uplink.device, uplink.at_ms) for row in codec.rows)
    return [one for one in found if one is not None]


def _lacking(decoded: list[Observation], sent: list[Observation]) -> list[Observation]:
    """The readings of `sent` of quantities that `decoded` lacks.

    Counts and inputs are left out: the object names the line of a count, and which contact or leak an input is.
    """
    stated = {(one.device, one.quantity) for one in decoded if isinstance(one, Reading)}
    readings = (one for one in sent if isinstance(one, Reading))
    return [one for one in readings if (one.device, one.quantity) not in stated and one.quantity != "input"]


def _best_link(device: str, links: Iterable[Link], at_ms: int | None) -> list[Observation]:
    """The readings of the best link: by signal-to-noise ratio, then by strength."""
    best = max(links, key=_quality, default=None)
    if best is None:
        return []
    stated = (("rssi", best.rssi_dbm), ("snr", best.snr_db))
    return [Reading(device, quantity, value, at_ms) for quantity, value in stated if value is not None and in_range(quantity, value)]


def _quality(one: Link) -> tuple[float, float]:
    """The sort key of a link; a value that was not measured is worse than every other one (0 dB is a measurement)."""
    return -100.0 if one.snr_db is None else one.snr_db, -200.0 if one.rssi_dbm is None else one.rssi_dbm


def position(device: str, latitude: object, longitude: object, at_ms: int | None, accuracy: object = None) -> Position:
    """The position that the network server states, of numbers or of numbers as texts.

    Raises DecodeError as `number()` does; an invalid accuracy is left out.
    """
    return Position(
        device,
        number(_number_of(latitude), "latitude", -90.0, 90.0),
        number(_number_of(longitude), "longitude", -180.0, 180.0),
        number_or_none(_number_of(accuracy), 0, 1e7),
        at_ms,
    )

"""What all LoRaWAN network servers say in their own words: a device was heard by gateways and sent some bytes.

An uplink becomes the readings of what the device measured and of the radio link over which it was heard
best (`rssi`, `snr`): a gateway hears kilometres far, so being heard by one places nobody and is no sighting.
What the server decoded outranks the bytes; only undecoded bytes are looked into here.

A device is its DevEUI in lower case, the one id that it keeps on every network.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from typing import NamedTuple

from gateway.core.quantities import in_range
from gateway.core.types import Observation, Position, Reading, Status
from gateway.decoders.contract import bounded, number, optional, refuse
from gateway.decoders.lorawan.payloads import decode_payload
from gateway.decoders.values.decoded_objects import observations_in
from gateway.decoders.values.text_payload import number_in

_PORT_MAX = 255


class Link(NamedTuple):
    """How one gateway heard the device; what was not measured is `None`."""

    rssi_dbm: float | None
    snr_db: float | None


class Uplink(NamedTuple):
    """One uplink in the words of this house; `decoded` is what the network server made of `payload`."""

    device: str
    at_ms: int | None
    decoded: object = None
    payload: bytes = b""
    port: int | None = None
    links: tuple[Link, ...] = ()
    model: str | None = None


def from_base64(stated: object, field: str) -> bytes:
    """The bytes of a base64 text, none where it is not stated, or `DecodeError`."""
    if stated is None or stated == "":
        return b""
    if not isinstance(stated, str):
        refuse("wrong_shape", f"{field} must be a text")
    try:
        return binascii.a2b_base64(stated.encode(), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        refuse("wrong_shape", f"{field} is not base64")


def from_hex(stated: object, field: str) -> bytes:
    """The bytes of a hexadecimal text, none where it is not stated, or `DecodeError`."""
    if stated is None or stated == "":
        return b""
    if not isinstance(stated, str):
        refuse("wrong_shape", f"{field} must be a text")
    try:
        return binascii.unhexlify(stated.encode())
    except (binascii.Error, UnicodeEncodeError):
        refuse("wrong_shape", f"{field} is not hexadecimal")


def port_or_none(stated: object) -> int | None:
    """A frame port, or `None`: without one the payload is harder to recognise, and that is all."""
    port = optional(_plain(stated), 0, _PORT_MAX)
    return None if port is None else int(port)


def link(rssi: object, snr: object) -> Link:
    """One gateway's measurement; numbers may be stated as texts."""
    return Link(optional(_plain(rssi), -150.0, -1.0), optional(_plain(snr), -40.0, 40.0))


def _plain(stated: object) -> object:
    return number_in(stated) if isinstance(stated, str) else stated


def links_in(stated: object, rssi: str, *snr: str) -> tuple[Link, ...]:
    """The gateways in an array of objects that name their measurements `rssi` and one of `snr`."""
    rows = stated if isinstance(stated, list) else []
    return tuple(link(row.get(rssi), next((row[name] for name in snr if name in row), None)) for row in rows if isinstance(row, dict))


def observed(uplink: Uplink) -> list[Observation]:
    """What the device measured and how it was heard, or a sign of life where neither is told."""
    device, at_ms = uplink.device, uplink.at_ms
    observations = observations_in(device, uplink.decoded, at_ms)
    if not observations and uplink.payload:
        observations = decode_payload(uplink.payload, uplink.port, device, at_ms, uplink.model)
    return bounded([*observations, *_heard(device, uplink.links, at_ms)]) or [Status(device, at_ms=at_ms)]


def _heard(device: str, links: Iterable[Link], at_ms: int | None) -> list[Observation]:
    """The link over which the device was heard best: by signal to noise, then by strength."""
    best = max(links, key=_how_well, default=None)
    if best is None:
        return []
    stated = (("rssi", best.rssi_dbm), ("snr", best.snr_db))
    return [Reading(device, quantity, value, at_ms) for quantity, value in stated if value is not None and in_range(quantity, value)]


def _how_well(one: Link) -> tuple[float, float]:
    """What was not measured is worse than anything that was; a ratio of 0 dB is a measurement."""
    return -100.0 if one.snr_db is None else one.snr_db, -200.0 if one.rssi_dbm is None else one.rssi_dbm


def position(device: str, latitude: object, longitude: object, at_ms: int | None, accuracy: object = None) -> Position:
    """Where the network server located the device, or `DecodeError`; numbers may be stated as texts."""
    return Position(
        device,
        number(_plain(latitude), "latitude", -90.0, 90.0),
        number(_plain(longitude), "longitude", -180.0, 180.0),
        optional(_plain(accuracy), 0, 1e7),
        at_ms,
    )

"""Sparkplug B: industrial MQTT with births, deaths and sequence numbers in protobuf (Eclipse Sparkplug 3.0, chapter 6).

An edge node registers its death (NDEATH, the last will) before its birth; both carry the same `bdSeq`, so a host can match
them. NBIRTH starts the sequence at 0; every later message increments it, and it wraps after 255. Births name every metric and
assign an alias; data messages may use the alias alone. The bytes are encoded by hand from the public schema: a format read by
one library and written by the same one proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from firmware_sim.devices import protobuf
from firmware_sim.message import Message

FORMAT = "sparkplug_b"
SEQ_LAST = 255

INT32, INT64, UINT32, UINT64, FLOAT, DOUBLE, BOOLEAN, STRING = 3, 4, 7, 8, 9, 10, 11, 12
_SMALL = {1: 8, 2: 16, INT32: 32, 5: 8, 6: 16, UINT32: 32}  # types that are sent in int_value
_UNIT_KEY = b"engUnit"

Value = bool | int | float | str


class Metric(NamedTuple):
    """One metric. Data may omit `name` where `alias` was assigned at birth; `unit` is sent as property engUnit."""

    name: str | None
    datatype: int | None
    value: Value
    at_ms: int | None = None
    alias: int | None = None
    unit: str | None = None


def payload(at_ms: int, metrics: Iterable[Metric], seq: int | None = None) -> bytes:
    """Payload: time, metrics, and the sequence number of the edge node (omitted in NDEATH)."""
    body = b"".join([protobuf.integer(1, at_ms), *(protobuf.chunk(2, metric_bytes(metric)) for metric in metrics)])
    return body if seq is None else body + protobuf.integer(3, seq)


def metric_bytes(metric: Metric) -> bytes:
    """Embedded message of one metric, fields in ascending order."""
    parts = []
    if metric.name is not None:
        parts.append(protobuf.chunk(1, metric.name.encode()))
    if metric.alias is not None:
        parts.append(protobuf.integer(2, metric.alias))
    if metric.at_ms is not None:
        parts.append(protobuf.integer(3, metric.at_ms))
    if metric.datatype is not None:
        parts.append(protobuf.integer(4, metric.datatype))
    if metric.unit is not None:
        value = protobuf.integer(1, STRING) + protobuf.chunk(8, metric.unit.encode())
        parts.append(protobuf.chunk(9, protobuf.chunk(1, _UNIT_KEY) + protobuf.chunk(2, value)))
    parts.append(_value(metric))
    return b"".join(parts)


def _value(metric: Metric) -> bytes:
    value, datatype = metric.value, metric.datatype
    if isinstance(value, bool):
        return protobuf.integer(14, value)
    if isinstance(value, str):
        return protobuf.chunk(15, value.encode())
    if isinstance(value, float):
        return protobuf.double(13, value) if datatype == DOUBLE else protobuf.single(12, value)
    bits = _SMALL.get(datatype or 0)
    if bits is not None:
        return protobuf.integer(10, value & (1 << bits) - 1)
    return protobuf.integer(11, value)


def message(group: str, kind: str, edge: str, body: bytes, device: str | None = None) -> Message:
    """Message of an edge node, or of a device behind it. NDEATH has QoS 1, as the specification requires of the will."""
    topic = f"spBv1.0/{group}/{kind}/{edge}" + (f"/{device}" if device is not None else "")
    return Message(topic, body, FORMAT, "reading" if kind.endswith("DATA") else "status", qos=1 if kind == "NDEATH" else 0)


def death(group: str, edge: str, at_ms: int, bd_seq: int) -> Message:
    """Last will (NDEATH) of an edge node."""
    return message(group, "NDEATH", edge, payload(at_ms, [Metric("bdSeq", UINT64, bd_seq, at_ms)]))


def birth(group: str, edge: str, at_ms: int, bd_seq: int) -> Message:
    """NBIRTH: sequence number 0, the bdSeq, and the command that requests another birth."""
    metrics = [Metric("bdSeq", UINT64, bd_seq, at_ms), Metric("Node Control/Rebirth", BOOLEAN, value=False, at_ms=at_ms)]
    return message(group, "NBIRTH", edge, payload(at_ms, metrics, 0))

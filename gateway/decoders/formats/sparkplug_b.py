"""Sparkplug B (https://sparkplug.eclipse.org): protobuf on `spBv1.0/{group}/{type}/{edge}[/{device}]`.

Births (NBIRTH, DBIRTH) and data (NDATA, DDATA) hold metrics, deaths (NDEATH, DDEATH) become a status;
`spBv1.0/STATE/{host}` is JSON with the state of a host application. A device is `{group}/{edge}/{device}`.

The name of a metric and its property `engUnit` decide its quantity. The last part of the name is the quantity and the
folders before it belong to the device (`line/edge/Boiler` of `Boiler/Temperature`). A Boolean whose name is no quantity
is a switch, and the whole name its device. Data may state only the alias that a birth gave a metric: a gateway's own
decoder (`fresh`) keeps the names of births, at most ALIAS_VALUES_MAX; the shared one reads such a metric only where the same
message also names the alias. Historical and null metrics are not read; commands (NCMD, DCMD) give nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core import limits
from gateway.core.types import Message, Observation, Reading, Status
from gateway.decoders.contract import Decoder, bounded, check_size, parse_json, refuse, text
from gateway.decoders.formats.sparkplug_schema import payload_type
from gateway.decoders.values.quantity_names import quantity_named
from gateway.decoders.values.units import canonical_amount

_NAMESPACE = "spBv1.0"
_HOST = "STATE"
_TYPES: dict[str, int] = {"NBIRTH": 4, "NDATA": 4, "NDEATH": 4, "NCMD": 4, "DBIRTH": 5, "DDATA": 5, "DDEATH": 5, "DCMD": 5}
_COMMANDS = frozenset({"NCMD", "DCMD"})
_DEATHS = frozenset({"NDEATH", "DDEATH"})
_BIRTHS = frozenset({"NBIRTH", "DBIRTH"})
_METRICS_MAX = 4_096
_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}  # Int8 to Int64 are sent as unsigned integers
_UNSIGNED = frozenset({5, 6, 7, 8})
_FIRST_AMBIGUOUS = 1 << 31  # without a data type, a larger integer may be a negative one
_UNIT_KEY = b"engUnit"


class _Host(msgspec.Struct, gc=False):
    online: bool
    timestamp: object = None


_HOST_STATE = msgspec.json.Decoder(_Host)


Aliases = dict[str, dict[int, tuple[bytes, bytes]]]
"""Device -> alias -> name and unit, as stated at its birth."""


def decode(message: Message, aliases: Aliases | None = None) -> list[Observation]:
    """The status of the device or host, and the readings among the metrics.

    Raises DecodeError: "wrong_topic", "wrong_shape" for bytes that are not such a payload, "unknown_kind" for another
    type of message, "out_of_range" where every value is impossible, "too_large".
    """
    levels = message.topic.split("/")
    if levels[:2] == [_NAMESPACE, _HOST]:
        return [_host(levels, message.payload)]
    kind = levels[2] if len(levels) > 3 and levels[0] == _NAMESPACE else ""
    if _TYPES.get(kind) != len(levels):
        refuse("wrong_topic", "the topic must be spBv1.0/{group}/{type}/{edge}[/{device}]")
    device = text("/".join([levels[1], *levels[3:]]), "device")
    payload = _parsed(message.payload)
    if kind in _COMMANDS:
        return []
    at_ms = _time(payload, "timestamp")
    if aliases is not None:
        _remember(aliases, device, kind, payload)
    if kind in _DEATHS:
        return [Status(device, "offline", at_ms)]
    readings, impossible = _readings(device, payload, at_ms, (aliases or {}).get(device, {}))
    if kind in _BIRTHS:
        return bounded([Status(device, at_ms=at_ms), *readings])
    if impossible and not readings:
        refuse("out_of_range", "every value is out of the range of its quantity")
    return bounded(readings) or [Status(device, at_ms=at_ms)]


def _host(levels: list[str], payload: bytes) -> Status:
    if len(levels) != 3:
        refuse("wrong_topic", "the topic must be spBv1.0/STATE/{host}")
    state: _Host = parse_json(payload, _HOST_STATE)
    stated = state.timestamp if isinstance(state.timestamp, int) and not isinstance(state.timestamp, bool) else -1
    return Status(text(levels[2], "host"), "online" if state.online else "offline", _plausible(stated))


def _parsed(payload: bytes) -> Any:
    check_size(payload)
    kind, parse_error = payload_type()
    parsed = kind()
    try:
        parsed.ParseFromString(payload)
    except parse_error:
        refuse("wrong_shape", "the payload must be a Sparkplug B payload (protobuf)")
    if len(parsed.metrics) > _METRICS_MAX:
        refuse("too_large", f"the payload holds more than {_METRICS_MAX} metrics")
    if not parsed.HasField("timestamp") and not parsed.metrics:
        refuse("missing_field", "the payload must hold a timestamp or metrics")
    return parsed


def _time(holder: Any, field: str) -> int | None:
    return _plausible(getattr(holder, field)) if holder.HasField(field) else None


def _plausible(stated: int) -> int | None:
    return stated if 0 <= stated <= limits.CLOCK_CEILING_MS else None


def _remember(aliases: Aliases, device: str, kind: str, payload: Any) -> None:
    """Keep the names of a birth; a death and a new birth forget them, and so does an older device above ALIAS_VALUES_MAX."""
    if kind in _BIRTHS or kind in _DEATHS:
        aliases.pop(device, None)
    if kind in _BIRTHS:
        stated = {metric.alias: (metric.name, _unit(metric)) for metric in payload.metrics if metric.name and metric.HasField("alias")}
        aliases[device] = stated
        while sum(map(len, aliases.values())) > limits.ALIAS_VALUES_MAX:
            del aliases[next(iter(aliases))]


def _readings(device: str, payload: Any, at_ms: int | None, born: dict[int, tuple[bytes, bytes]]) -> tuple[list[Observation], bool]:
    """The readings among the metrics, and whether a known quantity had an impossible value; `born` are the aliases of the birth."""
    names = {alias: name for alias, (name, _) in born.items()}
    names |= {metric.alias: metric.name for metric in payload.metrics if metric.name and metric.HasField("alias")}
    readings: list[Observation] = []
    impossible = False
    for metric in payload.metrics:
        value = None if metric.is_null or metric.is_historical else _value(metric)
        name = _utf8(metric.name or (names.get(metric.alias, b"") if metric.HasField("alias") else b""))
        if value is not None and name:
            when = _time(metric, "timestamp")
            unit = _unit(metric) or (born[metric.alias][1] if metric.alias in born and not metric.name else b"")
            reading, is_known = _reading(device, name, value, _utf8(unit), at_ms if when is None else when)
            readings += [] if reading is None else [reading]
            impossible |= is_known and reading is None
    return readings, impossible


def _utf8(stated: bytes) -> str:
    try:
        return stated.decode()
    except UnicodeDecodeError:
        refuse("not_text", "the name and the unit of a metric must be UTF-8")


def _value(metric: Any) -> float | None:
    """The number or Boolean of a metric; `None` for texts, and for integers whose sign is ambiguous."""
    if metric.HasField("boolean_value"):
        return bool(metric.boolean_value)
    if metric.HasField("double_value"):
        return float(metric.double_value)
    if metric.HasField("float_value"):  # 21.1 as 32 bits is 21.100000381, of which seven digits count
        return float(f"{metric.float_value:.7g}")
    for field in ("int_value", "long_value"):
        if metric.HasField(field):
            return _whole(getattr(metric, field), metric.datatype)
    return None


def _whole(stated: int, datatype: int) -> int | None:
    bits = _SIGNED_BITS.get(datatype)
    if bits is not None:
        stated &= (1 << bits) - 1
        return stated - (1 << bits) if stated >> (bits - 1) else stated
    return stated if datatype in _UNSIGNED or stated < _FIRST_AMBIGUOUS else None


def _unit(metric: Any) -> bytes:
    """The property `engUnit`, as Ignition and others state it."""
    properties = metric.properties
    pairs = zip(properties.keys, properties.values, strict=False)
    return next((bytes(value.string_value) for key, value in pairs if key == _UNIT_KEY), b"")


def _reading(device: str, name: str, value: float, unit: str, at_ms: int | None) -> tuple[Reading | None, bool]:
    """The reading of a metric, or `None`, and whether its name is that of a quantity."""
    folder, _, last = name.rpartition("/")
    meant = quantity_named(last)
    if meant is not None:
        amount = canonical_amount(meant.quantity, value, unit or meant.unit)
        if amount is not None:
            return Reading(text(f"{device}/{folder}" if folder else device, "name"), meant.quantity, amount, at_ms), True
    if isinstance(value, bool):
        return Reading(text(f"{device}/{name}", "name"), "switch", float(value), at_ms), False
    return None, meant is not None


_SPEAKERS = (f"{_NAMESPACE}/{_HOST}/{{host}}", f"{_NAMESPACE}/{{group}}/+/{{edge}}/#")


def _fresh() -> Decoder:
    aliases: Aliases = {}
    return DECODER._replace(decode=lambda message: decode(message, aliases))


DECODER = Decoder(
    "sparkplug_b", (f"{_NAMESPACE}/#",), decode, speakers=_SPEAKERS, role="device", fresh=_fresh, requires=("google.protobuf",)
)

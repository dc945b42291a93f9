"""Simulated people counters: what each kind of device publishes in one minute of a scripted hour, as its maker documents it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

CHIRPSTACK = "application/1/device/24e124aabbccdd01/event/up"
TTN = "v3/app@ttn/devices/door/up"
EUI = "24e124aabbccdd01"


class Minute(NamedTuple):
    """The truth of one minute: passages within it, totals since the device's last reset, people inside, and the time."""

    came: int
    went: int
    total_in: int
    total_out: int
    inside: int
    at_ms: int


class Counter(NamedTuple):
    """One kind of device. `lost` while the gateway is down: a message of QoS 0, as cameras send it; others wait at the broker."""

    name: str
    decoder: str
    topic: str
    device: str
    payload: Callable[[Minute], Any]
    speaker: str | None = None
    flows: bool = True
    lost: bool = False


def _le(*words: int) -> bytes:
    return b"".join(word.to_bytes(2, "little") for word in words)


def _be(*words: int) -> bytes:
    return b"".join(word.to_bytes(2, "big") for word in words)


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()


def _chirpstack(model: str, one: Minute, data: bytes = b"", decoded: dict[str, Any] | None = None, port: int = 85) -> dict[str, Any]:
    body: dict[str, Any] = {
        "time": _iso(one.at_ms),
        "deviceInfo": {"deviceProfileName": model, "devEui": EUI},
        "fPort": port,
        "data": base64.b64encode(data).decode(),
        "rxInfo": [{"rssi": -60, "snr": 8.0}],
    }
    return body if decoded is None else body | {"object": decoded}


def _milesight(model: str, encode: Callable[[Minute], bytes]) -> Counter:
    return Counter(f"Milesight {model}, bytes", "chirpstack_v4", CHIRPSTACK, EUI, lambda one: _chirpstack(model, one, encode(one)))


def _names(model: str, decode: Callable[[Minute], dict[str, Any]]) -> Counter:
    def payload(one: Minute) -> dict[str, Any]:
        return _chirpstack(model, one, decoded=decode(one))

    return Counter(f"{model}, names", "chirpstack_v4", CHIRPSTACK, EUI, payload)


def _lines(one: Minute) -> bytes:
    totals = b"\x03\xd2" + one.total_in.to_bytes(4, "little") + b"\x04\xd2" + one.total_out.to_bytes(4, "little")
    return totals + b"\x05\xcc" + _le(one.came, one.went)


def _xovis(counts: Callable[[Minute], list[tuple[str, int]]]) -> Callable[[Minute], dict[str, Any]]:
    def payload(one: Minute) -> dict[str, Any]:
        rows = [{"id": at, "name": name, "value": value} for at, (name, value) in enumerate(counts(one))]
        record = {"from": one.at_ms - 60_000, "to": one.at_ms, "counts": rows}
        return {"logics_data": {"package_info": {"version": "5.0"}, "logics": [{"id": 1, "records": [record]}]}}

    return payload


def _imbuildings(one: Minute) -> bytes:
    counted = _be(248, one.came, one.went) + b"\x20" + _be(one.total_in, one.total_out) + b"\x61"
    return bytes.fromhex("02060004a30b00f6b56908") + counted


def _ttn(decoded: dict[str, Any], data: bytes, port: int, at_ms: int) -> dict[str, Any]:
    uplink = {
        "f_port": port,
        "frm_payload": base64.b64encode(data).decode(),
        "received_at": _iso(at_ms),
        "version_ids": {"model_id": "pcr2"},
    }
    return {"end_device_ids": {"dev_eui": EUI.upper()}, "uplink_message": uplink | ({"decoded_payload": decoded} if decoded else {})}


def _pcr2_bytes(one: Minute) -> dict[str, Any]:
    return _ttn({}, bytes.fromhex("be0104") + _be(one.came, one.went, one.total_in, one.total_out), 14, one.at_ms)


def _pcr2_names(one: Minute) -> dict[str, Any]:
    decoded = {"LTR": one.came, "RTL": one.went, "LTR_SUM": one.total_in, "RTL_SUM": one.total_out, "TEMP": 31}
    return _ttn(decoded, b"", 14, one.at_ms)


def _axis(one: Minute) -> dict[str, Any]:
    return {"serial": "00408CAC512B", "name": "Exit south", "in": one.total_in, "out": one.total_out}


def _shelly(one: Minute) -> dict[str, Any]:
    zone = {"id": 200, "value": one.inside > 0, "num_objects": one.inside}
    return {"src": "shellypresence-1", "method": "NotifyStatus", "params": {"ts": one.at_ms / 1000, "presencezone:200": zone}}


COUNTERS: tuple[Counter, ...] = (
    _milesight("VS121", lambda one: b"\x05\xcc" + _le(one.came, one.went)),
    _milesight("VS132", lambda one: b"\xff\x01\x01" + _lines(one)),
    _milesight("VS133", _lines),
    _milesight("VS135", _lines),
    _milesight("VS350", lambda one: b"\x01\x75\x64\x04\xcc" + _le(one.total_in, one.total_out) + b"\x05\xcc" + _le(one.came, one.went)),
    _milesight("VS351", lambda one: b"\x04\xcc" + _le(one.total_in, one.total_out)),
    _milesight("VS360", lambda one: b"\x05\xcc" + _le(one.came, one.went)),
    _names("VS121", lambda one: {"people_in": one.came, "people_out": one.went}),
    _names("VS132", lambda one: {"total_counter_in": one.total_in, "total_counter_out": one.total_out, "periodic_counter_in": one.came}),
    _names("VS135", lambda one: {"line_1_total_in": one.total_in, "line_1_total_out": one.total_out, "line_1_period_in": one.came}),
    _names("VS350", lambda one: {"period_in": one.came, "period_out": one.went}),
    _names("VS360", lambda one: {"total_in": one.total_in, "total_out": one.total_out}),
    _milesight("VS121", lambda one: b"\x04\xc9" + bytes((one.inside, 0, 0, 0)))._replace(name="Milesight VS121, in view", flows=False),
    Counter("Xovis, lines", "xovis", "xovis/door/logics", "door", _xovis(lambda one: [("fw", one.came), ("bw", one.went)]), "xovis/{id}/#"),
    Counter("Xovis, zone", "xovis", "xovis/hall", "hall", _xovis(lambda one: [("balance", one.inside)]), "xovis/{id}", flows=False),
    Counter("Axis", "axis_people_counter", "axis/south", "south", _axis, "axis/{id}", lost=True),
    Counter(
        "Terabee",
        "terabee",
        "terabee/north",
        "north",
        lambda one: {"count_in": one.total_in, "count_out": one.total_out, "timestamp": _iso(one.at_ms)},
        "terabee/{id}",
        lost=True,
    ),
    Counter(
        "FootfallCam",
        "footfallcam",
        "ffc/1",
        "1",
        lambda one: {"data": [{"Time": _iso(one.at_ms), "ValueIn": one.came, "ValueOut": one.went}]},
        "ffc/{id}",
    ),
    Counter("Parametric PCR2, bytes", "ttn_v3", TTN, EUI, _pcr2_bytes),
    Counter("Parametric PCR2, names", "ttn_v3", TTN, EUI, _pcr2_names),
    Counter(
        "IMBuildings, bytes",
        "chirpstack_v4",
        CHIRPSTACK,
        EUI,
        lambda one: _chirpstack("IMBuildings PeopleCounter", one, _imbuildings(one), port=26),
    ),
    _names("IMBuildings", lambda one: {"counter_a": one.came, "counter_b": one.went, "total_counter_a": one.total_in}),
    Counter("Frigate", "frigate", "frigate/hall/person", "hall", lambda one: str(one.inside), flows=False),
    Counter("Shelly Presence", "shelly_gen2_rpc", "presence-1/events/rpc", "presence-1", _shelly, flows=False),
    Counter("Zigbee", "zigbee2mqtt", "zigbee2mqtt/radar", "radar", lambda one: {"people": one.inside, "linkquality": 90}, flows=False),
    Counter(
        "Wayside, doors",
        "wayside_v1",
        "wayside/v1/street/up/door-1/count",
        "door-1",
        lambda one: {
            "v": 1,
            "boot": "b",
            "seq": one.at_ms // 1000,
            "what": "people_in",
            "count": one.total_in,
            "kind": "total",
            "direction": "in",
        },
        flows=False,
    ),
)


def encoded(payload: Any) -> bytes:
    """The bytes that are published."""
    return payload.encode() if isinstance(payload, str) else json.dumps(payload).encode()

"""Shelly, second generation and later: JSON-RPC over MQTT (shelly-api-docs.shelly.cloud/gen2).

Changes are notified on `{device}/events/rpc`; `ts` counts seconds since 1970 once the device knows the time, and since its
start before that. `{device}/online` is birth and last will. Updates are events of the component `sys`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from firmware_sim.message import Message

FORMAT = "shelly_gen2_rpc"


class Plug(NamedTuple):
    """Measurements of a metering switch: W, V, A, Wh and its own temperature in °C."""

    output: bool
    power_w: float
    voltage_v: float
    current_a: float
    energy_wh: float
    by_minute_mwh: tuple[float, float, float]
    temperature_c: float


def online(device: str, *, is_online: bool) -> Message:
    """Birth or last will."""
    return Message(f"{device}/online", b"true" if is_online else b"false", FORMAT, "status", retain=True)


def notify(device: str, method: str, params: Mapping[str, object]) -> Message:
    """Notification of any method."""
    fields = {"src": device, "dst": f"{device}/events", "method": method, "params": params}
    kind = "reading" if method == "NotifyStatus" else "status"
    return Message(f"{device}/events/rpc", msgspec.json.encode(fields), FORMAT, kind)


def switch(plug: Plug, minute_s: int) -> dict[str, object]:
    """Complete state of the component `switch:0`."""
    energy = {"total": round(plug.energy_wh, 3), "by_minute": list(plug.by_minute_mwh), "minute_ts": minute_s}
    return {
        "id": 0,
        "source": "init",
        "output": plug.output,
        "apower": round(plug.power_w, 1),
        "voltage": round(plug.voltage_v, 1),
        "current": round(plug.current_a, 3),
        "aenergy": energy,
        "temperature": {"tC": round(plug.temperature_c, 1), "tF": round(plug.temperature_c * 9 / 5 + 32, 1)},
    }


def status(device: str, ts_s: float, plug: Plug) -> Message:
    """Notification of a changed switch."""
    ts_s = round(ts_s, 2)
    return notify(device, "NotifyStatus", {"ts": ts_s, "switch:0": switch(plug, int(ts_s) // 60 * 60)})


def climate(device: str, ts_s: float, temperature_c: float, humidity_pct: float) -> Message:
    """Notification of a sensor add-on (°C, %)."""
    temperature = {"id": 0, "tC": round(temperature_c, 1), "tF": round(temperature_c * 9 / 5 + 32, 1)}
    params = {"ts": round(ts_s, 2), "temperature:0": temperature, "humidity:0": {"id": 0, "rh": round(humidity_pct, 1)}}
    return notify(device, "NotifyStatus", params)


def update_progress(device: str, ts_s: float, percent: int) -> Message:
    """Progress of an over-the-air update in percent."""
    extra = {"msg": "Waiting for data", "progress_percent": percent}
    return notify(device, "NotifyEvent", _events(ts_s, [{"component": "sys", "event": "ota_progress", **extra}]))


def update_done(device: str, ts_s: float) -> Message:
    """End of an over-the-air update, just before the restart."""
    return notify(device, "NotifyEvent", _events(ts_s, [{"component": "sys", "event": "ota_success", "msg": "Update applied, rebooting"}]))


def _events(ts_s: float, events: Sequence[dict[str, object]]) -> dict[str, object]:
    stated = round(ts_s, 2)
    return {"ts": stated, "events": [{**event, "ts": stated} for event in events]}

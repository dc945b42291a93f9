"""Zigbee2MQTT: one flat JSON object per device, under the friendly name in the topic.

Properties and units of a temperature and humidity sensor follow zigbee2mqtt.io (°C, %, mV, link quality 0 to 255).
"""

from __future__ import annotations

import msgspec

from firmware_sim.message import Message

FORMAT = "zigbee2mqtt"


def climate(name: str, temperature_c: float, humidity_pct: float, *, battery_pct: int, link_quality: int) -> Message:
    """State of a climate sensor."""
    fields = {
        "battery": battery_pct,
        "humidity": round(humidity_pct, 2),
        "linkquality": link_quality,
        "temperature": round(temperature_c, 2),
        "voltage": 2100 + 9 * battery_pct,
    }
    return Message(f"zigbee2mqtt/{name}", msgspec.json.encode(fields), FORMAT, "reading")


def availability(name: str, *, is_online: bool) -> Message:
    """Whether the bridge still receives the device; retained."""
    state = {"state": "online" if is_online else "offline"}
    return Message(f"zigbee2mqtt/{name}/availability", msgspec.json.encode(state), FORMAT, "status", retain=True)


def update(name: str, percent: int, remaining_s: int) -> Message:
    """Progress of a firmware update, which the bridge publishes as part of the device's state."""
    state = {"update": {"installed_version": 1, "latest_version": 2, "progress": percent, "remaining": remaining_s, "state": "updating"}}
    return Message(f"zigbee2mqtt/{name}", msgspec.json.encode(state), FORMAT, "status")

"""Shelly, first generation: one value per topic, as plain text (shelly-api-docs.shelly.cloud/gen1, "MQTT").

A battery-powered H&T sleeps, wakes, announces itself, publishes temperature, humidity and battery, and sleeps again. `online`
is retained; its value "false" is the last will.
"""

from __future__ import annotations

import msgspec

from firmware_sim.message import Message

FORMAT = "shelly_gen1"
MODEL_HT = "SHHT-1"


def announce(device: str, mac: str, address: str, version: str, *, new_version: bool) -> Message:
    """Announcement on the topic that all devices of an installation share."""
    fields = {"id": device, "model": MODEL_HT, "mac": mac, "ip": address, "new_fw": new_version, "fw_ver": version}
    return Message("shellies/announce", msgspec.json.encode(fields), FORMAT, "status")


def online(device: str, *, is_online: bool) -> Message:
    """Birth or last will."""
    return Message(f"shellies/{device}/online", b"true" if is_online else b"false", FORMAT, "status", retain=True)


def sensor(device: str, quantity: str, value: float, digits: int) -> Message:
    """One measured value: `temperature` in °C with two digits, `humidity` in % with one, `battery` in % with none."""
    return Message(f"shellies/{device}/sensor/{quantity}", f"{value:.{digits}f}".encode(), FORMAT, "reading")

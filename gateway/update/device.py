"""This device among those that a staged release is meant for, and the folder of its versions; without the libraries of updates."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

FOLDER = Path("/var/lib/wayside-program")
STAGED = "wait until the release is meant for this device: releases may be staged by shares of the devices"
FIRST, PLACES = 0, 100


def place_of(device: str) -> int:
    """The place of a device in the order of staged releases, from FIRST to PLACES - 1; the same for each release."""
    return int.from_bytes(hashlib.sha256(device.encode()).digest()) % PLACES


def here(*, staged: bool) -> int:
    """The place of this machine; FIRST if it does not wait."""
    if not staged:
        return FIRST
    file = Path("/etc/machine-id")
    return place_of(file.read_text(encoding="ascii").strip() if file.exists() else socket.gethostname())

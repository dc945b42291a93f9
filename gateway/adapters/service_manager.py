"""Notices to systemd (sd_notify(3)): the gateway is ready, it is alive. Without a service manager none is sent.

There is no notice of its end: `STOPPING=1` begins the time to stop of the whole service, and neither a reload nor a change of versions
ends that.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

VARIABLE = "NOTIFY_SOCKET"
READY, ALIVE = "READY=1", "WATCHDOG=1"


def notify(*lines: str) -> bool:
    """Send the lines as one notice; returns whether a service manager took it. A lost one is sent again with the next sign of life."""
    address = os.environ.get(VARIABLE, "")
    if not address:
        return False
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
        sender.send("\n".join(lines).encode())
        return True
    return False

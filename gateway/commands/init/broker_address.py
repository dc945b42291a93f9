"""The broker of this machine, and its time zone."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from gateway.adapters.broker_faults import speaks_tls
from gateway.config_network import is_loopback

HOST = "127.0.0.1"
PORTS = (1883, 8883)
WAIT_S = 1.0
UNKNOWN = "Etc/UTC"


def find_broker() -> str:
    """The address of a broker on this machine, with TLS if its port has it; empty without one."""
    for port in PORTS:
        with suppress(OSError):
            socket.create_connection((HOST, port), WAIT_S).close()
            return f"{'mqtts' if speaks_tls(HOST, port, WAIT_S) else 'mqtt'}://{HOST}:{port}"
    return ""


def is_remote(address: str) -> bool:
    """Whether an address is of another machine, without TLS."""
    parts = urlsplit(address)
    return parts.scheme == "mqtt" and not is_loopback(parts.hostname or "")


def local_timezone(link: Path = Path("/etc/localtime")) -> str:
    """The name of this machine's time zone; UNKNOWN if the system does not name it."""
    with suppress(OSError):
        _, found, name = str(link.resolve(strict=True)).partition("zoneinfo/")
        if found:
            return name
    return UNKNOWN

"""Posts to the running gateway over its Unix socket, which only its owner can open."""

from __future__ import annotations

import http.client
import socket
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

WAIT_S = 30.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("gateway", timeout=WAIT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT_S)
        self.sock.connect(str(self._path))


def post(path: Path, body: object) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of a POST to the desk. Raises OSError if no gateway listens there."""
    connection = _UnixConnection(path)
    try:
        connection.request("POST", "/v1/consent", msgspec.json.encode(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, msgspec.json.decode(response.read(), type=dict[str, Any])
    finally:
        connection.close()

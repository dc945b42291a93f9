"""Requests to the running gateway over its Unix sockets, which only their owner can open."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.adapters.unix_sockets import connect

if TYPE_CHECKING:
    from pathlib import Path

WAIT_S = 30.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, wait_s: float) -> None:
        super().__init__("gateway", timeout=wait_s)
        self._path, self._wait_s = path, wait_s

    def connect(self) -> None:
        self.sock = connect(self._path, self._wait_s)


def post(path: Path, body: object) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of a POST to the desk. Raises OSError if no gateway listens there."""
    status, content = _exchange(path, "POST", "/v1/consent", msgspec.json.encode(body), WAIT_S)
    return status, msgspec.json.decode(content, type=dict[str, Any])


def get(path: Path, resource: str, wait_s: float) -> tuple[int, bytes]:
    """Status and body of a GET. Raises OSError if no gateway listens there, and TimeoutError without an answer within `wait_s`."""
    return _exchange(path, "GET", resource, b"", wait_s)


def _exchange(path: Path, method: str, resource: str, body: bytes, wait_s: float) -> tuple[int, bytes]:
    connection = _UnixConnection(path, wait_s)
    try:
        connection.request(method, resource, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"{path} answers no HTTP ({error})") from None
    finally:
        connection.close()

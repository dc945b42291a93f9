"""An HTTP client for tests on one socket: complete requests, and bytes as they are."""

from __future__ import annotations

import json
import socket
import ssl
from typing import Any, NamedTuple, Self

import h11

WAIT_S = 20.0


class Reply(NamedTuple):
    """A response; `headers` have lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class HttpClient:
    """One connection to a port of this machine."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), WAIT_S)
        self.socket = plain if tls is None else tls.wrap_socket(plain, server_hostname="localhost")
        self._http = h11.Connection(h11.CLIENT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """One request; names of headers have `_` for `-`."""
        fields = [
            ("Host", "localhost"),
            ("Content-Length", str(len(body))),
            *[(name.replace("_", "-"), text) for name, text in headers.items()],
        ]
        request = h11.Request(method=method, target=path, headers=fields)
        self.socket.sendall(
            (self._http.send(request) or b"") + (self._http.send(h11.Data(body)) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        )
        reply = self.receive()
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        return reply

    def receive(self) -> Reply:
        """The next response."""
        head: h11.Response | None = None
        body = b""
        while True:
            part = self._http.next_event()
            if part is h11.NEED_DATA:
                self._http.receive_data(self.socket.recv(65_536))
            elif isinstance(part, h11.Response):
                head = part
            elif isinstance(part, h11.Data):
                body += bytes(part.data)
            elif isinstance(part, h11.EndOfMessage):
                assert head is not None
                return Reply(head.status_code, {name.decode(): value.decode() for name, value in head.headers}, body)
            else:
                assert isinstance(part, h11.InformationalResponse), part

    def raw(self, content: bytes) -> bytes:
        """Send bytes as they are; all bytes until the server closes."""
        self.socket.sendall(content)
        found = b""
        while more := self.socket.recv(65_536):
            found += more
        return found

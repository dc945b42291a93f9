"""One HTTP request with a deadline for all of it: asyncio for the socket, h11 for the protocol.

A read timeout of a socket bounds each read, so a server that drips its answer holds the caller for as long as it likes; here one deadline
covers name resolution, connection, request and answer. Redirects are not followed, and the answer's size is bounded.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from pathlib import Path

    import h11

_READ_BYTES = 16_384
HEADER_BYTES_MAX = 32_768


class ClientError(OSError):
    """There is no complete answer; the text names the cause."""


class Answer(NamedTuple):
    """An answer of any status; `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpTarget:
    """One address, http or https, and the limits of an exchange with it."""

    def __init__(
        self,
        url: str,
        *,
        ca_file: Path | None = None,
        tls: ssl.SSLContext | None = None,
        deadline_s: float = 10.0,
        body_bytes_max: int = 65_536,
    ) -> None:
        """`tls` replaces the usual checks of the server. Raises ValueError for another form of address, OSError for a certificate file."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.fragment:
            raise ValueError(f"{url!r} is not an address such as https://host/path")
        self.name = f"{parts.scheme}://{parts.netloc}"
        """The address in messages, which reach the log and the status: path and query may hold a secret."""
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._authority = parts.netloc
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        usual = None if tls else ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        self._tls = (tls or usual) if parts.scheme == "https" else None
        self._deadline_s, self._body_bytes_max = deadline_s, body_bytes_max

    def exchange(self, method: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """The answer to one request on a connection of its own. Raises ClientError."""
        fields = {"Host": self._authority, "Connection": "close", "User-Agent": "wayside", **headers}
        if body:
            fields["Content-Length"] = str(len(body))
        import asyncio  # noqa: PLC0415 - this and h11 for the first exchange, not for a check of the address

        import h11  # noqa: PLC0415

        try:
            head = h11.Request(method=method, target=self._path, headers=list(fields.items()))
            return asyncio.run(self._exchange(head, body))
        except TimeoutError:
            raise ClientError(f"{self.name} gave no complete answer within {self._deadline_s:g} s") from None
        except h11.ProtocolError as error:
            raise ClientError(f"{self.name} does not speak HTTP/1.1 ({error})") from None
        except ClientError:
            raise
        except OSError as error:
            raise ClientError(f"{self.name} does not answer ({error})") from None

    async def _exchange(self, head: h11.Request, body: bytes) -> Answer:
        import asyncio  # noqa: PLC0415 - as above

        import h11  # noqa: PLC0415

        async with asyncio.timeout(self._deadline_s):
            reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls, limit=_READ_BYTES)
            try:
                http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_BYTES_MAX)
                writer.write(http.send(head) or b"")
                writer.write(http.send(h11.Data(data=body)) or b"")
                writer.write(http.send(h11.EndOfMessage()) or b"")
                await writer.drain()
                return await self._answer(http, reader)
            finally:
                writer.transport.abort()  # a graceful close would wait for the other side

    async def _answer(self, http: h11.Connection, reader: asyncio.StreamReader) -> Answer:
        import h11  # noqa: PLC0415 - as above

        status, headers, body = 0, dict[str, str](), bytearray()
        while True:
            part = http.next_event()
            if part is h11.NEED_DATA:
                http.receive_data(await reader.read(_READ_BYTES))
            elif isinstance(part, h11.Response):
                status = part.status_code
                headers = {name.decode("ascii"): value.decode("latin-1") for name, value in part.headers}
            elif isinstance(part, h11.Data):
                body += part.data
                if len(body) > self._body_bytes_max:
                    raise ClientError(f"the answer of {self.name} is larger than {self._body_bytes_max} bytes")
            elif isinstance(part, h11.EndOfMessage):
                return Answer(status, headers, bytes(body))
            elif not isinstance(part, h11.InformationalResponse):
                raise ClientError(f"{self.name} closed the connection without an answer")

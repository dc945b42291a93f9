"""A small HTTP/1.1 server on a thread of its own: asyncio for the sockets, h11 for the protocol.

h11 (pure Python, MIT, no requirements) reads and writes the protocol without sockets, so all limits are here: size of the header and of
the body, number of connections, and a deadline for every wait. `http.server` of the standard library has no deadline for a whole request,
so a client that drips bytes holds a thread; a web framework would bring an application server to the device.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import h11

from gateway.adapters import unix_sockets
from gateway.core.http import Request, Response, problem

if TYPE_CHECKING:
    from gateway.core.http import Handler

HEADER_BYTES_MAX = 16_384
BODY_BYTES_MAX = 65_536
CONNECTIONS_MAX = 64
REQUEST_S_MAX = 10.0  # from the first byte of a request to its last
IDLE_S_MAX = 30.0  # for the first byte of the next request
WRITE_S_MAX = 10.0
HANDSHAKE_S_MAX = 5.0
_READ_BYTES = 16_384


class Limits(NamedTuple):
    """Deadlines in seconds, shorter in tests."""

    request_s: float = REQUEST_S_MAX
    idle_s: float = IDLE_S_MAX
    write_s: float = WRITE_S_MAX


LIMITS = Limits()


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer with this certificate. Raises OSError (ssl.SSLError is one) for files that cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


class HttpServer:
    """Serves `handler`. The address is taken at once, so a wrong one is found before the gateway starts; `stop` ends all connections."""

    def __init__(self, host: str | Path, port: int, handler: Handler, tls: ssl.SSLContext | None = None, limits: Limits = LIMITS) -> None:
        """Bind; port 0 takes a free one. A path is a Unix socket that only its owner can open.

        Raises OSError if the address is in use or not this machine's.
        """
        self._handler, self._tls, self._limits = handler, tls, limits
        if isinstance(host, str):
            self._socket = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
            self.port = int(self._socket.getsockname()[1])
        else:
            self._socket, self.port = unix_sockets.listen(host), 0
        self._open: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Serve on the server's own thread."""
        self._thread.start()

    def stop(self) -> None:
        """End all connections and the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        self._socket.close()
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        seconds = HANDSHAKE_S_MAX if self._tls else None
        server = await asyncio.start_server(
            self._accept, sock=self._socket, ssl=self._tls, ssl_handshake_timeout=seconds, limit=_READ_BYTES
        )
        await self._stopping.wait()
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = _Connection(reader, writer, self._handler, self._limits)
        try:
            if len(self._open) >= CONNECTIONS_MAX:
                await connection.refuse(problem(503, "busy", "there are too many connections; try again", ("Retry-After", "1")))
                return
            self._open.add(task)
            await connection.serve()
        except (OSError, TimeoutError, asyncio.CancelledError):
            writer.transport.abort()  # the other side has gone, takes nothing, or the server stops
        finally:
            self._open.discard(task)
            writer.close()


class _Connection:
    """One connection: requests one after the other until an error, a close, or a deadline."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler, limits: Limits) -> None:
        self._reader, self._writer, self._handler, self._limits = reader, writer, handler, limits
        peer = writer.get_extra_info("peername")
        self._peer = str(peer[0]) if isinstance(peer, tuple) else ""
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_BYTES_MAX)

    async def serve(self) -> None:
        """Answer requests. Raises OSError and TimeoutError."""
        while True:
            request = await self._request()
            if request is None:
                return
            if isinstance(request, Response):
                await self.refuse(request)
                return
            await self._send(await self._handler(request), is_head=request.method == "HEAD")
            if self._http.our_state is h11.MUST_CLOSE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def refuse(self, response: Response) -> None:
        """Send an error and close, because the rest of the request is not read."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._send(response, is_last=True)

    async def _request(self) -> Request | Response | None:
        """The next request, the refusal of one that is too large, slow or malformed, or None at the end of the connection."""
        try:
            async with asyncio.timeout(self._limits.idle_s):
                if self._http.trailing_data[0] == b"" and not await self._feed():
                    return None
        except TimeoutError:
            return None
        try:
            async with asyncio.timeout(self._limits.request_s):
                return await self._complete()
        except TimeoutError:
            return problem(408, "slow", "the request was not complete in time; send it faster")
        except h11.RemoteProtocolError as error:
            is_large = error.error_status_hint == 431
            return problem(431, "header_large", "the header is too large") if is_large else problem(400, "malformed", "this is no HTTP/1.1")

    async def _complete(self) -> Request | Response | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            part = self._http.next_event()
            if part is h11.NEED_DATA:
                if head is not None and self._http.they_are_waiting_for_100_continue:
                    await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
                if not await self._feed():
                    return None
            elif isinstance(part, h11.Request):
                head = part
                if _stated_length(part) > BODY_BYTES_MAX:
                    return _too_large()
            elif isinstance(part, h11.Data):
                body += part.data
                if len(body) > BODY_BYTES_MAX:
                    return _too_large()
            elif isinstance(part, h11.EndOfMessage) and head is not None:
                headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
                path, _, query = head.target.decode("ascii").partition("?")
                return Request(head.method.decode("ascii"), path, headers, bytes(body), query, self._peer)
            else:
                return None

    async def _feed(self) -> bool:
        """Read once; False at the end of the stream."""
        content = await self._reader.read(_READ_BYTES)
        self._http.receive_data(content)
        return bool(content)

    async def _send(self, response: Response, *, is_head: bool = False, is_last: bool = False) -> None:
        headers = [("Cache-Control", "no-store"), *response.headers]
        if response.parts is None:
            headers.append(("Content-Length", str(len(response.body))))
        if response.body or response.parts is not None:
            headers.append(("Content-Type", response.media_type))
        if is_last:
            headers.append(("Connection", "close"))
        content = self._http.send(h11.Response(status_code=response.status, headers=headers)) or b""
        if not is_head and response.body:
            content += self._http.send(h11.Data(data=response.body)) or b""
        if not is_head and response.parts is not None:
            await self._write(content)
            content = b""
            async with aclosing(response.parts) as parts:  # ends with the connection
                async for part in parts:
                    await self._write(self._http.send(h11.Data(data=part)))
        content += self._http.send(h11.EndOfMessage()) or b""
        await self._write(content)

    async def _write(self, content: bytes | None) -> None:
        self._writer.write(content or b"")
        async with asyncio.timeout(self._limits.write_s):
            await self._writer.drain()


def _stated_length(head: h11.Request) -> int:
    """The Content-Length, which h11 has checked; 0 without one."""
    return next((int(value) for name, value in head.headers if name == b"content-length"), 0)


def _too_large() -> Response:
    return problem(413, "too_large", f"the body is larger than {BODY_BYTES_MAX} bytes; send less at once")

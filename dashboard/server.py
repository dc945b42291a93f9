"""The HTTP server: uvicorn with a deadline for the header of each request, and a bound of the connections that have sent none.

uvicorn limits the number of connections and the idle time between two requests, but waits for ever for the rest of a header. Here a
connection without a complete header ends after `HEADER_S_MAX`, and of too many such connections the oldest ends, so that half-open
requests take no place from gateways that send theirs at once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from dashboard import limits


class BoundedProtocol(H11Protocol):
    """One connection; `half_open` are all connections that wait for a header, oldest first."""

    def __init__(self, half_open: dict[BoundedProtocol, None], **given: Any) -> None:
        super().__init__(**given)
        self._half_open = half_open
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a header; the oldest half-open connection ends if there are too many."""
        super().connection_made(transport)
        if len(self._half_open) >= limits.HALF_OPEN_MAX:
            next(iter(self._half_open)).end()
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            self._settle()
        elif not self.transport.is_closing():
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._settle()
        super().connection_lost(exc)

    def end(self) -> None:
        """Close the connection without a response."""
        self._settle()
        self.transport.abort()

    def _wait(self) -> None:
        if self._deadline is None:
            self._half_open[self] = None
            self._deadline = self.loop.call_later(limits.HEADER_S_MAX, self.end)

    def _settle(self) -> None:
        self._half_open.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Server(uvicorn.Server):
    """A uvicorn server that calls `announce` when it accepts connections, and exits with code 0 after a signal."""

    def __init__(self, app: FastAPI, announce: Callable[[], None]) -> None:
        protocol: Any = partial(BoundedProtocol, {})
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                log_level="error",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=limits.SHUTDOWN_S_MAX,
                limit_concurrency=limits.CONNECTIONS_MAX,
            )
        )
        self._notifiers = app.state.notifier, app.state.orders
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections, then call `announce`."""
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams and the held requests, then shut down."""
        for notifier in self._notifiers:
            notifier.close()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  the shape that uvicorn calls
        """Shut down at the first signal, at once at the second. Unlike uvicorn, do not raise the signal again afterwards."""
        self.force_exit = self.should_exit
        self.should_exit = True

"""The page as a service of the gateway: its server, and the reader that ends with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gateway.page.records import Records
    from gateway.page.routes import Page


class Server(Protocol):
    """See `gateway.adapters.http_server.HttpServer`."""

    port: int

    def start(self) -> None:
        """Serve."""

    def stop(self) -> None:
        """End."""


class PageService:
    """Starts and stops with the gateway."""

    def __init__(self, page: Page, server: Server, records: Records) -> None:
        """Nothing is served before `start`."""
        self._server, self._records, self.page = server, records, page
        self.port = server.port

    def start(self) -> None:
        """Serve."""
        self._server.start()

    def stop(self) -> None:
        """End all connections, and close the database."""
        self._server.stop()
        self._records.close()

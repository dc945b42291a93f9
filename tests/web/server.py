"""The dashboard on a real socket of the loopback, in a thread of the test."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

from dashboard.app import create_app
from dashboard.server import Server
from dashboard.settings import Settings
from dashboard.studio.publisher import Publisher
from tests.web.people import COOKIE, sign_in


class LiveServer:
    """Runs within a `with` block; `address` is valid from its begin, `stop` may be called early."""

    def __init__(self, settings: Settings, publisher: Publisher | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._ready = threading.Event()
        self.app = create_app(settings, publisher)
        self.cookies = {COOKIE: sign_in(self.app)}
        self._server = Server(self.app, self._ready.set)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(timeout=30):
            raise RuntimeError("the server did not start")
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        self._thread.join(timeout=30)

    def stop(self) -> None:
        """Ask it to end, as a signal does."""
        self._server.should_exit = True

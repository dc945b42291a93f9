"""An HTTP server in place of the cloud: it sends the responses of a list and keeps the requests."""

from __future__ import annotations

import gzip
import json
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple, Self


class Request(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def batch(self) -> Any:
        """The batch in the body."""
        return json.loads(gzip.decompress(self.body))


def receipt(request: Request, taken: int | None = None) -> bytes:
    """The receipt for all records of a request, or for the first `taken`."""
    ids = [record["id"] for record in request.batch["records"]]
    return json.dumps({"batch": request.batch["batch"], "taken": ids[:taken]}).encode()


class Response(NamedTuple):
    """One response; `body` makes its body from the request."""

    status: int = 200
    body: Callable[[Request], bytes] = receipt
    headers: Mapping[str, str] = MappingProxyType({})


class FakeCloud:
    """Sends the n-th response for the n-th request, and the last one for later requests."""

    def __init__(self, *responses: Response) -> None:
        self.requests: list[Request] = []
        responses = responses or (Response(),)
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"] or 0)
                request = Request(self.path, dict(self.headers), self.rfile.read(length))
                if not length or len(request.body) < length:  # the connection ended within the request
                    self.close_connection = True
                    return
                cloud.requests.append(request)
                response = responses[min(len(cloud.requests), len(responses)) - 1]
                body = response.body(request)
                self.send_response(response.status)
                for name, value in (*response.headers.items(), ("Content-Length", str(len(body)))):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """Report an error, unless the client went away."""
                if not isinstance(sys.exception(), ConnectionError):
                    super().handle_error(request, client_address)

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

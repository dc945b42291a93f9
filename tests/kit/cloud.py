"""A cloud of a few lines: it answers what the test has written on its list, and keeps what it was sent."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple, Self


class Asked(NamedTuple):
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def batch(self) -> Any:
        """The batch in it."""
        return json.loads(gzip.decompress(self.body))


def receipt(asked: Asked, taken: int | None = None) -> bytes:
    """The receipt for all records of a request, or for the first few."""
    ids = [record["id"] for record in asked.batch["records"]]
    return json.dumps({"batch": asked.batch["batch"], "taken": ids[:taken]}).encode()


class Says(NamedTuple):
    """One answer; `body` is made of the request."""

    status: int = 200
    body: Callable[[Asked], bytes] = receipt
    headers: Mapping[str, str] = MappingProxyType({})


class SmallCloud:
    """Answers the n-th request with the n-th answer, and any later one with the last."""

    def __init__(self, *answers: Says) -> None:
        self.asked: list[Asked] = []
        answers = answers or (Says(),)
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = Asked(self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"])))
                cloud.asked.append(asked)
                says = answers[min(len(cloud.asked), len(answers)) - 1]
                body = says.body(asked)
                self.send_response(says.status)
                for name, value in (*says.headers.items(), ("Content-Length", str(len(body)))):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

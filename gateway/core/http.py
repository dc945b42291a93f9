"""HTTP requests and responses as values, and errors as problem details (RFC 9457).

`gateway.adapters.http_server` has the sockets; `gateway.runtime.api` answers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import NamedTuple

import msgspec

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"


class Request(NamedTuple):
    """A complete request; `headers` have lower-case names, and `path` is without its query, which is `query` as it was sent.

    `peer` is the network address of the client, empty on a Unix socket.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    query: str = ""
    peer: str = ""


class Response(NamedTuple):
    """A response; its length and connection headers are the server's. `parts` are sent as they come, after `body`."""

    status: int
    body: bytes = b""
    media_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    parts: AsyncGenerator[bytes, None] | None = None


Handler = Callable[[Request], Awaitable[Response]]
"""Answers a request; may not raise."""

TITLES: Mapping[int, str] = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
"""Titles of the status codes of errors (RFC 9110)."""


def problem(status: int, code: str, detail: str, *headers: tuple[str, str]) -> Response:
    """An error as problem details; `code` names it for programs, `detail` states the cause and the next step."""
    body = {"type": f"urn:wayside:problem:{code}", "title": TITLES[status], "status": status, "detail": detail}
    return Response(status, msgspec.json.encode(body), PROBLEM_JSON, headers)

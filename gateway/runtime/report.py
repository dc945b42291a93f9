"""The report of the running gateway, for `wayside doctor`, `status` and `watch`; it is answered over a local socket only.

Unlike the retained message it has totals of people's doings, so it never leaves the machine.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from gateway.core.http import Response, problem
from gateway.core.ports import StoreError
from gateway.runtime.reserves import Reserves
from gateway.runtime.status import GatewayStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.http import Handler, Request
    from gateway.runtime.app import App

log = logging.getLogger("wayside")

RESOURCE = "/v1/report"
WAIT_S = 5.0
OWN_IO = Path("/proc/self/io")


class SourceReport(msgspec.Struct, frozen=True):
    """Messages of a source since the start, the arrival of the newest (None: no message yet), and whether the source only measures."""

    topic: str
    decoder: str
    messages: int
    newest_ms: int | None
    is_of_sensors: bool


class Report(msgspec.Struct, frozen=True):
    """The status with the details for a diagnosis.

    `unnamed` are ids of scanners and devices that the config does not name, with their observations, and `unnamed_others` the observations
    of further ones. `examples` are refusals as text by `decoder:reason`. `people` are devices and tags with consent, `present` the open
    visits and approaches, `written_bytes` the bytes that the process has caused to be written since its start (None: not known).
    """

    site: str
    started_ms: int
    connected: bool
    link_trouble: str
    cloud_trouble: str
    status: GatewayStatus
    sources: tuple[SourceReport, ...]
    unnamed: dict[str, int]
    unnamed_others: int
    examples: dict[str, str]
    people: int
    present: int
    written_bytes: int | None
    reserves: Reserves | None = None


def make_report(app: App) -> Report:
    """The report at this moment, on the writer thread."""
    link, router, status, written = app.bus.link(), app.router, app.status(), _written_bytes()
    return Report(
        site=app.site.name,
        started_ms=app.counters.started_ms,
        connected=link.connected,
        link_trouble=app.clean(link.trouble),
        cloud_trouble=app.clean(app.uplink.trouble) if app.uplink is not None else "",
        status=status,
        sources=tuple(
            SourceReport(one.source.topic, one.name, one.messages, one.newest_ms or None, one.is_of_sensors) for one in router.tallies
        ),
        unnamed={app.clean(name): times for name, times in router.unnamed.times.most_common()},
        unnamed_others=router.unnamed.others,
        examples={key: app.clean(text) for key, text in router.examples.texts.items()},
        people=len(app.state.people.identities),
        present=len(app.state.visits.presences),
        written_bytes=written,
        reserves=reserves_of(app, status),
    )


def reserves_of(app: App, status: GatewayStatus | None = None) -> Reserves | None:
    """The reserves by a status, by default the last one; None without a gauge. Raises OSError if the folder of the database is gone."""
    status = app.latest if status is None else status
    if app.gauge is None:
        return None
    return app.gauge.read(status.uptime_s, _written_bytes(), status.records_made, status.records_waiting)


def _written_bytes() -> int | None:
    """Bytes that this process has caused to be written to disks (proc_pid_io(5)); None where the system counts none."""
    try:
        lines = OWN_IO.read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(value) for name, _, value in (line.partition(":") for line in lines) if name == "write_bytes"), None)


def _as_json(report: Report) -> Response:
    return Response(200, msgspec.json.encode(report))


def reporter(app: App, resource: str = RESOURCE, answer: Callable[[Report], Response] = _as_json) -> Handler:
    """Answers GET of a resource from the report of the moment; it never raises."""

    async def handle(request: Request) -> Response:
        if (request.method, request.path) != ("GET", resource):
            return problem(404, "no_resource", f"GET {resource} is the only resource")
        try:
            made = await asyncio.wait_for(asyncio.wrap_future(app.mailbox.call(lambda _: make_report(app))), WAIT_S)
        except (TimeoutError, StoreError, asyncio.CancelledError):
            return problem(503, "busy", f"the gateway did not answer within {WAIT_S:g} s: it is starting, stopping, or its disk hangs")
        return answer(made)

    return handle


class Server(Protocol):
    """See `gateway.adapters.http_server.HttpServer`."""

    def start(self) -> None:
        """Serve."""

    def stop(self) -> None:
        """End."""


class ReportService:
    """Serves the report while the gateway runs. A socket that cannot be made is logged: diagnosis must not keep a gateway from starting."""

    def __init__(self, make_server: Callable[[], Server]) -> None:
        """`make_server` binds the socket. Raises OSError."""
        self._make_server = make_server
        self._server: Server | None = None

    def start(self) -> None:
        """Bind and serve."""
        try:
            self._server = self._make_server()
        except OSError as error:
            log.warning("wayside status and doctor cannot reach this gateway, because its socket cannot be made: %s", error)
            return
        self._server.start()

    def stop(self) -> None:
        """End all connections."""
        if self._server is not None:
            self._server.stop()

"""`wayside-dashboard`: start the server, and stop it in order.

The socket is bound before anything else, so a taken port is reported in one line, and `--port 0` can
print the port that it got. At SIGTERM or SIGINT open streams are closed first: the server stops within
a few seconds, with exit code 0.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
import uvicorn
from fastapi import FastAPI
from rich.console import Console

from dashboard import limits
from dashboard.app import create_app
from dashboard.settings import SettingsError, load_settings
from dashboard.store import StoreError

SERVE_HELP = """Serve the collector and the web pages until SIGINT or SIGTERM.

The token file has one line `gateway-id token` for each gateway.

Example: wayside-dashboard serve --port 8080 --store street.db --token-file tokens.txt
"""

cli = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Wayside dashboard: collects count records from gateways and shows their totals."
)


class Server(uvicorn.Server):
    """A uvicorn server that calls `announce` when it accepts connections, and exits with code 0 after a signal."""

    def __init__(self, app: FastAPI, announce: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=limits.SHUTDOWN_S_MAX,
                limit_concurrency=limits.CONNECTIONS_MAX,
            )
        )
        self._notifier = app.state.notifier
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections, then call `announce`."""
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the streams, then shut down."""
        self._notifier.close()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  the shape that uvicorn calls
        """Shut down at the first signal, at once at the second. Unlike uvicorn, do not raise the signal again afterwards."""
        self.force_exit = self.should_exit
        self.should_exit = True


@cli.callback()
def _root() -> None:
    """Without a callback, typer would make the only command the program itself."""


@cli.command(help=SERVE_HELP)
def serve(
    *,
    store: Annotated[Path, typer.Option(help="SQLite file for the records; created if absent.")],
    token_file: Annotated[Path, typer.Option(help="File with one line `gateway-id token` per gateway.")],
    host: Annotated[str, typer.Option(help="Address to listen on. Pages have no login: keep it local, or behind a proxy with a login.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 picks a free one.")] = 8080,
    time_zone: Annotated[str, typer.Option(help="Time zone of the times on the pages, such as Europe/Berlin.")] = "UTC",
    as_json: Annotated[bool, typer.Option("--json", help="Print the address as one JSON line.")] = False,
) -> None:
    """Bind the socket, print the address, serve."""
    try:
        settings = load_settings(store, token_file, time_zone)
    except SettingsError as error:
        _fail(str(error), 2)
    try:
        listener = _bind(host, port)
    except OSError as fault:
        _fail(f"cannot listen on {host} port {port}: {fault.strerror}; choose another with --port, or --port 0 for a free one", 1)
    with listener:
        try:
            app = create_app(settings)
        except StoreError as fault:
            _fail(f"{store}: {fault}", 1)
        Server(app, lambda: _announce(listener, store, as_json=as_json)).run([listener])


def main() -> None:
    """Entry point of the program."""
    cli()


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def _announce(listener: socket.socket, store: Path, *, as_json: bool) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    line = {"address": address, "host": host, "port": port, "store": str(store)}
    sys.stdout.write((json.dumps(line) if as_json else f"Wayside dashboard on {address}") + "\n")
    sys.stdout.flush()


def _fail(line: str, code: int) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(f"wayside-dashboard: {line}", style="red", markup=False, highlight=False)
    raise typer.Exit(code)


if __name__ == "__main__":
    main()

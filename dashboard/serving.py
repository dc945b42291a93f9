"""Start the server, and stop it in order.

The socket is bound before anything else, so a taken port is reported in one line, and `--port 0` can
print the port that it got. At SIGTERM or SIGINT open streams are closed first: the server stops within
a few seconds, with exit code 0.
"""

from __future__ import annotations

import json
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from dashboard.app import create_app
from dashboard.database import StoreError
from dashboard.people.accounts import Accounts
from dashboard.people.provider import Provider
from dashboard.people.roles import Role
from dashboard.server import Server
from dashboard.settings import HOSTS, Settings, SettingsError
from dashboard.studio.publisher import Publisher

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  a comparison
DEMONSTRATION: Mapping[str, Role] = {"desk": "admin", "second": "approver"}
"""Accounts of a demonstration: a second one, because a campaign is signed off by another person."""


class ServeError(RuntimeError):
    """The server cannot start; the text is one line with the cause and a remedy."""


def demonstration_links(host: str) -> dict[str, str]:
    """Account by the token of its link, for DEMONSTRATION. Raises SettingsError for a host that is not on loopback."""
    if host not in LOOPBACK:
        raise SettingsError(f"--demonstration logs in without a password, so it needs a loopback --host, not {host}")
    return {secrets.token_urlsafe(24): name for name in DEMONSTRATION}


def own_hosts(host: str) -> tuple[str, ...]:
    """Host names under which the desk answers when it listens on `host`."""
    return (*HOSTS, *([] if host in EVERYWHERE else [host.lower()]))


def read_campaign(file: Path | None) -> str:
    """The text of --campaign, empty without a file. Raises SettingsError."""
    try:
        return "" if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise SettingsError(f"--campaign {file}: {fault}") from fault


def run(
    settings: Settings, shown: str, place: tuple[str, int], publisher: Publisher | None, provider: Provider | None, *, as_json: bool
) -> None:
    """Serve at host and port `place` until a signal; `shown` is the store for people. Raises ServeError."""
    host, port = place
    try:
        listener = _bind(host, port)
    except OSError as fault:
        remedy = "choose another with --port, or --port 0 for a free one"
        raise ServeError(f"cannot listen on {host} port {port}: {fault.strerror}; {remedy}") from fault
    with listener:
        try:
            app = create_app(settings, publisher, provider)
        except StoreError as fault:
            raise ServeError(f"{shown}: {fault}") from fault
        more = _entrances(app.state.accounts, settings.demonstration_links)
        Server(app, lambda: _announce(listener, shown, more, as_json=as_json)).run([listener])


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


def _entrances(accounts: Accounts, links: Mapping[str, str]) -> dict[str, str]:
    """Name and path of each link to print beside the address: one-time links, or those of a demonstration and its token for programs."""
    if links:
        names = {name: f"/enter/{token}" for token, name in links.items()}
        for name, role in DEMONSTRATION.items():
            if name not in {one.name for one in accounts.all()}:
                accounts.make(name, role, secrets.token_urlsafe(24))
        return names | {"token": accounts.program_token(next(iter(DEMONSTRATION)))}
    return {"first account": f"/welcome/{accounts.invite('', 'admin', '')}"} if accounts.is_empty() else {}


def _announce(listener: socket.socket, store: str, entrances: Mapping[str, str], *, as_json: bool) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    links = {name: address + text if text.startswith("/") else text for name, text in entrances.items()}
    line = {"address": address, "host": host, "port": port, "store": store, **links}
    text = "".join(f"\n{name}: {link}" for name, link in links.items())
    sys.stdout.write((json.dumps(line) if as_json else f"Wayside dashboard on {address}{text}") + "\n")
    sys.stdout.flush()

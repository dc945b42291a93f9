"""Broker addresses, and connections to a broker by a general MQTT client (aiomqtt)."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from aiomqtt import Client, MqttCodeError, MqttError, ProtocolVersion

HANDSHAKE_S_MAX = 5.0
CLOSE_S_MAX = 0.5  # until the broker closes a connection that failed
DEFAULT_PORT = 1883
CALLS_PENDING_MAX = 1_000_000  # aiomqtt warns above it; the bound on messages is the caller's
REFUSED_V5 = {"Unsupported protocol version", "Unacceptable protocol version"}
PROTOCOLS = {ProtocolVersion.V5: "5", ProtocolVersion.V311: "3.1.1"}
_SILENT = logging.getLogger(__name__)  # errors of a connection are raised; the client would log them a second time
_SILENT.disabled = True


class UsageError(ValueError):
    """A command was given arguments that make no sense, such as the address of a broker."""


class BrokerError(RuntimeError):
    """The broker is absent, refuses the connection or has ended it."""


class Broker(NamedTuple):
    """Address and credentials of a broker."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None

    @property
    def url(self) -> str:
        """The address without credentials."""
        return f"mqtt://{self.host}:{self.port}"


def parse_broker(url: str) -> Broker:
    """Broker of `mqtt://[user:password@]host[:port]`. Raises UsageError if that is no such URL."""
    parts = urlsplit(url if "://" in url else f"mqtt://{url}")
    if parts.scheme != "mqtt":
        raise UsageError(f"broker {url!r}: only mqtt:// is supported, as in mqtt://127.0.0.1:1883")
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError as error:
        raise UsageError(f"broker {url!r}: {error}") from error
    if not parts.hostname:
        raise UsageError(f"broker {url!r}: no host, as in mqtt://127.0.0.1:1883")
    username = unquote(parts.username) if parts.username else None
    return Broker(parts.hostname, port, username, unquote(parts.password) if parts.password else None)


def absent(broker: Broker, error: Exception) -> BrokerError:
    """The error for an address where no broker listens."""
    return BrokerError(f"no broker at {broker.url} ({error}); start one, for example `mosquitto -p {broker.port}`")


@asynccontextmanager
async def connect(broker: Broker, name: str) -> AsyncIterator[tuple[Client, str]]:
    """A connected client and its protocol, "5" or "3.1.1"; disconnects at the end.

    MQTT 5 is tried first. A broker that knows only MQTT 3.1.1 refuses it or closes the connection without an answer.
    Raises BrokerError if the broker is absent or refuses both.
    """
    cause = ""
    for protocol, spoken in PROTOCOLS.items():
        client = Client(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password,
            identifier=f"wayside-sim-{name}-{os.getpid()}",
            protocol=protocol,
            timeout=HANDSHAKE_S_MAX,
            logger=_SILENT,
        )
        client.pending_calls_threshold = CALLS_PENDING_MAX
        try:
            await _enter(client)
        except MqttCodeError as error:
            cause = str(error.rc)
            if cause in REFUSED_V5:
                continue
            break
        except MqttError as error:
            if isinstance(error.__context__, OSError) and error.__context__.args:  # an error of the socket, not a time limit
                raise absent(broker, error) from error
            cause = f"no answer within {HANDSHAKE_S_MAX:g} s"
            continue
        try:
            yield client, spoken
        finally:
            with suppress(MqttError):  # the connection may have ended already
                await client.__aexit__(None, None, None)
        return
    raise BrokerError(f"the broker at {broker.url} refused the connection: {cause}")


async def _enter(client: Client) -> None:
    """Connect; the socket of an attempt that failed is closed, which the client leaves open."""
    try:
        await client.__aenter__()
    except (MqttError, asyncio.CancelledError):
        client.timeout = CLOSE_S_MAX
        with suppress(MqttError):
            await client.__aexit__(None, None, None)
        raise

"""MQTT connections of the commands, by aiomqtt: to the broker that `--broker` names, without a session."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from ssl import create_default_context
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import typer
from aiomqtt import Client, MqttError

from gateway.core.types import Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

CONNECT_S_MAX = 5.0
ACKNOWLEDGED_S_MAX = 30.0
PORTS = {"mqtt": 1883, "mqtts": 8883}
CALLS_PENDING_MAX = 1_000_000  # aiomqtt warns above it; the bound on messages is the caller's
_SILENT = logging.getLogger(__name__)  # errors of a connection are raised; the client would log them a second time
_SILENT.disabled = True


class BrokerError(RuntimeError):
    """The broker cannot be used; the text names the cause and the way out."""


class Connection:
    """A connected client. Every wait raises MqttError as soon as the connection ends; `connect` turns that into BrokerError."""

    def __init__(self, client: Client, receive: Callable[[Message], object]) -> None:
        self._client, self._receive = client, receive
        self._reader = asyncio.create_task(self._read())
        self._calls: list[asyncio.Future[None]] = []

    async def subscribe(self, topic_filter: str) -> None:
        """Pass the messages on these topics to `receive`, each with time 0."""
        await self._client.subscribe(topic_filter)

    async def wait(self, seconds: float) -> None:
        """Stay connected for `seconds`."""
        await self.until(asyncio.sleep(seconds))

    async def until(self, action: Awaitable[object]) -> None:
        """Stay connected until `action` has ended."""
        await self._while_connected(action)

    def publish(self, topic: str, payload: bytes) -> int:
        """Publish with QoS 1; returns the number of messages without acknowledgement."""
        self._calls.append(asyncio.ensure_future(self._client.publish(topic, payload, 1, timeout=ACKNOWLEDGED_S_MAX)))
        return len(self._calls)

    async def acknowledged(self) -> None:
        """Return when the broker has acknowledged all messages."""
        await self._while_connected(asyncio.gather(*self._calls))
        self._calls.clear()

    async def end(self) -> None:
        """Cancel the reader and the calls."""
        tasks = [self._reader, *self._calls]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self) -> None:
        async for message in self._client.messages:  # raises MqttError when the connection ends
            self._receive(Message(str(message.topic), bytes(message.payload), 0))

    async def _while_connected(self, action: Awaitable[object]) -> None:
        task = asyncio.ensure_future(action)
        await asyncio.wait({task, self._reader}, return_when=asyncio.FIRST_COMPLETED)
        if self._reader.done():
            task.cancel()
            self._reader.result()
        await task


class Login(NamedTuple):
    """User name and password, which are never printed, and the certificate authority of a broker with TLS."""

    username: str | None = None
    password: str | None = None
    ca_file: Path | None = None


NO_LOGIN = Login()


def login(username: str | None, password_file: Path | None, ca_file: Path | None) -> Login:
    """The login of these options; a password without a file is asked for, without echo. Raises BrokerError for a file that is missing."""
    password = None
    try:
        if password_file is not None:
            password = password_file.read_text(encoding="utf-8").strip()
        elif username is not None:
            password = typer.prompt("password of the broker", hide_input=True, err=True)
    except OSError as error:
        raise BrokerError(f"{password_file} cannot be read ({error.strerror}): name a file that holds the password") from None
    return Login(username, password, ca_file)


@asynccontextmanager
async def connect(broker: str, receive: Callable[[Message], object] = lambda _: None, login: Login = NO_LOGIN) -> AsyncIterator[Connection]:
    """A connection to `mqtt://host:port`, or `mqtts://host:port` with TLS, which ends with the block.

    Raises BrokerError if `broker` is no such address, does not answer or refuses the connection, and if the connection ends or
    an acknowledgement is missing within the block.
    """
    client = _client(broker, login)
    try:
        await client.__aenter__()
    except MqttError as error:
        if isinstance(error.__context__, OSError) and error.__context__.args:  # an error of the socket, not a time limit
            raise BrokerError(f"broker {broker} does not answer ({error}): start it, or correct --broker") from None
        raise BrokerError(f"broker {broker} refuses the connection or does not answer ({error}): check its access control") from None
    connection = Connection(client, receive)
    try:
        yield connection
    except MqttError as error:
        raise BrokerError(f"broker {broker} stopped answering ({error}): check its log and its limits") from None
    finally:
        await connection.end()
        with suppress(MqttError):  # the connection may have ended already
            await client.__aexit__(None, None, None)


def _client(broker: str, login: Login) -> Client:
    try:
        address = urlsplit(broker)
        host, port = address.hostname or "", address.port or PORTS.get(address.scheme, 0)
    except ValueError:
        address, host, port = urlsplit(""), "", 0
    if "@" in address.netloc:
        raise BrokerError("--broker holds a user name or a password, which other users of this machine can see: use --username")
    if address.scheme not in PORTS or not host:
        raise BrokerError(f"{broker!r} is not the address of a broker; write it as mqtt://host:port or mqtts://host:port")
    try:
        tls = create_default_context(cafile=login.ca_file) if address.scheme == "mqtts" else None
    except OSError as error:  # SSLError too
        raise BrokerError(f"{login.ca_file} is no certificate authority ({error}): name its PEM file with --ca-file") from None
    client = Client(host, port, username=login.username, password=login.password, tls_context=tls, timeout=CONNECT_S_MAX, logger=_SILENT)
    client.pending_calls_threshold = CALLS_PENDING_MAX
    return client

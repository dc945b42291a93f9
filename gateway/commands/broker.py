"""MQTT connections of the commands, by aiomqtt: to the broker that `--broker` names, without a session."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from ssl import SSLContext, create_default_context
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import typer
from aiomqtt import Client, MqttError
from aiomqtt.exceptions import MqttConnectError

from gateway.adapters.broker_faults import OPTIONS, Names, connection_fault, speaks_tls, wants_tls
from gateway.core.refusal import Refusal
from gateway.core.types import Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

CONNECT_S_MAX = 5.0
REFUSAL_S_MAX = 0.3
ACKNOWLEDGED_S_MAX = 30.0
PORTS = {"mqtt": 1883, "mqtts": 8883}
CALLS_PENDING_MAX = 1_000_000  # aiomqtt warns above it; the bound on messages is the caller's
_SILENT = logging.getLogger(__name__)  # errors of a connection are raised; the client would log them a second time
_SILENT.disabled = True


REFUSED_LOGIN = frozenset({4, 5, 0x86, 0x87})  # CONNACK: MQTT 3.1.1 table 3.1; MQTT 5 section 3.2.2.2


class BrokerError(Refusal):
    """The broker cannot be used; the text names the cause and the way out, and `code` the cause for programs."""

    def __init__(self, text: str, code: str = "broker") -> None:
        super().__init__(text)
        self.code = code


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
    """User name and password, which are never printed, and for TLS the authority and the client's certificate with its key."""

    username: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


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
async def connect(
    broker: str, receive: Callable[[Message], object] = lambda _: None, login: Login = NO_LOGIN, names: Names = OPTIONS
) -> AsyncIterator[Connection]:
    """A connection to `mqtt://host:port`, or `mqtts://host:port` with TLS, which ends with the block. `names` are for errors.

    Raises BrokerError if `broker` is no such address, does not answer or refuses the connection, and if the connection ends or
    an acknowledgement is missing within the block.
    """
    client = _client(broker, login)
    try:
        if urlsplit(broker).scheme == "mqtts":
            await asyncio.to_thread(_shake_hands, broker, login)
        await client.__aenter__()
    except OSError as error:
        fault = connection_fault(broker, error, is_tls=True, names=names)
        raise BrokerError(fault.text, fault.code) from None
    except MqttError as error:
        raise _refusal(broker, error, names) from None
    connection = Connection(client, receive)
    try:
        yield connection
    except MqttError as error:
        raise BrokerError(f"broker {broker} stopped answering ({error}): check its log and its limits") from None
    finally:
        await connection.end()
        with suppress(MqttError):  # the connection may have ended already
            await client.__aexit__(None, None, None)


def _shake_hands(broker: str, login: Login) -> None:
    """Make a TLS connection and end it, because aiomqtt does not pass the cause of a failed one on. Raises OSError.

    In TLS 1.3 a broker refuses the client's certificate after the handshake, so it is given a moment to do so.
    """
    address = urlsplit(broker)
    host, port = address.hostname or "", address.port or PORTS[address.scheme]
    with socket.create_connection((host, port), CONNECT_S_MAX) as plain, _tls(login).wrap_socket(plain, server_hostname=host) as wire:
        wire.settimeout(REFUSAL_S_MAX)
        with suppress(TimeoutError):
            if not wire.recv(1):
                raise ConnectionResetError("closed by the broker after the handshake")


def _tls(login: Login) -> SSLContext:
    """The TLS context of a login. Raises OSError for files that cannot be used."""
    context = create_default_context(cafile=login.ca_file)
    if login.certificate_file is not None:
        context.load_cert_chain(login.certificate_file, login.key_file)
    return context


def _refusal(broker: str, error: MqttError, names: Names) -> BrokerError:
    """Cause and way out of a connection that was not made."""
    address = urlsplit(broker)
    host, port, is_tls = address.hostname or "", address.port or PORTS[address.scheme], address.scheme == "mqtts"
    cause = error.__context__
    if isinstance(cause, OSError) and cause.args:  # an error of the socket, not a time limit
        fault = connection_fault(broker, cause, is_tls=is_tls, names=names)
        return BrokerError(fault.text, fault.code)
    if isinstance(error, MqttConnectError):
        number: object = getattr(error.rc, "value", 0) if not isinstance(error.rc, int) else error.rc
        code = "broker_login" if number in REFUSED_LOGIN else "broker_refuses"
        return BrokerError(f"broker {broker} refuses the connection ({error}): check its access control", code)
    if not is_tls and speaks_tls(host, port, CONNECT_S_MAX):
        fault = wants_tls(broker, names)
        return BrokerError(fault.text, fault.code)
    text = f"broker {broker} closes the connection, or does not answer ({error}): check its access control"
    return BrokerError(text, "broker_closes")


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
        tls = _tls(login) if address.scheme == "mqtts" else None
    except OSError as error:  # SSLError too
        raise BrokerError(f"{login.ca_file} is no certificate authority ({error}): name its PEM file with --ca-file") from None
    client = Client(host, port, username=login.username, password=login.password, tls_context=tls, timeout=CONNECT_S_MAX, logger=_SILENT)
    client.pending_calls_threshold = CALLS_PENDING_MAX
    return client

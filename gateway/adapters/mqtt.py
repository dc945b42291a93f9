"""The MQTT bus by the gateway's own codec: MQTT 5 if the broker supports it, else 3.1.1, with acknowledgements after the commit.

One thread opens one connection after another (`mqtt_connection`). A message's ticket holds its packet id and the number of the connection:
packet ids are used again after a reconnect, and acknowledging the wrong message would lose it.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.broker_faults import connection_fault, speaks_tls, wants_tls
from gateway.adapters.mqtt_connection import LAST_PUBACK_S_MAX, LAST_READ_S_MAX, Connection
from gateway.adapters.mqtt_options import (
    CONNACK_S_MIN,
    CONNECT_S_MAX,
    STABLE_S,
    UNSUPPORTED_PROTOCOL,
    MqttOptions,
    password,
    pause_s,
    tls_context,
)
from gateway.adapters.mqtt_wire import Wire
from gateway.core.bus import Link, Publication
from gateway.core.mqtt.packets import ConnAck, ProtocolFaultError, Version, refusal_text
from gateway.core.mqtt.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.core.bus import Deliver
    from gateway.core.types import Message

TLS_PROBE_S = 1.0
CUT_OFF_TIMES = 2  # accepted connections in a row that ended before: the broker closes one of two connections with the same client id
NAMES: dict[Version, str] = {4: "MQTT 3.1.1", 5: "MQTT 5"}


class MqttBus:
    """See `gateway.core.bus.Bus`."""

    def __init__(self, options: MqttOptions, now_ms: Callable[[], int]) -> None:
        """Prepare without connecting; `now_ms` gives the time of arrival. Raises OSError for certificates that cannot be used."""
        self._options = options
        tls_context(options)
        self._now_ms = now_ms
        self._deliver: Deliver = lambda _messages: True
        self._version: Version = 5
        self._number = 0
        self._failures = self._cut_off = 0
        self._refusal: int | None = None
        self._link = Link(connected=False)
        self._connection: Connection | None = None
        self._taken_before: deque[str] = deque()  # of connections that ended before the tokens were asked for
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self, deliver: Deliver) -> None:
        """Begin connecting, in the background."""
        self._deliver = deliver
        self._thread.start()

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """PUBACK the messages that arrived over the present connection."""
        connection = self._connection
        if connection is not None:
            connection.acknowledge(messages)

    def publish(self, publication: Publication) -> bool:
        """Queue for sending if connected; returns whether it is."""
        connection = self._connection
        return connection is not None and self._link.connected and connection.publish(publication)

    def taken(self) -> list[str]:
        """Tokens whose PUBACK has arrived. Publications of an earlier connection without PUBACK are dropped."""
        connection = self._connection
        tokens = [] if connection is None else connection.taken()
        while self._taken_before:
            tokens.append(self._taken_before.popleft())
        return tokens

    def link(self) -> Link:
        """The present state of the connection."""
        connection = self._connection
        return self._link if connection is None else msgspec.structs.replace(self._link, heard_ms=connection.heard_ms)

    def close(self) -> None:
        """Disconnect after the last PUBACK; may be called at any time."""
        self._closing.set()
        connection = self._connection
        if connection is not None:
            connection.close()
        if self._thread.is_alive():
            self._thread.join(CONNECT_S_MAX + LAST_PUBACK_S_MAX + LAST_READ_S_MAX)
        self._link = msgspec.structs.replace(self._link, connected=False, hears=False)

    # --- the thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Open one connection after another until closed."""
        while not self._closing.is_set():
            started_s = time.monotonic()
            try:
                self._connect()
            except (OSError, ValueError, ProtocolFaultError) as error:
                self._ended(error)
            if time.monotonic() - started_s >= STABLE_S:
                self._failures = self._cut_off = 0
            self._closing.wait(pause_s(self._failures))
            self._failures += 1

    def _connect(self) -> None:
        """One connection, until it ends. Raises OSError, ValueError and ProtocolFaultError with the cause."""
        options = self._options
        wire = self._wire()
        self._number += 1
        session = Session(self._version, self._number)
        connection = Connection(
            wire, session, self._deliver, self._now_ms, connected=self._answered, subscribed=self._subscribed, trouble=self._trouble
        )
        self._connection = connection
        if self._closing.is_set():  # checked after the assignment, which `close` may have missed
            connection.close()
        try:
            hello = session.connect(options.client_id, options.keepalive_s, options.username, password(options), options.will)
            connection.run(hello, min(CONNECT_S_MAX, CONNACK_S_MIN * (1 + self._failures)), options.keepalive_s)
        finally:
            wire.close()
            self._taken_before += connection.taken()
            self._connection = None
            if not self._link.connected and self._refusal in {None, *UNSUPPORTED_PROTOCOL}:
                self._version = 4 if self._version == 5 else 5  # no CONNACK, or closed: possible reactions of a 3.1.1 broker to MQTT 5

    def _answered(self, connack: ConnAck) -> None:
        """Note an accepted connection and subscribe. Raises ConnectionError for a refused one."""
        self._refusal = connack.reason
        if connack.reason:
            raise ConnectionError(f"broker {self._place} refuses: {refusal_text(connack.reason)}")
        fresh = self._link.fresh + (not connack.session_present)
        self._link = Link(connected=True, protocol=NAMES[self._version], connects=self._link.connects + 1, fresh=fresh)
        options, connection = self._options, self._connection
        if connection is not None:
            # At most QoS 1: messages published with QoS 2 arrive with QoS 1, and envelopes remove repetitions.
            wanted = [*((topic, 1) for topic in options.subscriptions), *((topic, 0) for topic in options.unqueued)]
            connection.subscribe(wanted, options.replaced)

    def _ended(self, error: Exception) -> None:
        """Note why a connection ended, or was never made."""
        text = str(error)
        if self._link.connected and not self._closing.is_set():
            self._cut_off += 1
            text = f"connection to {self._place} lost ({error})"
            if self._link.trouble:  # of this connection: some brokers close after a refusal
                text += f" after {self._link.trouble}"
            elif self._cut_off >= CUT_OFF_TIMES:
                text += "; it happens again and again: does another gateway have this one's name and secret, and so its client id?"
        elif self._refusal is None and self._meets_tls():
            text = wants_tls(self._place).text
        elif isinstance(error, ssl.SSLError):
            text = connection_fault(self._place, error, is_tls=True).text
        elif isinstance(error, TimeoutError):
            text = f"broker {self._place} accepted the connection but {error}"
        self._link = msgspec.structs.replace(self._link, connected=False, hears=False, trouble=text)

    def _meets_tls(self) -> bool:
        """Whether the first connections fail because they are plain and the port has TLS."""
        options = self._options
        return options.ca_file is None and not self._link.connects and speaks_tls(options.host, options.port, TLS_PROBE_S)

    def _subscribed(self) -> None:
        self._link = msgspec.structs.replace(self._link, hears=True)

    def _trouble(self, text: str) -> None:
        self._link = msgspec.structs.replace(self._link, trouble=text)

    @property
    def _place(self) -> str:
        return f"{self._options.host}:{self._options.port}"

    def _wire(self) -> Wire:
        try:
            return Wire(self._options.host, self._options.port, CONNECT_S_MAX, tls_context(self._options))
        except (OSError, ValueError) as error:
            self._refusal = 0  # the other protocol would not help
            fault = connection_fault(self._place, error, is_tls=self._options.ca_file is not None)
            raise ConnectionError(fault.text) from None

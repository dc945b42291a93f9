"""A minimal MQTT 3.1.1 publisher for load: connect, publish, receive acknowledgements, keep alive, disconnect (OASIS MQTT 3.1.1).

A load generator shares its machine with the system that it measures. A general client costs 15 to 70 microseconds of
processor time a message; here messages are appended to a buffer, and one system call sends all of a tick, for about one
microsecond each. There is no reconnection: a connection that ends during a measurement spoils it and is an error.
"""

from __future__ import annotations

import selectors
import socket
import time

from firmware_sim.wire.broker import HANDSHAKE_S_MAX, Broker, BrokerError, absent

KEEPALIVE_S = 60
CONNECT, CONNACK, PUBLISH, PUBACK, PINGREQ, PINGRESP, DISCONNECT = 0x10, 0x20, 0x30, 0x40, 0xC0, 0xD0, 0xE0
PACKET_ID_MAX = 65_535  # of QoS 1 messages, from 1
_REFUSALS = {1: "Unsupported protocol version", 2: "Client identifier not valid", 3: "Server unavailable", 4: "Bad user name or password"}
_CLEAN, _PASSWORD, _USER = 0x02, 0x40, 0x80


def packet(first: int, body: bytes) -> bytes:
    """Control packet: type and flags, remaining length (seven bits per byte), body."""
    length, encoded = len(body), bytearray()
    while length > 0x7F:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes((first,)) + encoded + body


def field(value: bytes) -> bytes:
    """String or binary field: two bytes of length, then the value."""
    return len(value).to_bytes(2, "big") + value


class Publisher:
    """One connection. `pending` holds the packet ids of QoS 1 messages that the broker has not acknowledged."""

    def __init__(self, broker: Broker, client_id: str, username: str | None = None) -> None:
        self._url = broker.url
        self.pending: set[int] = set()
        self._packet_id = 0
        self._out, self._in = bytearray(), bytearray()
        self._written_s = time.monotonic()
        try:
            self._socket = socket.create_connection((broker.host, broker.port), HANDSHAKE_S_MAX)
        except OSError as error:
            raise absent(broker, error) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connect(client_id, username, broker.password)
        self._socket.settimeout(0.0)

    def fileno(self) -> int:
        """File descriptor of the socket, for a selector."""
        return self._socket.fileno()

    @property
    def waiting(self) -> int:
        """Number of bytes in the buffer that are not written yet."""
        return len(self._out)

    def publish(self, topic: str, payload: bytes, qos: int, *, retain: bool) -> int:
        """Append a message to the buffer; returns its packet id, 0 for QoS 0."""
        body, packet_id = field(topic.encode()), 0
        if qos:
            packet_id = self._packet_id % PACKET_ID_MAX + 1
            while packet_id in self.pending:
                packet_id = packet_id % PACKET_ID_MAX + 1
            self._packet_id = packet_id
            self.pending.add(packet_id)
            body += packet_id.to_bytes(2, "big")
        self._out += packet(PUBLISH | qos << 1 | int(retain), body + payload)
        return packet_id

    def flush(self) -> None:
        """Write as much of the buffer as the socket takes now. Raises BrokerError if the connection has ended."""
        while self._out:
            try:
                written = self._socket.send(self._out)
            except BlockingIOError:
                return
            except OSError as error:
                raise self._ended() from error
            del self._out[:written]
            self._written_s = time.monotonic()

    def read(self) -> None:
        """Process the received acknowledgements. Raises BrokerError if the connection has ended or another packet arrives."""
        try:
            received = self._socket.recv(65_536)
        except BlockingIOError:
            return
        except OSError as error:
            raise self._ended() from error
        if not received:
            raise self._ended()
        self._in += received
        while len(self._in) >= 2 and len(self._in) >= 2 + self._in[1]:
            first, end = self._in[0], 2 + self._in[1]
            if first == PUBACK:
                self.pending.discard(int.from_bytes(self._in[2:4], "big"))
            elif first != PINGRESP:
                raise BrokerError(f"the broker at {self._url} sent a packet that a publisher cannot receive (0x{first:02x})")
            del self._in[:end]

    def exchange(self, wait_s: float) -> None:
        """Write the buffer and read acknowledgements; waits at most `wait_s` for the socket. Raises BrokerError as `read` does."""
        self.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0))
            for _, ready in selector.select(wait_s):
                if ready & selectors.EVENT_READ:
                    self.read()
        self.flush()
        self.keep_alive()

    def keep_alive(self) -> None:
        """Send a PINGREQ if nothing was written for half of the keep-alive interval."""
        if time.monotonic() - self._written_s > KEEPALIVE_S / 2:
            self._out += packet(PINGREQ, b"")
            self.flush()

    def close(self) -> None:
        """Write the rest of the buffer and disconnect. Raises BrokerError if the connection has ended."""
        self._out += packet(DISCONNECT, b"")
        self._socket.settimeout(HANDSHAKE_S_MAX)
        try:
            self._socket.sendall(self._out)
        except OSError as error:
            raise self._ended() from error
        finally:
            self._socket.close()

    def _connect(self, client_id: str, username: str | None, password: str | None) -> None:
        flags, credentials = _CLEAN, b""
        if username is not None:
            flags |= _USER
            credentials += field(username.encode())
            if password is not None:
                flags |= _PASSWORD
                credentials += field(password.encode())
        head = field(b"MQTT") + bytes((4, flags)) + KEEPALIVE_S.to_bytes(2, "big")
        try:
            self._socket.sendall(packet(CONNECT, head + field(client_id.encode()) + credentials))
            answer = b""
            while len(answer) < 4 and (more := self._socket.recv(4 - len(answer))):
                answer += more
        except OSError as error:
            self._socket.close()
            raise BrokerError(f"the broker at {self._url} did not answer ({error})") from error
        if len(answer) < 4 or answer[0] != CONNACK or answer[3]:
            self._socket.close()
            reason = _REFUSALS.get(answer[3], "Not authorized") if len(answer) == 4 else "it closed the connection"
            raise BrokerError(f"the broker at {self._url} refused the connection: {reason}")

    def _ended(self) -> BrokerError:
        return BrokerError(f"the broker at {self._url} closed the connection during the run")

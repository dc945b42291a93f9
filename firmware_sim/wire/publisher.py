"""The least MQTT that publishing takes: connect, publish, be acknowledged, stay alive, part (OASIS MQTT 3.1.1).

A load generator shares its machine with what it measures. A general client pays some eighty microseconds a message, most
of it for a system call each; here messages are written into a buffer, and a whole tick of them leaves in one call. There is
no reconnecting: a broker that hangs up in the middle has spoilt the measurement, and that is told.
"""

from __future__ import annotations

import socket
import time

from firmware_sim.wire.broker import HANDSHAKE_S_MAX, Broker, BrokerError

KEEPALIVE_S = 60
CONNECT, CONNACK, PUBLISH, PUBACK, PINGREQ, PINGRESP, DISCONNECT = 0x10, 0x20, 0x30, 0x40, 0xC0, 0xD0, 0xE0
NUMBERS = 65_535  # of messages at QoS 1, from 1
_REFUSALS = {1: "Unsupported protocol version", 2: "Client identifier not valid", 3: "Server unavailable", 4: "Bad user name or password"}
_CLEAN, _PASSWORD, _USER = 0x02, 0x40, 0x80


def packet(first: int, body: bytes) -> bytes:
    """A control packet: type and flags, the length of the rest at seven bits a byte, the rest."""
    length, stated = len(body), bytearray()
    while length > 0x7F:
        stated.append(length & 0x7F | 0x80)
        length >>= 7
    stated.append(length)
    return bytes((first,)) + stated + body


def field(value: bytes) -> bytes:
    """A text or bytes, with two bytes of length."""
    return len(value).to_bytes(2, "big") + value


class Publisher:
    """One connection. Nothing waits in it but what `flush` could not write."""

    def __init__(self, broker: Broker, client_id: str, username: str | None = None) -> None:
        self._url = broker.url
        self.pending: set[int] = set()
        self._number = 0
        self._out, self._in = bytearray(), bytearray()
        self._written_s = time.monotonic()
        try:
            self._socket = socket.create_connection((broker.host, broker.port), HANDSHAKE_S_MAX)
        except OSError as error:
            raise BrokerError(f"no broker at {broker.url} ({error}); start one, for example `mosquitto -p {broker.port}`") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._shake_hands(client_id, username, broker.password)
        self._socket.settimeout(0.0)

    def fileno(self) -> int:
        """For a selector."""
        return self._socket.fileno()

    @property
    def waiting(self) -> int:
        """Bytes that the broker has not taken yet."""
        return len(self._out)

    def publish(self, topic: str, payload: bytes, qos: int, *, retain: bool) -> None:
        """Into the buffer."""
        body = field(topic.encode())
        if qos:
            self._number = self._number % NUMBERS + 1
            while self._number in self.pending:
                self._number = self._number % NUMBERS + 1
            self.pending.add(self._number)
            body += self._number.to_bytes(2, "big")
        self._out += packet(PUBLISH | qos << 1 | int(retain), body + payload)

    def flush(self) -> None:
        """Write what the broker takes now."""
        while self._out:
            try:
                written = self._socket.send(self._out)
            except BlockingIOError:
                return
            except OSError as error:
                raise self._gone() from error
            del self._out[:written]
            self._written_s = time.monotonic()

    def read(self) -> None:
        """Take the broker's acknowledgements."""
        try:
            received = self._socket.recv(65_536)
        except BlockingIOError:
            return
        except OSError as error:
            raise self._gone() from error
        if not received:
            raise self._gone()
        self._in += received
        while len(self._in) >= 2 and len(self._in) >= 2 + self._in[1]:
            first, end = self._in[0], 2 + self._in[1]
            if first == PUBACK:
                self.pending.discard(int.from_bytes(self._in[2:4], "big"))
            elif first != PINGRESP:
                raise BrokerError(f"the broker at {self._url} said what a publisher cannot be told (0x{first:02x})")
            del self._in[:end]

    def tend(self) -> None:
        """A sign of life, when nothing else was said for a while."""
        if time.monotonic() - self._written_s > KEEPALIVE_S / 2:
            self._out += packet(PINGREQ, b"")
            self.flush()

    def close(self) -> None:
        """Say goodbye."""
        self._out += packet(DISCONNECT, b"")
        self._socket.settimeout(HANDSHAKE_S_MAX)
        try:
            self._socket.sendall(self._out)
        except OSError as error:
            raise self._gone() from error
        finally:
            self._socket.close()

    def _shake_hands(self, client_id: str, username: str | None, password: str | None) -> None:
        flags, identity = _CLEAN, b""
        if username is not None:
            flags |= _USER
            identity += field(username.encode())
            if password is not None:
                flags |= _PASSWORD
                identity += field(password.encode())
        head = field(b"MQTT") + bytes((4, flags)) + KEEPALIVE_S.to_bytes(2, "big")
        try:
            self._socket.sendall(packet(CONNECT, head + field(client_id.encode()) + identity))
            answer = b""
            while len(answer) < 4 and (more := self._socket.recv(4 - len(answer))):
                answer += more
        except OSError as error:
            self._socket.close()
            raise BrokerError(f"the broker at {self._url} did not answer ({error})") from error
        if len(answer) < 4 or answer[0] != CONNACK or answer[3]:
            self._socket.close()
            reason = _REFUSALS.get(answer[3], "Not authorized") if len(answer) == 4 else "it hung up"
            raise BrokerError(f"the broker at {self._url} refused the connection: {reason}")

    def _gone(self) -> BrokerError:
        return BrokerError(f"the broker at {self._url} hung up in the middle of the run")

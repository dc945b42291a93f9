"""A TCP relay that injects faults: it delays, drops and repeats packets, and cuts connections, also in the middle of a packet.

TCP itself loses and repeats nothing, so a fault here is one that an endpoint can see: bytes arrive late or one by one; everything after
some packet is dropped and the connection ends later (a network that went away); a QoS 1 PUBLISH arrives twice; the connection is reset
between two packets or within one. Each direction of each connection has its own thread.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

HOST = "127.0.0.1"
CHUNK_BYTES = 4_096
PUBLISH_QOS1, TYPE_AND_QOS = 0x32, 0xF6
RESET_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close sends RST
ACCEPT_S = 0.2

Packets = Callable[[socket.socket], Iterator[bytes]]


class Rates(NamedTuple):
    """Share of the packets with each fault; delays last up to `delay_s`."""

    delay: float
    slices: float
    repeat: float
    drop: float
    cut: float
    tear: float
    delay_s: float = 0.1


class CutError(OSError):
    """The relay cuts this connection."""


class Relay:
    """Forwards connections to `port` of this machine; `faults` counts what was injected. After `heal` it only forwards.

    After `fall_silent` connections stay open and nothing passes (half-open TCP), until `heal`.
    """

    def __init__(self, port: int, rates: Rates, seed: int, packets: Packets) -> None:
        self._target, self._rates, self._packets = port, rates, packets
        self._draws = random.Random(seed)  # noqa: S311 - faults, not secrets
        self.faults: Counter[str] = Counter()
        self._stop, self._healed, self._silent = threading.Event(), threading.Event(), threading.Event()
        self._listener = socket.create_server((HOST, 0))
        self._listener.settimeout(ACCEPT_S)
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in list(self._threads):
            thread.join()

    def heal(self) -> None:
        """Inject no more faults."""
        self._silent.clear()
        self._healed.set()

    def fall_silent(self) -> None:
        """Swallow all bytes of all connections, and end none."""
        self._silent.set()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with self._listener:
            while not self._stop.is_set():
                try:
                    near, _ = self._listener.accept()
                except TimeoutError:
                    continue
                try:
                    far = socket.create_connection((HOST, self._target))
                except OSError:
                    near.close()
                    continue
                for one in (near, far):
                    one.settimeout(ACCEPT_S)
                self._start(self._forward, near, far)
                self._start(self._forward, far, near)

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        """One direction, until either end or the relay ends the connection."""
        with contextlib.suppress(OSError):
            for packet in self._packets(_Patient(source, self._stop)):  # type: ignore[arg-type]  # has its recv
                self._pass(packet, sink)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _pass(self, packet: bytes, sink: socket.socket) -> None:
        """Forward a packet, with at most one fault."""
        if self._silent.is_set():
            return
        fault = None if self._healed.is_set() else self._drawn()
        if fault == "repeat" and packet[0] & TYPE_AND_QOS != PUBLISH_QOS1:
            fault = None
        if fault is not None:
            self.faults[fault] += 1
        if fault in {"delay", "drop"}:
            self._stop.wait(self._draws.uniform(0.0, self._rates.delay_s))
        if fault in {"drop", "cut"}:
            raise CutError
        if fault == "tear":
            sink.sendall(packet[: self._draws.randrange(len(packet))])
            raise CutError
        if fault == "slices":
            for at in range(len(packet)):
                sink.sendall(packet[at : at + 1])
        else:
            sink.sendall(packet * (2 if fault == "repeat" else 1))

    def _drawn(self) -> str | None:
        fate = self._draws.random()
        for name in ("delay", "slices", "repeat", "drop", "cut", "tear"):
            fate -= getattr(self._rates, name)
            if fate < 0:
                return name
        return None


class _Patient:
    """The reading end of a socket that waits until bytes come or the relay stops."""

    def __init__(self, source: socket.socket, stop: threading.Event) -> None:
        self._source, self._stop = source, stop

    def recv(self, most: int) -> bytes:
        while not self._stop.is_set():
            try:
                return self._source.recv(most)
            except TimeoutError:
                continue
        return b""


def chunks(source: socket.socket) -> Iterator[bytes]:
    """Bytes as they come."""
    while data := source.recv(CHUNK_BYTES):
        yield data


def mqtt_packets(source: socket.socket) -> Iterator[bytes]:
    """Whole MQTT packets (MQTT 5, section 2.1)."""
    while head := source.recv(1):
        length, shift = 0, 0
        while True:
            byte = _exactly(source, 1)
            head += byte
            length |= (byte[0] & 0x7F) << shift
            shift += 7
            if byte[0] < 0x80:
                break
        yield head + _exactly(source, length)


def _exactly(source: socket.socket, count: int) -> bytes:
    """`count` bytes; raises CutError if the connection ends before."""
    data = b""
    while len(data) < count:
        part = source.recv(count - len(data))
        if not part:
            raise CutError
        data += part
    return data

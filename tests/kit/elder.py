"""A broker that knows only MQTT 3.1.1: a real Mosquitto behind a door that refuses the greeting of MQTT 5.

The refusal is the one of the standard (CONNACK 0x01, MQTT 3.1.1 section 3.2.2.3). amqtt, the demonstration's fallback,
knows no MQTT 5 either, but forgets what was not acknowledged; what a session must keep can only be shown here.
"""

from __future__ import annotations

import contextlib
import socket
import threading

LEVEL_AT = 8  # type and length of the packet (2 bytes, greetings are short), length and text of the protocol's name (2 + 4)
REFUSED = b"\x20\x02\x00\x01"
CHUNK = 65_536


class Elder:
    """Listens on its own loopback port and passes to `port` what is not MQTT 5. `refused` counts what was."""

    def __init__(self, port: int) -> None:
        self._upstream = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.port = int(self._listener.getsockname()[1])
        self.refused = 0
        self._threads[0].start()

    def close(self) -> None:
        """Hang up on everybody."""
        for held in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
            held.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # closed
            self._sockets.append(near)
            self._spawn(self._greet, near)

    def _greet(self, near: socket.socket) -> None:
        first = b""
        with contextlib.suppress(OSError):
            while len(first) <= LEVEL_AT + 1 and (more := near.recv(CHUNK)):
                first += more
        at = LEVEL_AT + (len(first) > 1 and first[1] > 127)  # a greeting of over 127 bytes has one more byte of length
        if len(first) <= at or first[at] > 4:
            self.refused += 1
            self._hang_up(near, REFUSED)
            return
        try:
            far = socket.create_connection(self._upstream)
        except OSError:
            self._hang_up(near, b"")
            return
        self._sockets.append(far)
        far.sendall(first)
        self._spawn(self._pump, near, far)
        self._pump(far, near)

    def _spawn(self, target: object, *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]  # one of our methods
        self._threads.append(thread)
        thread.start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        """One direction, to its end. The other one goes on: a good-bye may still be under way in it."""
        with contextlib.suppress(OSError):
            while piece := source.recv(CHUNK):
                sink.sendall(piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    @staticmethod
    def _hang_up(near: socket.socket, last_words: bytes) -> None:
        with contextlib.suppress(OSError):
            near.sendall(last_words)
            near.shutdown(socket.SHUT_RDWR)

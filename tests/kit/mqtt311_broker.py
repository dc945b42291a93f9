"""A broker that supports only MQTT 3.1.1: a real Mosquitto behind a proxy that refuses CONNECT of MQTT 5.

The refusal is that of the standard (CONNACK 0x01, MQTT 3.1.1 section 3.2.2.3). amqtt, the demonstration's fallback, does not support
MQTT 5 either, but it drops unacknowledged messages, so persistent sessions over 3.1.1 can be tested only here.
"""

from __future__ import annotations

import contextlib
import socket
import threading

LEVEL_AT = 8  # offset of the protocol level: packet type and length (2 bytes), length and text of the protocol name (2 + 4)
REFUSED = b"\x20\x02\x00\x01"
CHUNK = 65_536


class Mqtt311Broker:
    """Listens on its own loopback port and forwards connections of MQTT 3.1.1 to `port`. `refused` counts the others."""

    def __init__(self, port: int) -> None:
        self._upstream = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.port = int(self._listener.getsockname()[1])
        self.refused = 0
        self._threads[0].start()

    def close(self) -> None:
        """Close all connections."""
        for opened in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            self._sockets.append(client)
            self._spawn(self._connect, client)

    def _connect(self, client: socket.socket) -> None:
        connect = b""
        with contextlib.suppress(OSError):
            while len(connect) <= LEVEL_AT + 1 and (more := client.recv(CHUNK)):
                connect += more
        at = LEVEL_AT + (len(connect) > 1 and connect[1] > 127)  # a CONNECT of over 127 bytes has one more byte of length
        if len(connect) <= at or connect[at] > 4:
            self.refused += 1
            self._close(client, REFUSED)
            return
        try:
            server = socket.create_connection(self._upstream)
        except OSError:
            self._close(client, b"")
            return
        self._sockets.append(server)
        server.sendall(connect)
        self._spawn(self._forward, client, server)
        self._forward(server, client)

    def _spawn(self, target: object, *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]  # one of our methods
        self._threads.append(thread)
        thread.start()

    @staticmethod
    def _forward(source: socket.socket, sink: socket.socket) -> None:
        """Forward one direction until its end. The other one goes on: a DISCONNECT may still be on its way."""
        with contextlib.suppress(OSError):
            while piece := source.recv(CHUNK):
                sink.sendall(piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    @staticmethod
    def _close(client: socket.socket, answer: bytes) -> None:
        with contextlib.suppress(OSError):
            client.sendall(answer)
            client.shutdown(socket.SHUT_RDWR)

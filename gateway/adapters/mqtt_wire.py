"""A TCP or TLS connection that never blocks: reads all that has arrived, writes as much as the socket takes."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

READ_BYTES_MAX = 262_144
RECEIVE_BUFFER_BYTES = 1_048_576  # several reads at full speed, so that a busy gateway does not stall the broker


class Wire:
    """Owns the socket. Used by one thread."""

    def __init__(self, host: str, port: int, timeout_s: float, tls: ssl.SSLContext | None) -> None:
        """Connect. Raises OSError, also for a failed TLS handshake, and ValueError for an impossible host name."""
        sock = socket.create_connection((host, port), timeout_s)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            self._socket = tls.wrap_socket(sock, server_hostname=host) if tls is not None else sock
        except BaseException:
            sock.close()
            raise
        self._socket.settimeout(0.0)

    def fileno(self) -> int:
        """The file descriptor, for a selector."""
        return self._socket.fileno()

    def read(self) -> bytes:
        """At most READ_BYTES_MAX bytes, none if none have arrived. Raises ConnectionError at the end of the stream, and OSError."""
        try:
            data = self._socket.recv(READ_BYTES_MAX)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return b""
        if not data:
            raise ConnectionError("closed by the broker")
        return data + self._buffered() if isinstance(self._socket, ssl.SSLSocket) else data

    def write(self, out: bytearray) -> None:
        """Send from the beginning of `out` and remove the bytes sent. Raises OSError."""
        with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            while out:
                sent = self._socket.send(out)
                del out[:sent]

    def finish(self) -> None:
        """Send no more, so that the broker sees the end after the last packet. Raises OSError."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _buffered(self) -> bytes:
        """Records of TLS that were read from the socket already: a selector does not report them."""
        assert isinstance(self._socket, ssl.SSLSocket)
        parts: list[bytes] = []
        size = 0
        with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            while size < READ_BYTES_MAX and (part := self._socket.recv(READ_BYTES_MAX)):
                parts.append(part)
                size += len(part)
        return b"".join(parts)

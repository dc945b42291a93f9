"""Unix sockets at any path: the address of one is limited to 107 bytes (unix(7)), and a folder of an installation may be longer."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADDRESS_BYTES_MAX = 107


def listen(path: Path) -> socket.socket:
    """A listening socket file that only its owner can open; that of an earlier process, which has ended, is replaced. Raises OSError."""
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        with _address(path) as address:
            made.bind(address)
        made.listen()
    except BaseException:
        made.close()
        raise
    finally:
        os.umask(before)
    return made


def connect(path: Path, wait_s: float) -> socket.socket:
    """A connection to a socket file, with a time limit of `wait_s` for each read and write. Raises OSError if no process listens there."""
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(wait_s)
    try:
        with _address(path) as address:
            made.connect(address)
    except BaseException:
        made.close()
        raise
    return made


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """An address of the file that is short enough: Linux names an open folder by its descriptor."""
    if len(os.fsencode(path)) <= ADDRESS_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)

"""Recordings: JSON lines with the keys at_ms (since the start), topic, payload or payload_hex, qos and retain.

A payload that is UTF-8 is a string, any other one is written in hex. The digest of a recording is the SHA-256 of its file, as
`sha256sum` prints it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from firmware_sim.message import Message


class RecordingError(ValueError):
    """A file is not a recording; the text names the line."""


class Recorded(NamedTuple):
    """One recorded message, and its time in milliseconds since the start."""

    at_ms: int
    topic: str
    payload: bytes
    qos: int
    retain: bool


class _Line(msgspec.Struct):
    topic: str
    at_ms: int | None = None
    payload: msgspec.Raw = msgspec.Raw()
    payload_hex: str | None = None
    qos: int = 0
    retain: bool = False


class Writer:
    """Writes messages to a file and computes its digest."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, at_ms: int, message: Message) -> None:
        """Append one message, published `at_ms` milliseconds after the start."""
        try:
            body = {"payload": message.payload.decode()}
        except UnicodeDecodeError:
            body = {"payload_hex": message.payload.hex()}
        fields = {"at_ms": at_ms, "topic": message.topic, **body, "qos": message.qos, "retain": message.retain}
        line = msgspec.json.encode(fields) + b"\n"
        self._hash.update(line)
        self._file.write(line)

    @property
    def digest(self) -> str:
        """SHA-256 of the lines so far, in hex."""
        return self._hash.hexdigest()


def read(file: Path) -> Iterator[Recorded]:
    """The messages of a recording, in order; a line without a time has that of the line before.

    Raises RecordingError for a line that is not a message.
    """
    decoder = msgspec.json.Decoder(_Line)
    at_ms = 0
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                found = decoder.decode(line)
                at_ms = at_ms if found.at_ms is None else found.at_ms
                if not found.topic or set("+#\0") & set(found.topic) or found.qos not in {0, 1}:
                    raise RecordingError("a message needs a topic without + and #, and QoS 0 or 1")
                yield Recorded(at_ms, found.topic, _payload(found), found.qos, found.retain)
            except (msgspec.MsgspecError, ValueError) as error:
                raise RecordingError(f"{file}:{number}: {error}") from error


def _payload(line: _Line) -> bytes:
    """The bytes of a payload that is a string (UTF-8), JSON of another type (as it stands) or hex."""
    if line.payload_hex is not None:
        return bytes.fromhex(line.payload_hex)
    raw = bytes(line.payload)
    return msgspec.json.decode(raw, type=str).encode() if raw.startswith(b'"') else raw

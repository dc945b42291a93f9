"""Recordings: one JSON object a line, {"at_ms" since the start, "topic", "payload" or "payload_hex", "qos", "retain"}.

Text where the bytes are UTF-8, hex where they are not. The digest of a recording is the SHA-256 of its file, so that
`sha256sum` tells the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from firmware_sim.message import Message


class LineError(ValueError):
    """A file that is no recording; the text names the line."""


class Spoken(NamedTuple):
    """One recorded message and when it was sent."""

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
    """Writes messages, and digests them on the way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, at_ms: int, message: Message) -> None:
        """One line."""
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
        """SHA-256 of what was written until now."""
        return self._hash.hexdigest()


def read(file: Path) -> Iterator[Spoken]:
    """The messages of a recording, in order; a line without a time follows its predecessor at once."""
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
                    raise LineError("a topic without + and # and QoS 0 or 1 are needed")
                yield Spoken(at_ms, found.topic, _payload(found), found.qos, found.retain)
            except (msgspec.MsgspecError, ValueError) as error:
                raise LineError(f"{file}:{number}: {error}") from error


def _payload(line: _Line) -> bytes:
    """As it was on the wire: text as UTF-8, an object as JSON, hex as bytes."""
    if line.payload_hex is not None:
        return bytes.fromhex(line.payload_hex)
    raw = bytes(line.payload)
    return msgspec.json.decode(raw, type=str).encode() if raw.startswith(b'"') else raw

"""Playback of a recording on an event loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from firmware_sim.event_loop import EventLoop
from firmware_sim.message import Message, Send
from firmware_sim.wire.recording import Recorded, read

FORMAT = "recorded"


class Playback:
    """Reads the file while playing, so memory does not grow with its length. The order within a topic is kept."""

    def __init__(self, file: Path, send: Send) -> None:
        self.loop = EventLoop()
        self._lines: Iterator[Recorded] = read(file)
        self._send = send
        self._first_ms: int | None = None
        self._plan()

    def run_until(self, end_ms: int) -> None:
        """Publish all messages due before `end_ms`. Raises RecordingError at an invalid line of the recording."""
        self.loop.run_until(end_ms)

    def _plan(self) -> None:
        recorded = next(self._lines, None)
        if recorded is not None:
            self._first_ms = recorded.at_ms if self._first_ms is None else self._first_ms
            self.loop.at(recorded.at_ms - self._first_ms, lambda _: self._play(recorded))

    def _play(self, recorded: Recorded) -> None:
        self._send(recorded.topic, Message(recorded.topic, recorded.payload, FORMAT, FORMAT, recorded.qos, recorded.retain))
        self._plan()

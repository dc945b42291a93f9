"""What leaves a simulated device: bytes on a topic, and two words for the summary."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Message(NamedTuple):
    """One MQTT publication. `format` and `kind` name what was meant; they never reach the wire."""

    topic: str
    payload: bytes
    format: str
    kind: str
    qos: int = 0
    retain: bool = False


Send = Callable[[str, Message], None]
"""Given a message together with the device that says it."""

Publish = Callable[[Message], None]
"""Where a device hands its messages to."""

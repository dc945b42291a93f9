"""The message that a simulated device publishes, and the callbacks that carry it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Message(NamedTuple):
    """One MQTT publication. `format` and `kind` are labels for the counters and not transmitted."""

    topic: str
    payload: bytes
    format: str
    kind: str
    qos: int = 0
    retain: bool = False


Send = Callable[[str, Message], None]
"""Callback for a message, given with the name of its device."""

Publish = Callable[[Message], None]
"""Callback that publishes the messages of one device."""

"""Counts for diagnosis: messages and newest arrival of each source, ids that the config does not name, and examples of refusals."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gateway.decoders.contract import MEASURED

if TYPE_CHECKING:
    from gateway.decoders.contract import DecodeError
    from gateway.runtime.sources import Source

NAMES_MAX = 64
EXAMPLES_MAX = 256


class Tally:
    """Messages and observations of one source since the start, and the time at which the newest message arrived."""

    __slots__ = ("messages", "name", "newest_ms", "observations", "source")

    def __init__(self, source: Source) -> None:
        """Start at zero."""
        self.source, self.name = source, source.decoder.name
        self.messages = self.observations = self.newest_ms = 0

    @property
    def is_of_sensors(self) -> bool:
        """Whether the source only measures. The silence of sightings, positions and facts would show when people were near."""
        return self.source.kinds <= MEASURED


class Unnamed:
    """Ids of scanners and devices that no zone and no device of the config names, with the number of their observations.

    The first NAMES_MAX ids are kept; observations of further ones are counted together, so a flood of ids takes no memory.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.times: Counter[str] = Counter()
        self.others = 0

    def note(self, name: str, times: int = 1) -> None:
        """Count observations of an id."""
        if name in self.times or len(self.times) < NAMES_MAX:
            self.times[name] += times
        else:
            self.others += times


class Examples:
    """The newest refusal of each decoder and reason as text, without content of the message."""

    def __init__(self) -> None:
        """Start empty."""
        self.texts: dict[str, str] = {}

    def note(self, key: str, error: DecodeError, size: int) -> None:
        """Keep a refusal of `decoder:reason`."""
        if key in self.texts or len(self.texts) < EXAMPLES_MAX:
            self.texts[key] = f"{error.detail or error.reason} (a message of {size} bytes)"

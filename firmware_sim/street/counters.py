"""Counters of a run, for its summary."""

from __future__ import annotations

from collections import Counter

from firmware_sim.devices.wayside_v1 import FACTS
from firmware_sim.message import Message


class Counters:
    """Counts of published messages, injected faults, deeds of adversaries, offers and answers."""

    def __init__(self) -> None:
        self.formats: Counter[str] = Counter()
        self.facts: Counter[str] = Counter()
        self.offers: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.adversaries: Counter[str] = Counter()
        self.malformed = 0

    def count(self, message: Message) -> None:
        """Count one published message."""
        self.formats[message.format] += 1
        if message.kind in FACTS:
            self.facts[message.kind] += 1

    def summary(self) -> dict[str, object]:
        """All counts as a JSON-compatible dictionary."""
        return {
            "messages": self.formats.total(),
            "messages_by_format": dict(sorted(self.formats.items())),
            "malformed": self.malformed,
            "faults": dict(sorted(self.faults.items())),
            "adversaries": dict(sorted(self.adversaries.items())),
            "facts_by_kind": dict(sorted(self.facts.items())),
            "purchases": self.facts["purchase"],
            "offers": {"received": self.offers["received"], **dict(sorted(self.offers.items()))},
            "answers_by_kind": dict(sorted(self.answers.items())),
        }

"""A public screen: it shows the offers of its programme in turn, and reports the proof of play at the end of each programme.

`wayside/v1/{site}/screen/{screen}/offer` in, `wayside/v1/{site}/up/{screen}/played` out.
"""

from __future__ import annotations

import msgspec

from firmware_sim.devices.wayside_v1 import Encoder
from firmware_sim.message import Message


class Item(msgspec.Struct, frozen=True):
    """One offer of a programme, shown for `seconds`."""

    slot: str
    title: str
    seconds: int
    body: str = ""


class _Programme(msgspec.Struct, frozen=True):
    until_ms: int
    items: list[Item]


def programme_filter(site: str, screen: str) -> str:
    """Topic filter of the programmes of a screen."""
    return f"wayside/v1/{site}/screen/{screen}/offer"


class Screen:
    """One screen by its own clock; all times in milliseconds. Without a programme it shows nothing of ours."""

    def __init__(self, site: str, screen: str, boot: str) -> None:
        self._encoder = Encoder(site, screen, boot)
        self._items: list[Item] = []
        self._began_ms = self._until_ms = 0
        self.unreadable = 0

    def receive(self, payload: bytes, now_ms: int) -> Message | None:
        """Take a programme; returns the report on the one before it, or None if that goes on or has shown nothing."""
        try:
            programme = msgspec.json.decode(payload, type=_Programme)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.unreadable += 1
            return None
        if programme.items == self._items:  # it goes on
            self._until_ms = programme.until_ms
            return None
        report = self.report(now_ms)
        self._items, self._began_ms, self._until_ms = programme.items, now_ms, programme.until_ms
        return report

    def shown(self, now_ms: int) -> Item | None:
        """The offer on the screen at a time."""
        turn_ms = 1000 * sum(item.seconds for item in self._items)
        if not turn_ms or not self._began_ms <= now_ms < self._until_ms:
            return None
        at_ms = (now_ms - self._began_ms) % turn_ms
        for item in self._items:
            at_ms -= 1000 * item.seconds
            if at_ms < 0:
                return item
        return None

    def report(self, now_ms: int) -> Message | None:
        """The proof of play of the present programme so far, which then begins anew; None if no offer was shown to its end."""
        spent_s = (min(now_ms, self._until_ms) - self._began_ms) / 1000
        plays: dict[str, int] = {}
        while self._items and spent_s > 0:
            for item in self._items:
                spent_s -= item.seconds
                if spent_s >= 0:
                    plays[item.slot] = plays.get(item.slot, 0) + 1
        self._began_ms = now_ms
        if not plays:
            return None
        seconds = {item.slot: item.seconds for item in self._items}
        rows = [{"slot": slot, "plays": count, "seconds": count * seconds[slot]} for slot, count in plays.items()]
        return self._encoder.encode("played", now_ms, {"played": rows})

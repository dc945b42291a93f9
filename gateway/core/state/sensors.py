"""Sensor values of zones and the clock errors of devices.

Readings and clock errors are in memory only, learned again after a restart. Counters with totals or directions are stored: a balance of
doors, and passages while the gateway was down, could not be learned again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from gateway.core import limits
from gateway.core.clocks import DeviceClock
from gateway.core.context import ZoneContext, rebased
from gateway.core.counting import Counting
from gateway.core.state.people import keep_newest
from gateway.core.state.slices import SliceChanges


class SensorsChanges(SliceChanges):
    """`zones` and `clocks` by zone and device; `silenced` are devices that no longer belong to a person: their clock is forgotten.

    `counted` are the counters to be stored, by zone.
    """

    DURABLE: ClassVar[frozenset[str]] = frozenset({"counted"})
    VOLATILE: ClassVar[frozenset[str]] = frozenset({"zones", "clocks", "silenced"})

    counted: dict[str, Counting] = msgspec.field(default_factory=dict)
    zones: dict[str, ZoneContext] = msgspec.field(default_factory=dict)
    clocks: dict[str, DeviceClock] = msgspec.field(default_factory=dict)
    silenced: set[str] = msgspec.field(default_factory=set)


class SensorsState:
    """The newest readings by zone, and the newest CLOCK_DEVICES_MAX device clocks."""

    def __init__(self, counted: Mapping[str, Counting] | None = None) -> None:
        self.zones = {zone: ZoneContext(counting=counting) for zone, counting in (counted or {}).items()}
        self.clocks: dict[str, DeviceClock] = {}

    def accept(self, changes: SensorsChanges) -> None:
        """Apply the changes."""
        self.zones.update(changes.zones)
        keep_newest(self.clocks, changes.clocks, limits.CLOCK_DEVICES_MAX)
        for device in changes.silenced:
            self.clocks.pop(device, None)

    def rebase(self, step_ms: int) -> None:
        """Move the readings' times; clock errors were measured against the old clock and are dropped."""
        self.zones = {zone: rebased(context, step_ms) for zone, context in self.zones.items()}
        self.clocks.clear()

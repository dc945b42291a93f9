"""How one device of a street is connected to the rest: where its messages go, and what faults let it believe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from firmware_sim import draws
from firmware_sim.devices.wayside_v1 import Encoder
from firmware_sim.faults.injector import Control, FaultInjector
from firmware_sim.message import Publish

V = TypeVar("V")


class Transport:
    """Of one device."""

    def __init__(self, device: str, start_ms: int, publish: Publish, injector: FaultInjector) -> None:
        self.device, self.publish = device, publish
        self._start_ms, self._injector = start_ms, injector
        self._kept: dict[str, object] = {}

    def clock_ms(self, now_ms: int) -> int:
        """What the device believes the time to be."""
        return self._start_ms + now_ms + self._injector.clock_error_ms(self.device, now_ms)

    def sense(self, quantity: str, now_ms: int, measure: Callable[[], V]) -> V:
        """Measure, unless the sensor is stuck: then what it showed last."""
        value = measure()  # also when stuck: what is drawn for it must not depend on faults
        if self._injector.is_stuck(self.device, now_ms) and quantity in self._kept:
            return self._kept[quantity]  # type: ignore[return-value]  # kept under the same name, so of the same type
        self._kept[quantity] = value
        return value

    def is_flat(self, now_ms: int) -> bool:
        """Whether its battery is."""
        return self._injector.is_flat(self.device, now_ms)

    def attach(self, control: Control) -> None:
        """Restart `control` when the rules say so."""
        self._injector.attach(self.device, control, falls_silent=False)


class Restart:
    """A restart of what speaks Wayside v1: a new boot for each of its voices, numbers from 0."""

    def __init__(self, seed: int, start_ms: int, device: str, encoders: Mapping[str, Encoder]) -> None:
        self._seed, self._start_ms, self._device, self._encoders = seed, start_ms, device, encoders
        self._starts = 0
        self._begun_ms = 0

    def uptime_s(self, now_ms: int) -> int:
        """Since it last started."""
        return (now_ms - self._begun_ms) // 1000

    def reboot(self, now_ms: int, /) -> None:
        """Off and on again."""
        self._starts += 1
        self._begun_ms = now_ms
        for lane, encoder in self._encoders.items():
            encoder.restart(draws.boot(self._seed, self._start_ms, self._device, lane, f"start {self._starts}"))

    def drain(self, _now_ms: int, /) -> None:
        """Off; the stage keeps it silent."""

    def recharge(self, now_ms: int, /) -> None:
        """On again."""
        self.reboot(now_ms)

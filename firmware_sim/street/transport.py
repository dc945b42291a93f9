"""Connection of one device of a site: publishing, and the faults that affect its clock, sensors and battery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from firmware_sim import draws
from firmware_sim.devices.wayside_v1 import Encoder
from firmware_sim.faults.injector import Control, FaultInjector
from firmware_sim.message import Publish

V = TypeVar("V")


class Transport:
    """Connection of one device."""

    def __init__(self, device: str, start_ms: int, publish: Publish, injector: FaultInjector) -> None:
        self.device, self.publish = device, publish
        self._start_ms, self._injector = start_ms, injector
        self._kept: dict[str, object] = {}

    def clock_ms(self, now_ms: int) -> int:
        """Time of the device's own clock in UTC milliseconds."""
        return self._start_ms + now_ms + self._injector.clock_error_ms(self.device, now_ms)

    def sense(self, quantity: str, now_ms: int, measure: Callable[[], V]) -> V:
        """Measure, or repeat the last value of this quantity if the sensor is stuck."""
        value = measure()  # measured even when stuck: the number of random draws must not depend on faults
        if self._injector.is_stuck(self.device, now_ms) and quantity in self._kept:
            return self._kept[quantity]  # type: ignore[return-value]  # stored under the same name, so of the same type
        self._kept[quantity] = value
        return value

    def is_flat(self, now_ms: int) -> bool:
        """Whether the device's battery is flat."""
        return self._injector.is_flat(self.device, now_ms)

    def attach(self, control: Control) -> None:
        """Register `control` for restarts and battery faults."""
        self._injector.attach(self.device, control, falls_silent=False)


class Restart:
    """Restart of a Wayside v1 device: a new boot id for each of its encoders, sequence numbers from 0."""

    def __init__(self, seed: int, start_ms: int, device: str, encoders: Mapping[str, Encoder]) -> None:
        self._seed, self._start_ms, self._device, self._encoders = seed, start_ms, device, encoders
        self._starts = 0
        self._begun_ms = 0

    def uptime_s(self, now_ms: int) -> int:
        """Seconds since the last start."""
        return (now_ms - self._begun_ms) // 1000

    def reboot(self, now_ms: int, /) -> None:
        """Start anew."""
        self._starts += 1
        self._begun_ms = now_ms
        for lane, encoder in self._encoders.items():
            encoder.restart(draws.boot(self._seed, self._start_ms, self._device, lane, f"start {self._starts}"))

    def drain(self, _now_ms: int, /) -> None:
        """Nothing to do: the fault injector drops the messages."""

    def recharge(self, now_ms: int, /) -> None:
        """Start anew."""
        self.reboot(now_ms)

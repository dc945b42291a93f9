"""Devices with firmware at a site, with the simulated world as surroundings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from firmware_sim.devices import ble
from firmware_sim.event_loop import EventLoop
from firmware_sim.faults.injector import FaultInjector
from firmware_sim.message import Publish
from firmware_sim.products.catalogue import CATALOGUE
from firmware_sim.products.firmware import Cause, Firmware
from firmware_sim.products.groups import Group
from firmware_sim.products.surroundings import Air
from firmware_sim.world.world import World, degrees

HEARD_MAX = 1_000
PRESSURE_HPA = 1013.25

Count = Callable[[str], int]
"""Number of people in a zone."""


class ZoneSurroundings:
    """Surroundings of a device in a zone, and the radio that collects advertisements for it."""

    def __init__(self, world: World, zone: str, count: Count) -> None:
        self.site, self.zone = world.scenario.site, zone
        self._world, self._count = world, count
        self._heard: list[tuple[ble.Advertisement, float]] = []

    def receive(self, _now_ms: int, advert: ble.Advertisement, rssi_dbm: float) -> None:
        """Collect an advertisement; dropped if HEARD_MAX are waiting."""
        if len(self._heard) < HEARD_MAX:
            self._heard.append((advert, rssi_dbm))

    def heard(self, _now_ms: int, /) -> list[tuple[ble.Advertisement, float]]:
        """Advertisements received since the last call, with RSSI in dBm."""
        heard, self._heard = self._heard, []
        return heard

    def air(self, now_ms: int, /) -> Air:
        """Outdoor air."""
        weather = self._world.weather(self._world.street_s(now_ms))
        return Air(weather.temperature, weather.humidity, PRESSURE_HPA, 8_000.0, weather.precipitation)

    def people(self, _now_ms: int, /) -> int:
        """Number of people in the zone."""
        return self._count(self.zone)

    def spot(self, _now_ms: int, /) -> tuple[float, float]:
        """Latitude and longitude in degrees of the zone's middle."""
        return degrees(self._world.spot(self.zone), self._world.scenario.origin)


class Installation:
    """All devices of a scenario's `[[devices]]`; `receivers` holds the radios by device."""

    def __init__(
        self, world: World, injector: FaultInjector, loop: EventLoop, count: Count, publisher_of: Callable[[str], Publish]
    ) -> None:
        self.receivers: dict[str, ZoneSurroundings] = {}
        self.devices: dict[str, Firmware] = {}
        self._world, self._injector, self._loop, self._count, self._publisher_of = world, injector, loop, count, publisher_of
        for group in world.scenario.devices:
            for number in range(group.first, group.first + group.count):
                self._install(group, number)

    def _install(self, group: Group, number: int) -> None:
        around = ZoneSurroundings(self._world, group.zone, self._count)
        product = CATALOGUE[group.product](number, around)
        firmware = Firmware(
            product,
            self._loop,
            self._publisher_of(product.device),
            seed=self._world.seed,
            start_ms=self._world.start_ms,
            conditions=self._injector,
            changes={
                name: value for name in ("every_ms", "crashes_per_hour", "hangs_per_hour") if (value := getattr(group, name)) is not None
            },
        )
        self.receivers[product.device] = around
        self.devices[product.device] = firmware
        self._injector.attach(product.device, firmware, falls_silent=True)
        self._injector.add_clones(product.device, around.receive)
        # Staggered: a simultaneous start is a fault (power cut), not the normal case.
        self._loop.at(number * 37 % firmware.traits.every_ms, partial(self._handle, firmware, Cause.POWER))
        if group.update_at_s is not None:
            self._loop.at(round(group.update_at_s * 1000), partial(self._handle, firmware, Cause.UPDATE))

    def _handle(self, firmware: Firmware, cause: Cause, now_ms: int) -> None:
        firmware.handle(cause, now_ms)

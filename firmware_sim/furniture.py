"""Street furniture: sensors that measure, counters that count, tills that sell."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from firmware_sim import draws
from firmware_sim.clockwork import Clockwork
from firmware_sim.devices import ruuvi, zigbee2mqtt
from firmware_sim.devices.wayside_v1 import Speaker
from firmware_sim.message import Publish
from firmware_sim.scanners import Hearing
from firmware_sim.scenario import Sensor, Till
from firmware_sim.world import World

STATUS_MS = 30_000
AMOUNT_SPREAD = 0.3
TAG_NEAR_DBM = (-58.0, 2.0)  # a room sensor hangs a few metres from its gateway and does not walk

Count = Callable[[], int]
"""How many people came into a counter's zone since it was last asked."""


def speaker(world: World, device: str, lane: str = "own") -> Speaker:
    """The Wayside v1 voice of a device. Answers to offers have a life of their own.

    So the numbers that a device gives to what it says by itself do not depend on what the gateway does.
    """
    return Speaker(world.scenario.site, device, draws.boot(world.seed, world.start_ms, device, lane))


class WaysideSensor:
    """A sensor that speaks Wayside v1: weather, or people counted."""

    def __init__(self, world: World, sensor: Sensor, count: Count, clockwork: Clockwork, publish: Publish) -> None:
        self._world, self._sensor, self._count, self._publish = world, sensor, count, publish
        self._voice = speaker(world, sensor.device)
        clockwork.at(0, self._status)
        clockwork.every(sensor.every_ms, sensor.every_ms, self._measure)
        clockwork.every(STATUS_MS, STATUS_MS, self._status)

    def _claim(self, now_ms: int) -> int | None:
        return self._world.start_ms + now_ms if self._sensor.clock else None

    def _measure(self, now_ms: int) -> None:
        weather = self._world.weather(self._world.street_s(now_ms))
        readings: dict[str, float] = {name: getattr(weather, name) for name in self._sensor.measures if name != "people"}
        if readings:
            self._publish(self._voice.reading(self._claim(now_ms), readings))
        if "people" in self._sensor.measures:
            self._publish(self._voice.count(self._claim(now_ms), "people", self._count()))

    def _status(self, now_ms: int) -> None:
        self._publish(self._voice.status(self._claim(now_ms), uptime_s=now_ms // 1000))


class ZigbeeClimate:
    """A battery-driven climate sensor behind Zigbee2MQTT."""

    def __init__(self, world: World, sensor: Sensor, clockwork: Clockwork, publish: Publish) -> None:
        self._world, self._sensor, self._publish = world, sensor, publish
        self._draws = draws.generator(world.seed, "zigbee", sensor.device)
        clockwork.every(sensor.every_ms // 2, sensor.every_ms, self._measure)

    def _measure(self, now_ms: int) -> None:
        indoors = self._world.indoors(self._world.street_s(now_ms))
        temperature = indoors.temperature + self._draws.gauss(0.0, 0.05)
        humidity = indoors.humidity + self._draws.gauss(0.0, 0.3)
        link = self._draws.randint(90, 160)
        self._publish(zigbee2mqtt.climate(self._sensor.device, temperature, humidity, battery_pct=97, link_quality=link))


class RuuviTag:
    """A room sensor that only advertises; the Ruuvi Gateway of its zone hears it."""

    def __init__(self, world: World, sensor: Sensor, hearer: Hearing, clockwork: Clockwork) -> None:
        self._world, self._hearer = world, hearer
        self._address = bytes.fromhex(sensor.device.replace(":", ""))
        self._draws = draws.generator(world.seed, "ruuvi", sensor.device)
        self._sequence = 0
        clockwork.every(sensor.every_ms // 2, sensor.every_ms, self._advertise)

    def _advertise(self, now_ms: int) -> None:
        street_s = self._world.street_s(now_ms)
        indoors = self._world.indoors(street_s)
        gauss = self._draws.gauss
        state = ruuvi.TagState(
            temperature_c=indoors.temperature + gauss(0.0, 0.02),
            humidity_pct=indoors.humidity + gauss(0.0, 0.1),
            pressure_pa=round(101_325 + 300 * math.sin(street_s / 40_000) + gauss(0.0, 3.0)),
            acceleration_mg=(round(gauss(4, 2)), round(gauss(-8, 2)), round(gauss(1012, 2))),
            battery_mv=2977,
            movements=66,
            sequence=self._sequence,
        )
        self._sequence += 1
        self._hearer.hear(now_ms, ruuvi.tag(self._address, state), gauss(*TAG_NEAR_DBM))


class CashTill:
    """A till. What it sells on offers is told in a second life, for the reason given at `speaker`."""

    def __init__(self, world: World, till: Till, clockwork: Clockwork, publish: Publish) -> None:
        self._world, self._till, self._publish = world, till, publish
        kind = world.zones[till.zone].kind
        if kind is None:
            raise ValueError(f"till {till.device} stands in no shop")
        self._kind = kind
        self._voice = speaker(world, till.device)
        self._offers_voice = speaker(world, till.device, "offers")
        clockwork.at(0, self._status)
        clockwork.every(STATUS_MS, STATUS_MS, self._status)

    def sell(self, now_ms: int, chance: Random) -> None:
        """A sale to somebody who came by themselves."""
        self._publish(self._voice.purchase(self._claim(now_ms), self._amount(chance), self._kind, None))

    def redeem(self, now_ms: int, chance: Random, decision: str, publish: Publish) -> None:
        """A sale on an offer."""
        publish(self._offers_voice.purchase(self._claim(now_ms), self._amount(chance), self._kind, decision))

    def _amount(self, chance: Random) -> int:
        usual = self._world.scenario.tastes[self._kind].amount_minor
        return max(10, round(usual * math.exp(chance.gauss(0.0, AMOUNT_SPREAD)) / 10) * 10)

    def _claim(self, now_ms: int) -> int | None:
        return self._world.start_ms + now_ms if self._till.clock else None

    def _status(self, now_ms: int) -> None:
        self._publish(self._voice.status(self._claim(now_ms), uptime_s=now_ms // 1000))

"""Fixtures of a site: sensors, people counters and tills."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from firmware_sim import draws
from firmware_sim.devices import ruuvi, zigbee2mqtt
from firmware_sim.devices.wayside_v1 import Encoder
from firmware_sim.event_loop import EventLoop
from firmware_sim.message import Publish
from firmware_sim.people.baskets import Basket, fill
from firmware_sim.scenario import Sensor, Till
from firmware_sim.street.scanners import Receiver
from firmware_sim.street.transport import Restart, Transport
from firmware_sim.world.world import World

STATUS_MS = 30_000
TAG_NEAR_DBM = (-58.0, 2.0)  # mean and standard deviation for a fixed sensor a few metres from its gateway

Count = Callable[[], int]
"""Number of people that entered the counter's zone since the last call."""


def make_encoder(world: World, device: str, lane: str = "own") -> Encoder:
    """Wayside v1 encoder of a device. Each `lane` has a boot id and sequence numbers of its own.

    Answers to offers use a lane of their own, so that the numbers of all other messages do not depend on the gateway.
    """
    return Encoder(world.scenario.site, device, draws.boot(world.seed, world.start_ms, device, lane))


class WaysideSensor:
    """Sensor with Wayside v1: weather, people counts, or both."""

    def __init__(self, world: World, sensor: Sensor, count: Count, loop: EventLoop, transport: Transport) -> None:
        self._world, self._sensor, self._count, self._transport = world, sensor, count, transport
        self._encoder = make_encoder(world, sensor.device)
        self._restart = Restart(world.seed, world.start_ms, sensor.device, {"own": self._encoder})
        transport.attach(self._restart)
        loop.at(0, self._status)
        loop.every(sensor.every_ms, sensor.every_ms, self._measure)
        loop.every(STATUS_MS, STATUS_MS, self._status)

    def _claim(self, now_ms: int) -> int | None:
        return self._transport.clock_ms(now_ms) if self._sensor.clock else None

    def _measure(self, now_ms: int) -> None:
        transport = self._transport
        weather = transport.sense("weather", now_ms, lambda: self._world.weather(self._world.street_s(now_ms)))
        readings: dict[str, float] = {name: getattr(weather, name) for name in self._sensor.measures if name != "people"}
        if readings:
            transport.publish(self._encoder.reading(self._claim(now_ms), readings))
        if "people" in self._sensor.measures:
            transport.publish(self._encoder.count(self._claim(now_ms), "people", transport.sense("people", now_ms, self._count)))

    def _status(self, now_ms: int) -> None:
        self._transport.publish(self._encoder.status(self._claim(now_ms), uptime_s=self._restart.uptime_s(now_ms)))


class ZigbeeClimate:
    """Battery-powered climate sensor behind Zigbee2MQTT."""

    def __init__(self, world: World, sensor: Sensor, loop: EventLoop, transport: Transport) -> None:
        self._world, self._sensor, self._transport = world, sensor, transport
        self._draws = draws.generator(world.seed, "zigbee", sensor.device)
        loop.every(sensor.every_ms // 2, sensor.every_ms, self._measure)

    def _measure(self, now_ms: int) -> None:
        temperature, humidity = self._transport.sense("air", now_ms, lambda: self._air(now_ms))
        link = self._draws.randint(90, 160)
        self._transport.publish(zigbee2mqtt.climate(self._sensor.device, temperature, humidity, battery_pct=97, link_quality=link))

    def _air(self, now_ms: int) -> tuple[float, float]:
        indoors = self._world.indoors(self._world.street_s(now_ms))
        return indoors.temperature + self._draws.gauss(0.0, 0.05), indoors.humidity + self._draws.gauss(0.0, 0.3)


class RuuviTag:
    """Room sensor that only advertises; the scanner of its zone receives it."""

    def __init__(self, world: World, sensor: Sensor, receiver: Receiver, loop: EventLoop, transport: Transport) -> None:
        self._world, self._receiver, self._transport = world, receiver, transport
        self._address = bytes.fromhex(sensor.device.replace(":", ""))
        self._draws = draws.generator(world.seed, "ruuvi", sensor.device)
        self._sequence = 0
        loop.every(sensor.every_ms // 2, sensor.every_ms, self._advertise)

    def _advertise(self, now_ms: int) -> None:
        state = self._transport.sense("state", now_ms, lambda: self._state(now_ms))._replace(sequence=self._sequence)
        self._sequence += 1
        advert, rssi_dbm = ruuvi.tag(self._address, state), self._draws.gauss(*TAG_NEAR_DBM)
        if not self._transport.is_flat(now_ms):
            self._receiver.receive(now_ms, advert, rssi_dbm)

    def _state(self, now_ms: int) -> ruuvi.TagState:
        street_s = self._world.street_s(now_ms)
        indoors = self._world.indoors(street_s)
        gauss = self._draws.gauss
        return ruuvi.TagState(
            temperature_c=indoors.temperature + gauss(0.0, 0.02),
            humidity_pct=indoors.humidity + gauss(0.0, 0.1),
            pressure_pa=round(101_325 + 300 * math.sin(street_s / 40_000) + gauss(0.0, 3.0)),
            acceleration_mg=(round(gauss(4, 2)), round(gauss(-8, 2)), round(gauss(1012, 2))),
            battery_mv=2977,
            movements=66,
            sequence=self._sequence,
        )


class CashTill:
    """Till of a shop. Sales on offers use a lane of their own, see `make_encoder`. Raises ValueError if its zone is no shop."""

    def __init__(self, world: World, till: Till, loop: EventLoop, transport: Transport) -> None:
        self.device = till.device
        self._world, self._till, self._transport, self._publish = world, till, transport, transport.publish
        kind = world.zones[till.zone].kind
        if kind is None:
            raise ValueError(f"till {till.device} is not in a shop")
        self._kind = kind
        self._encoder = make_encoder(world, till.device)
        self._offers_encoder = make_encoder(world, till.device, "offers")
        self._restart = Restart(world.seed, world.start_ms, till.device, {"own": self._encoder, "offers": self._offers_encoder})
        transport.attach(self._restart)
        loop.at(0, self._status)
        loop.every(STATUS_MS, STATUS_MS, self._status)

    def sell(self, now_ms: int, chance: Random) -> int:
        """Publish a sale without an offer; returns the amount in minor units."""
        basket = self._basket(chance)
        self._publish(self._encoder.purchase(self._claim(now_ms), basket.amount_minor, self._kind, None, basket.lines))
        return basket.amount_minor

    def redeem(self, now_ms: int, chance: Random, decision: str, publish: Publish) -> int:
        """Publish a sale with an offer; returns the amount in minor units."""
        basket = self._basket(chance)
        publish(self._offers_encoder.purchase(self._claim(now_ms), basket.amount_minor, self._kind, decision, basket.lines))
        return basket.amount_minor

    def _basket(self, chance: Random) -> Basket:
        return fill(self._world.scenario.tastes[self._kind], chance)

    def _claim(self, now_ms: int) -> int | None:
        return self._transport.clock_ms(now_ms) if self._till.clock else None

    def _status(self, now_ms: int) -> None:
        self._publish(self._encoder.status(self._claim(now_ms), uptime_s=self._restart.uptime_s(now_ms)))

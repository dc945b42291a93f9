"""Radios that people carry: every person's phone advertises, with or without consent.

A phone with the app advertises the app's iBeacon, or an ephemeral id, under an address that rotates; other phones send one of the usual
frames of other products: address and content rotate together and therefore cannot be linked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from firmware_sim import draws
from firmware_sim.devices import ble, eddystone
from firmware_sim.event_loop import EventLoop
from firmware_sim.people.walker import Walker
from firmware_sim.radio.propagation import Propagation
from firmware_sim.street.scanners import Receiver
from firmware_sim.street.transport import Transport

JITTER_MS = 10  # Bluetooth adds 0..10 ms to every advertising interval
FOREIGN_SORTS = 4


class EphemeralBeacon(NamedTuple):
    """The key of a phone's ephemeral ids, and the power at one metre."""

    key: bytes
    power_dbm: int


class CarriedRadio:
    """Advertisements of one walker's phone, delivered to the receivers in range."""

    def __init__(
        self,
        walker: Walker,
        beacon: ble.IBeacon | EphemeralBeacon | None,
        propagation: Propagation,
        receivers: Mapping[str, Receiver],
        loop: EventLoop,
        transport: Transport,
    ) -> None:
        self._walker, self._world = walker, walker.world
        self._beacon, self._propagation, self._receivers, self._loop = beacon, propagation, receivers, loop
        self._transport = transport
        self._draws = draws.generator(self._world.seed, "air", walker.number)
        self._period_ms = self._world.scenario.radio.advertise_ms
        self._turn = (0, walker.joins_s <= 0.0, self._window(0))
        self._advert = self._drawn(*self._turn)
        loop.at(self._draws.randrange(self._period_ms), self._advertise)

    def _advertise(self, now_ms: int) -> None:
        if self._walker.has_left(self._world.street_s(now_ms)):
            return
        self._loop.at(now_ms + self._period_ms + self._draws.randint(0, JITTER_MS), self._advertise)
        street_s = self._world.street_s(now_ms)
        place = self._walker.place(street_s)
        if place is None or self._walker.asleep(now_ms) or self._transport.is_flat(now_ms):
            return
        advert = self._current(street_s, now_ms)
        for name, rssi in self._propagation.heard(self._walker.number, place.spot, self._draws, now_ms):
            self._receivers[name].receive(now_ms, advert, rssi)

    def _window(self, now_ms: int) -> int:
        """Number of the window of an ephemeral id; 0 for other phones."""
        return eddystone.window(self._unix_s(now_ms)) if isinstance(self._beacon, EphemeralBeacon) else 0

    def _unix_s(self, now_ms: int) -> int:
        return (self._world.start_ms + now_ms) // 1000

    def _current(self, street_s: float, now_ms: int) -> ble.Advertisement:
        turn = int(street_s // self._world.scenario.people.mac_rotation_s), street_s >= self._walker.joins_s, self._window(now_ms)
        if turn != self._turn:
            self._turn, self._advert = turn, self._drawn(*turn)
        return self._advert

    def _drawn(self, turn: int, has_app: bool, window: int) -> ble.Advertisement:  # noqa: FBT001 (a person without consent has no app yet)
        chance = draws.generator(self._world.seed, "address", self._walker.number, turn)
        if isinstance(self._beacon, EphemeralBeacon) and has_app:
            address = ble.private_address(draws.generator(self._world.seed, "address", self._walker.number, turn, window))
            return eddystone.advertisement(address, self._beacon.key, window << eddystone.EXPONENT, self._beacon.power_dbm)
        if isinstance(self._beacon, ble.IBeacon) and has_app:
            return ble.ibeacon(ble.private_address(chance), self._beacon)
        return ble.foreign(chance, self._walker.number % FOREIGN_SORTS)

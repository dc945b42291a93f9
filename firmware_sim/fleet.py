"""Everything that sends on a street, wired to one clockwork.

`Street` is the whole simulator without a network: turn its hand, and messages fall out; give it an offer,
and later answers do. What it publishes by itself is a function of scenario, seed, start, speed and number
of walkers alone, and nothing that a gateway sends can change a byte of it.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from random import Random

from firmware_sim import scanners
from firmware_sim.clockwork import Clockwork
from firmware_sim.devices import ble
from firmware_sim.devices.wayside_v1 import FACTS, offered_device
from firmware_sim.draws import generator
from firmware_sim.furniture import CashTill, RuuviTag, WaysideSensor, ZigbeeClimate
from firmware_sim.message import Message, Publish
from firmware_sim.people import Walker
from firmware_sim.phones import App, Owner
from firmware_sim.pockets import Pocket
from firmware_sim.radio import Ether
from firmware_sim.scenario import Scenario, Sensor
from firmware_sim.tally import Tally
from firmware_sim.world import World


class Street:
    """A scenario that runs. `publish` is given every message at the moment it leaves its device."""

    def __init__(
        self, scenario: Scenario, *, seed: int, start_ms: int, publish: Publish, speed: float | None = None, walkers: int | None = None
    ) -> None:
        self.clockwork = Clockwork()
        self.tally = Tally()
        self._publish = publish
        self._world = World(scenario, seed, start_ms, speed or scenario.speed)
        self._malformed = generator(seed, "malformed")
        self._arrivals: Counter[str] = Counter()
        self._scanners = {item.id: scanners.build(item, start_ms, self.clockwork, self._open) for item in scenario.scanners}
        self._tills = {till.zone: CashTill(self._world, till, self.clockwork, self._open) for till in scenario.tills}
        for sensor in scenario.sensors:
            self._place(sensor)
        spot = self._world.spot
        self._air = Ether(scenario.radio, {item.id: spot(item.zone) for item in scenario.scanners})
        self._beacon_air = Ether(scenario.radio, {item.zone: spot(item.zone) for item in scenario.beacons})
        power = round(scenario.radio.rssi_1m_dbm)
        self._beacons = {item.zone: ble.IBeacon(item.uuid, item.major, item.minor, power) for item in scenario.beacons}
        self._owners: dict[str, Owner] = {}
        self.walkers = [Walker(self._world, number) for number in range(1, (walkers or scenario.people.walkers) + 1)]
        for walker in self.walkers:
            self._populate(walker)

    def run_until(self, end_ms: int) -> None:
        """Let everything happen that is due before `end_ms` of published time."""
        self.clockwork.run_until(end_ms)

    def receive(self, topic: str, payload: bytes) -> None:
        """An offer came down from the gateway, now."""
        owner = self._owners.get(offered_device(topic))
        if owner is None:
            self.tally.offers["astray"] += 1
        else:
            owner.receive(payload)

    def summary(self) -> dict[str, object]:
        """Who was there and what was said."""
        consenting = sum(walker.consents for walker in self.walkers)
        return {"walkers": len(self.walkers), "consenting": consenting, **self.tally.summary()}

    def _place(self, sensor: Sensor) -> None:
        """Put up one sensor."""
        if sensor.format == "wayside_v1":
            WaysideSensor(self._world, sensor, partial(self._footfall, sensor.zone), self.clockwork, self._open)
        elif sensor.format == "zigbee2mqtt":
            ZigbeeClimate(self._world, sensor, self.clockwork, self._open)
        else:
            for scanner in self._world.scenario.scanners:
                if scanner.zone == sensor.zone:
                    RuuviTag(self._world, sensor, self._scanners[scanner.id], self.clockwork)

    def _footfall(self, zone: str | None) -> int:
        """How many came into the zone since this was last asked (one counter a zone)."""
        return 0 if zone is None else self._arrivals.pop(zone, 0)

    def _populate(self, walker: Walker) -> None:
        """Give one walker what they carry, and plan their first visit."""
        beacon = None
        if walker.consents:
            app = App(walker, self._beacons, self._beacon_air, self.clockwork, self._open)
            self._owners[app.device] = Owner(app, walker, self.clockwork, self._closed, redeem=self._redeem, tally=self.tally)
            beacon = app.ibeacon
        Pocket(walker, beacon, self._air, self._scanners, self.clockwork)
        self._plan_visit(walker, 0)

    def _plan_visit(self, walker: Walker, index: int) -> None:
        """When the index-th stay begins: be counted, perhaps buy, and plan the next."""
        stay = walker.itinerary.stay(index)
        till = self._tills.get(stay.zone)

        def arrive(_: int) -> None:
            self._arrivals[stay.zone] += 1
            if till is not None and stay.buys_s is not None:
                chance = generator(self._world.seed, "purchase", walker.number, index)
                self.clockwork.at(self._world.published_ms(stay.buys_s), lambda now_ms: till.sell(now_ms, chance))
            self._plan_visit(walker, index + 1)

        self.clockwork.at(self._world.published_ms(stay.from_s), arrive)

    def _redeem(self, now_ms: int, chance: Random, shop: str, decision: str) -> bool:
        till = self._tills.get(shop)
        if till is not None:
            till.redeem(now_ms, chance, decision, self._closed)
        return till is not None

    def _open(self, message: Message) -> None:
        """Out into the open loop: a few radio and sensor messages are cut off on the way, facts never are.

        A lost consent would change who is there; a real phone keeps a fact until it is acknowledged whole.
        """
        if message.kind not in FACTS and self._malformed.random() < self._world.scenario.malformed_share:
            self.tally.malformed += 1
            message = message._replace(payload=message.payload[: self._malformed.randrange(len(message.payload))])
        self._closed(message)

    def _closed(self, message: Message) -> None:
        """Out, whatever caused it."""
        self.tally.count(message)
        self._publish(message)

"""All devices and people of a site on one event loop.

`Street` is the whole simulator without a network: running it publishes messages through a callback, and offers passed to
`receive` lead to answers later. Its own messages (the open loop) depend only on scenario, seed, start, speed and number of
walkers; no input from a gateway changes a byte of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from firmware_sim.adversaries.agents import ADVERSARIES, Adversary, Reach, Tap
from firmware_sim.devices import ble
from firmware_sim.devices.wayside_v1 import FACTS, addressed
from firmware_sim.draws import generator
from firmware_sim.event_loop import EventLoop
from firmware_sim.faults.injector import FaultInjector
from firmware_sim.faults.rules import Rule
from firmware_sim.message import Message, Publish
from firmware_sim.people.truth import Sale, Truth, TruthRecorder
from firmware_sim.people.walker import Walker
from firmware_sim.radio import measured
from firmware_sim.scenario import Scenario, Sensor
from firmware_sim.street import scanners
from firmware_sim.street.carried_radios import CarriedRadio, EphemeralBeacon
from firmware_sim.street.counters import Counters
from firmware_sim.street.fixtures import CashTill, RuuviTag, WaysideSensor, ZigbeeClimate
from firmware_sim.street.installed import Installation
from firmware_sim.street.phones import App, PhoneUser
from firmware_sim.street.scanners import Receiver
from firmware_sim.street.transport import Transport
from firmware_sim.world.world import World

HELD_DBM = -38.0  # a tag that touches the counter


class Street:
    """A running scenario. `publish` is called for every message at the moment of publication."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int,
        start_ms: int,
        publish: Publish,
        speed: float | None = None,
        walkers: int | None = None,
        recorder: TruthRecorder | None = None,
        faults: Sequence[Rule] = (),
        is_answered: bool = False,
        stay_s: float | None = None,
    ) -> None:
        """With `is_answered` a gateway sends receipts, and phones repeat a consent until they have one.

        With `stay_s` a person leaves for good after so many published seconds, and another one comes instead; the first ones leave one
        after the other.
        """
        self.loop = EventLoop()
        self.counters = Counters()
        self._publish, self._is_answered = publish, is_answered
        self._recorder = TruthRecorder(keep=False) if recorder is None else recorder
        self._world = World(scenario, seed, start_ms, speed or scenario.speed)
        self._malformed = generator(seed, "malformed")
        self._arrivals: Counter[str] = Counter()
        self._injector = FaultInjector((*scenario.faults, *faults), seed, self.loop, self._out, self.counters.faults)
        self._receivers: dict[str, Receiver] = {
            item.id: scanners.build(item, self.loop, self._transport(item.id)) for item in scenario.scanners
        }
        for name, receiver in self._receivers.items():
            self._injector.add_clones(name, receiver.receive)
        self._tills = {till.zone: CashTill(self._world, till, self.loop, self._transport(till.device)) for till in scenario.tills}
        for sensor in scenario.sensors:
            self._add_sensor(sensor)
        spot = self._world.spot
        installed = Installation(self._world, self._injector, self.loop, self._people_in, lambda device: partial(self._open, device))
        antennas = {
            **{item.id: item.zone for item in scenario.scanners},
            **{name: receiver.zone for name, receiver in installed.receivers.items()},
        }
        self._receivers |= installed.receivers
        self._air = measured.build(scenario, {name: spot(zone) for name, zone in antennas.items()}, seed)
        self._beacon_air = measured.build(scenario, {item.zone: spot(item.zone) for item in scenario.beacons}, seed)
        power = round(scenario.radio.rssi_1m_dbm)
        self._beacons = {item.zone: ble.IBeacon(item.uuid, item.major, item.minor, power) for item in scenario.beacons}
        self._adversaries: list[Adversary] = []
        air = dict(self._receivers)
        if scenario.adversaries:
            self._receivers = {name: Tap(name, receiver, self._adversaries) for name, receiver in air.items()}
        self._users: dict[str, PhoneUser] = {}
        self.walkers = [Walker(self._world, number) for number in range(1, (walkers or scenario.people.walkers) + 1)]
        self._settle(stay_s)
        things = [*(sensor.device for sensor in scenario.sensors), *(till.device for till in scenario.tills)]
        reach = Reach(seed, scenario.site, start_ms, self.loop, self._injector.send, air, self._acted)
        self._adversaries += [ADVERSARIES[name](reach) for name in scenario.adversaries]
        self._injector.check_names([*self._receivers, *installed.devices, *self._users, *things])

    def _settle(self, stay_s: float | None) -> None:
        """Add all people; with `stay_s` the first ones leave one after the other."""
        first = tuple(self.walkers)
        for walker in first:
            self._add_person(walker)
            if stay_s is not None:
                stay_ms = round(stay_s * 1000)
                self._plan_leaving(walker, stay_ms + stay_ms * walker.number // len(first), stay_ms, len(first))

    def run_until(self, end_ms: int) -> None:
        """Run all actions due before `end_ms` of published time."""
        self.loop.run_until(end_ms)

    def receive(self, topic: str, payload: bytes) -> None:
        """Deliver an offer or a receipt to a phone now; an offer is counted as astray if there is no such phone."""
        device, kind = addressed(topic)
        user = self._users.get(device)
        if user is not None and kind == "receipt":
            user.app.receive(payload)
        elif user is not None and kind == "offer":
            user.receive(payload)
        elif kind == "offer":
            self.counters.offers["astray"] += 1

    def summary(self) -> dict[str, object]:
        """Numbers of walkers and consents, and all counters."""
        consenting = sum(walker.consents for walker in self.walkers)
        return {"walkers": len(self.walkers), "consenting": consenting, **self.counters.summary()}

    def truth(self) -> Truth:
        """Ground truth until now; without a `recorder` it lacks offers, answers, purchases and consents."""
        return Truth(self._world, self.walkers, self._recorder, self.loop.now_ms)

    def _add_sensor(self, sensor: Sensor) -> None:
        """Create one sensor."""
        if sensor.format == "wayside_v1":
            WaysideSensor(self._world, sensor, partial(self._footfall, sensor.zone), self.loop, self._transport(sensor.device))
        elif sensor.format == "zigbee2mqtt":
            ZigbeeClimate(self._world, sensor, self.loop, self._transport(sensor.device))
        else:
            for scanner in self._world.scenario.scanners:
                if scanner.zone == sensor.zone:
                    RuuviTag(self._world, sensor, self._receivers[scanner.id], self.loop, self._transport(sensor.device))

    def _transport(self, device: str) -> Transport:
        return Transport(device, self._world.start_ms, partial(self._open, device), self._injector)

    def _people_in(self, zone: str) -> int:
        """Number of people in the zone now."""
        street_s = self._world.street_s(self.loop.now_ms)
        places = (walker.place(street_s) for walker in self.walkers)
        return sum(place is not None and place.zone == zone for place in places)

    def _footfall(self, zone: str | None) -> int:
        """Number of people that entered the zone since the last call (one counter per zone)."""
        return 0 if zone is None else self._arrivals.pop(zone, 0)

    def _add_person(self, walker: Walker) -> None:
        """Create the phone of one walker and schedule the first stay."""
        beacon: ble.IBeacon | EphemeralBeacon | None = None
        transport = self._transport(f"phone-{walker.number:04d}")
        if walker.consents:
            hold = self._counter(walker, transport)
            app = App(walker, self._beacons, self._beacon_air, self.loop, transport, repeats=self._is_answered, hold=hold)
            answer = partial(self._closed, app.device)
            self._users[app.device] = PhoneUser(
                app, walker, self.loop, answer, redeem=self._redeem, counters=self.counters, recorder=self._recorder
            )
            beacon = app.ibeacon if app.key is None else EphemeralBeacon(app.key, app.ibeacon.power_dbm)
        CarriedRadio(walker, beacon, self._air, self._receivers, self.loop, transport)
        self._plan_stay(walker, max(0, walker.itinerary.at(self._world.street_s(self.loop.now_ms))))

    def _plan_leaving(self, walker: Walker, at_ms: int, stay_ms: int, count: int) -> None:
        """Schedule the departure of a walker and the arrival of the one with a number higher by `count`."""

        def leave(now_ms: int) -> None:
            walker.leaves_s = self._world.street_s(now_ms)
            other = Walker(self._world, walker.number + count)
            other.joins_s = walker.leaves_s
            self.walkers.append(other)
            self._add_person(other)
            self._plan_leaving(other, now_ms + stay_ms, stay_ms, count)

        self.loop.at(at_ms, leave)

    def _counter(self, walker: Walker, transport: Transport) -> Callable[[int], None] | None:
        """How a phone without the code of its tag holds it to the counter; None for the others."""
        if walker.enrolment != "counter":
            return None
        receiver = self._receivers[self._world.scenario.phones.counter]

        def hold(now_ms: int) -> None:
            if not transport.is_flat(now_ms):
                chance = generator(self._world.seed, "counter", walker.number, now_ms)
                receiver.receive(now_ms, ble.ibeacon(ble.private_address(chance), self._users[transport.device].app.ibeacon), HELD_DBM)

        return hold

    def _acted(self, name: str) -> None:
        self.counters.adversaries[name] += 1

    def _plan_stay(self, walker: Walker, index: int) -> None:
        """Schedule the arrival at stay `index`: footfall, a possible purchase, and the next stay."""
        stay = walker.itinerary.stay(index)
        till = self._tills.get(stay.zone)

        def arrive(now_ms: int) -> None:
            if walker.has_left(self._world.street_s(now_ms)):
                return
            self._arrivals[stay.zone] += 1
            if till is not None and stay.buys_s is not None:
                chance = generator(self._world.seed, "purchase", walker.number, index)
                self.loop.at(self._world.published_ms(stay.buys_s), lambda now_ms: self._sell(now_ms, walker.number, stay.zone, chance))
            self._plan_stay(walker, index + 1)

        self.loop.at(self._world.published_ms(stay.from_s), arrive)

    def _sell(self, now_ms: int, number: int, shop: str, chance: Random) -> None:
        self._recorder.add_sale(Sale(number, now_ms, shop, self._tills[shop].sell(now_ms, chance), None))

    def _redeem(self, now_ms: int, number: int, chance: Random, shop: str, decision: str) -> bool:
        till = self._tills.get(shop)
        if till is not None:
            self._recorder.add_sale(
                Sale(number, now_ms, shop, till.redeem(now_ms, chance, decision, partial(self._closed, till.device)), decision)
            )
        return till is not None

    def _open(self, device: str, message: Message) -> None:
        """Publish a message of the open loop; a share of them is truncated (`malformed_share`), except facts.

        A lost consent would change the population; real phones keep a fact until it is acknowledged.
        """
        if message.kind not in FACTS and self._malformed.random() < self._world.scenario.malformed_share:
            self.counters.malformed += 1
            message = message._replace(payload=message.payload[: self._malformed.randrange(len(message.payload))])
        self._closed(device, message)

    def _closed(self, device: str, message: Message) -> None:
        """Publish a message of either loop, through the fault injector."""
        self._recorder.add_message(self.loop.now_ms, message)
        self._injector.send(device, message)

    def _out(self, device: str, message: Message) -> None:
        """Count and publish."""
        for agent in self._adversaries:
            agent.overhear(device, message)
        self.counters.count(message)
        self._publish(message)

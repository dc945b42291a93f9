"""Thousands of devices on one event loop, without a site: load for a gateway's broker.

A fleet is a mix of products. With `rate` all devices report with one period, chosen to give that many messages a second in
total; without it each keeps its product's period. The devices start one after the other within `ramp_s`. The messages depend only on
mix, number, rate, seed, start and faults.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from firmware_sim.event_loop import EventLoop
from firmware_sim.faults.injector import FaultInjector
from firmware_sim.faults.rules import Clone, FaultError, Rule
from firmware_sim.message import Message, Send
from firmware_sim.products.catalogue import CATALOGUE, allocate
from firmware_sim.products.firmware import Cause, Firmware, Product
from firmware_sim.products.surroundings import FleetSurroundings
from firmware_sim.street.counters import Counters

EVERY_MS_MIN = 20


class Fleet:
    """A running fleet. `send` is called for every message with the name of its device.

    Raises FaultError for a clone rule (a fleet has no shared radio) and for a rule about an unknown device.
    """

    def __init__(
        self,
        mix: Mapping[str, float],
        devices: int,
        *,
        seed: int,
        start_ms: int,
        send: Send,
        rate: float | None = None,
        ramp_s: float = 5.0,
        faults: Sequence[Rule] = (),
        site: str = "street",
    ) -> None:
        if any(isinstance(rule, Clone) for rule in faults):
            raise FaultError("fault clone: the scanners of a fleet share no radio; use it on a street")
        self.loop = EventLoop()
        self.counters = Counters()
        self.devices: dict[str, Firmware] = {}
        self._send, self._devices = send, devices
        self._injector = FaultInjector(faults, seed, self.loop, self._out, self.counters.faults)
        made = [
            CATALOGUE[name](number, FleetSurroundings(site, seed, place)) for place, (name, number) in enumerate(allocate(mix, devices))
        ]
        every_ms = None if rate is None else max(EVERY_MS_MIN, round(1000 * sum(product.reported for product in made) / rate))
        for place, product in enumerate(made):
            firmware = self._make(product, seed, start_ms, every_ms)
            self.loop.at(int(place * ramp_s * 1000 / devices), partial(self._switch_on, firmware))
        self._injector.check_names(self.devices)

    def run_until(self, end_ms: int) -> None:
        """Run all actions due before `end_ms` of published time."""
        self.loop.run_until(end_ms)

    def summary(self) -> dict[str, object]:
        """Numbers of devices, states, starts by cause, messages and faults."""
        states = Counter(firmware.state.value for firmware in self.devices.values())
        starts: Counter[str] = Counter()
        for firmware in self.devices.values():
            starts.update({cause.value: count for cause, count in firmware.starts.items()})
        sent = {name: value for name, value in self.counters.summary().items() if name in {"messages", "messages_by_format", "faults"}}
        return {"devices": self._devices, "states": dict(sorted(states.items())), "starts": dict(sorted(starts.items())), **sent}

    def _make(self, product: Product, seed: int, start_ms: int, every_ms: int | None) -> Firmware:
        changes: dict[str, float] = {}
        if every_ms is not None:
            changes["every_ms"] = every_ms
            if product.traits.awake_ms is not None:
                changes["awake_ms"] = min(product.traits.awake_ms, every_ms // 4)
        publish = partial(self._injector.send, product.device)
        firmware = Firmware(product, self.loop, publish, seed=seed, start_ms=start_ms, conditions=self._injector, changes=changes)
        self._injector.attach(product.device, firmware, falls_silent=True)
        self.devices[product.device] = firmware
        return firmware

    def _switch_on(self, firmware: Firmware, now_ms: int) -> None:
        firmware.handle(Cause.POWER, now_ms)

    def _out(self, device: str, message: Message) -> None:
        self.counters.count(message)
        self._send(device, message)

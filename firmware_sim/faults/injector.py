"""Fault injector between the devices and the broker.

Every message passes `send`. Each rule that matches its device handles it in turn: passes it on, drops it, changes it, delays it
or repeats it. Faults of the device itself are queried (clock error, stuck sensors, flat battery) or delivered through `Control`
(restart, battery). Random draws come from one stream per rule and device, so a fault on one device changes no byte of another.
Without rules messages pass unchanged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from firmware_sim.devices import ble
from firmware_sim.draws import generator
from firmware_sim.event_loop import EventLoop
from firmware_sim.faults import rules
from firmware_sim.faults.rules import FaultError, Rule
from firmware_sim.faults.windows import NEVER_MS, FaultWindow, FaultWindows
from firmware_sim.message import Message, Send
from firmware_sim.nearest import nearest

TRIES_MAX = 20  # attempts after which a sender gives up
CLONE_ROTATES = 900  # advertisements of a clone under one address

Delivery = tuple[int, Message]
"""Delay in milliseconds from now, and the message to deliver."""


class Control(Protocol):
    """Commands that the injector gives to a device."""

    def reboot(self, now_ms: int, /) -> None:
        """Restart the device."""

    def drain(self, now_ms: int, /) -> None:
        """Switch the device off because its battery is empty."""

    def recharge(self, now_ms: int, /) -> None:
        """Replace the battery."""


class Fault:
    """State of one rule on one device."""

    def __init__(self, rule: Rule, seed: int, place: int, device: str) -> None:
        self.rule, self.device = rule, device
        self.name = rule.kind
        self.draws = generator(seed, "fault", place, self.name, device)
        self.windows = FaultWindows(rule, generator(seed, "spells", place, self.name, device))
        self.silences = True  # the injector drops the messages of a stopped device; False if the device stops by itself
        self.counted = 0  # windows that have been counted
        self.held = 0  # messages held back in the current window
        self.last_ms = 0  # arrival time of the last delayed message
        self.is_flooding = False
        self.last_message: Message | None = None


class FaultInjector:
    """Applies the rules of `plan`.

    `counts` is updated by fault name: affected messages, or windows for faults of the device itself.
    """

    def __init__(self, plan: Sequence[Rule], seed: int, loop: EventLoop, send_on: Send, counts: Counter[str]) -> None:
        self._plan, self._seed, self._loop, self._send_on, self._counts = tuple(plan), seed, loop, send_on, counts
        self._faults: dict[str, list[Fault]] = {}
        self._handlers: dict[type[Rule], Callable[[Any, Fault, FaultWindow, Message], list[Delivery]]] = {
            rules.Loss: self._loss,
            rules.Duplicate: self._duplicate,
            rules.Reorder: self._reorder,
            rules.Delay: self._delay,
            rules.Partition: self._partition,
            rules.Corrupt: self._corrupt,
            rules.Replay: self._replay,
            rules.Flood: self._flood,
            rules.Battery: self._battery,
            rules.Reboot: self._reboot,
        }

    def attach(self, device: str, control: Control, *, falls_silent: bool) -> None:
        """Register a device for restarts and battery faults.

        With `falls_silent` the device stops publishing by itself, else the injector drops its messages.
        """
        for fault in self._faults_of(device) if self._plan else ():
            if isinstance(fault.rule, rules.Reboot | rules.Battery):
                fault.silences = not falls_silent
                self._plan_window(fault, control, 0)

    def send(self, device: str, message: Message) -> None:
        """Pass one message through all rules of its device and forward the results, at once or later."""
        if not self._plan:
            self._send_on(device, message)
            return
        deliveries: list[Delivery] = [(0, message)]
        now_ms = self._loop.now_ms
        for fault in self._faults_of(device):
            handler = self._handlers.get(type(fault.rule))
            window = fault.windows.at(now_ms) if handler is not None and fault.rule.matches_kind(message.kind) else None
            if handler is not None and window is not None:
                deliveries = [(before + after, out) for before, one in deliveries for after, out in handler(fault.rule, fault, window, one)]
        for after_ms, one in deliveries:
            if after_ms:
                self._loop.at(now_ms + after_ms, partial(self._deliver, device, one))
            else:
                self._send_on(device, one)

    def clock_error_ms(self, device: str, now_ms: int, /) -> int:
        """Current error of the device's clock in milliseconds: the sum of all jumps and skews."""
        error_ms = 0.0
        for fault in self._faults_of(device) if self._plan else ():
            if isinstance(fault.rule, rules.Jump):
                jumps = fault.windows.begun(now_ms)
                error_ms += jumps * fault.rule.ms
                self._count_windows(fault, jumps)
            elif isinstance(fault.rule, rules.Skew) and (window := fault.windows.at(now_ms)) is not None:
                error_ms += fault.rule.ms + fault.rule.ppm * (now_ms - window.from_ms) / 1e6
                self._count_windows(fault, window.number + 1)
        return round(error_ms)

    def is_stuck(self, device: str, now_ms: int, /) -> bool:
        """Whether the device's sensors repeat the last values."""
        found = False
        for fault in self._faults_of(device) if self._plan else ():
            if isinstance(fault.rule, rules.Stuck) and (window := fault.windows.at(now_ms)) is not None:
                self._count_windows(fault, window.number + 1)
                found = True
        return found

    def is_flat(self, device: str, now_ms: int, /) -> bool:
        """Whether the device's battery is flat."""
        matching = self._faults_of(device) if self._plan else ()
        return any(isinstance(fault.rule, rules.Battery) and fault.windows.at(now_ms) is not None for fault in matching)

    def add_clones(self, scanner: str, receive: Callable[[int, ble.Advertisement, float], None]) -> None:
        """Schedule the advertisements of the cloned beacons that the rules place next to this scanner."""
        for fault in self._faults_of(scanner) if self._plan else ():
            if isinstance(fault.rule, rules.Clone):
                self._loop.every(
                    round(fault.rule.from_s * 1000), fault.rule.every_ms, partial(self._send_clone, fault.rule, fault, receive)
                )

    def check_names(self, devices: Iterable[str]) -> None:
        """Check the device names of all rules. Raises FaultError if a name without wildcard is not one of `devices`."""
        known = set(devices)
        for rule in self._plan:
            for name in rule.devices:
                if not set("*?[") & set(name) and name not in known:
                    raise FaultError(f"fault {rule.kind}: no device {name!r}; {nearest(name, known)}")

    def _faults_of(self, device: str) -> list[Fault]:
        found = self._faults.get(device)
        if found is None:
            matching = [(place, rule) for place, rule in enumerate(self._plan) if rule.matches_device(device)]
            found = self._faults[device] = [Fault(rule, self._seed, place, device) for place, rule in matching]
        return found

    def _count_windows(self, fault: Fault, windows: int) -> None:
        """Count the windows that have begun and are not counted yet."""
        self._counts[fault.name] += max(0, windows - fault.counted)
        fault.counted = max(fault.counted, windows)

    def _deliver(self, device: str, message: Message, _now_ms: int) -> None:
        self._send_on(device, message)

    # --- handlers: one per kind of rule ------------------------------------------------------------

    def _loss(self, rule: rules.Loss, fault: Fault, _window: FaultWindow, message: Message) -> list[Delivery]:
        if fault.draws.random() >= rule.share:
            return [(0, message)]
        self._counts[fault.name] += 1
        if message.qos == 0:
            return []
        tries = 1
        while tries < TRIES_MAX and fault.draws.random() < rule.share:
            tries += 1
        return [(tries * rule.retry_ms, message)] if tries < TRIES_MAX else []

    def _duplicate(self, rule: rules.Duplicate, fault: Fault, _window: FaultWindow, message: Message) -> list[Delivery]:
        if fault.draws.random() >= rule.share:
            return [(0, message)]
        self._counts[fault.name] += 1
        return [(0, message), (fault.draws.randint(1, rule.within_ms), message)]

    def _reorder(self, rule: rules.Reorder, fault: Fault, _window: FaultWindow, message: Message) -> list[Delivery]:
        if fault.draws.random() >= rule.share:
            return [(0, message)]
        self._counts[fault.name] += 1
        return [(fault.draws.randint(1, rule.within_ms), message)]

    def _delay(self, rule: rules.Delay, fault: Fault, _window: FaultWindow, message: Message) -> list[Delivery]:
        self._counts[fault.name] += 1
        now_ms = self._loop.now_ms
        late_ms = max(1, rule.ms + fault.draws.randint(-rule.jitter_ms, rule.jitter_ms))
        fault.last_ms = max(fault.last_ms, now_ms + late_ms)
        return [(fault.last_ms - now_ms, message)]

    def _partition(self, rule: rules.Partition, fault: Fault, window: FaultWindow, message: Message) -> list[Delivery]:
        self._counts[fault.name] += 1
        if fault.counted != window.number + 1:
            fault.counted, fault.held = window.number + 1, 0
        if message.qos == 0 or fault.held >= rule.kept_max or window.until_ms == NEVER_MS:
            return []
        fault.held += 1
        return [(window.until_ms - self._loop.now_ms, message)]

    def _corrupt(self, rule: rules.Corrupt, fault: Fault, _window: FaultWindow, message: Message) -> list[Delivery]:
        whole, draws = message.payload, fault.draws
        if draws.random() >= rule.share or not whole:
            return [(0, message)]
        self._counts[fault.name] += 1
        if rule.how == "cut":
            broken = whole[: draws.randrange(len(whole))]
        elif rule.how == "flip":
            place = draws.randrange(len(whole))
            broken = whole[:place] + bytes((whole[place] ^ 1 << draws.randrange(8),)) + whole[place + 1 :]
        else:
            broken = draws.randbytes(len(whole))
        return [(0, message._replace(payload=broken))]

    def _replay(self, rule: rules.Replay, fault: Fault, _window: FaultWindow, message: Message) -> list[Delivery]:
        if fault.draws.random() >= rule.share:
            return [(0, message)]
        self._counts[fault.name] += rule.times
        after_ms = max(1, round(rule.after_s * 1000))
        return [(0, message), *((after_ms * time, message) for time in range(1, rule.times + 1))]

    def _flood(self, rule: rules.Flood, fault: Fault, window: FaultWindow, message: Message) -> list[Delivery]:
        fault.last_message = message
        if not fault.is_flooding:
            self._plan_repeat(rule, fault, window, 1, self._loop.now_ms)
        return [(0, message)]

    def _plan_repeat(self, rule: rules.Flood, fault: Fault, window: FaultWindow, number: int, since_ms: int) -> None:
        """Schedule repetition `number` since `since_ms`, if the window lasts that long; counting from the start keeps the rate exact."""
        due_ms = since_ms + int(number * 1000 / rule.per_s)
        fault.is_flooding = due_ms < window.until_ms
        if fault.is_flooding:
            self._loop.at(due_ms, partial(self._repeat, rule, fault, window, number, since_ms))

    def _repeat(self, rule: rules.Flood, fault: Fault, window: FaultWindow, number: int, since_ms: int, _now_ms: int) -> None:
        if fault.last_message is not None:
            self._counts[fault.name] += 1
            self._send_on(fault.device, fault.last_message)
        self._plan_repeat(rule, fault, window, number + 1, since_ms)

    def _battery(self, _rule: rules.Battery, fault: Fault, _window: FaultWindow, message: Message) -> list[Delivery]:
        return [] if fault.silences else [(0, message)]

    def _reboot(self, rule: rules.Reboot, fault: Fault, window: FaultWindow, message: Message) -> list[Delivery]:
        is_down = fault.silences and self._loop.now_ms < window.from_ms + round(rule.down_s * 1000)
        return [] if is_down else [(0, message)]

    def _send_clone(self, rule: rules.Clone, fault: Fault, receive: Callable[[int, ble.Advertisement, float], None], now_ms: int) -> None:
        """Advertise the cloned beacon once, if the rule is active."""
        if fault.windows.at(now_ms) is not None:
            self._counts[fault.name] += 1
            beacon = clone_of(rule.beacon)
            address = ble.private_address(generator(self._seed, "clone", rule.beacon, now_ms // (rule.every_ms * CLONE_ROTATES)))
            receive(now_ms, ble.ibeacon(address, beacon), rule.rssi_dbm)

    # --- restarts and batteries --------------------------------------------------------------------

    def _plan_window(self, fault: Fault, control: Control, now_ms: int) -> None:
        window = fault.windows.following(now_ms)
        if window is not None:
            self._loop.at(window.from_ms, partial(self._begin, fault, control, window))

    def _begin(self, fault: Fault, control: Control, window: FaultWindow, now_ms: int) -> None:
        self._counts[fault.name] += 1
        if isinstance(fault.rule, rules.Reboot):
            control.reboot(now_ms)
        else:
            control.drain(now_ms)
        if window.until_ms < NEVER_MS:
            self._loop.at(window.until_ms, partial(self._end, fault, control))

    def _end(self, fault: Fault, control: Control, now_ms: int) -> None:
        if isinstance(fault.rule, rules.Battery):
            control.recharge(now_ms)
        self._plan_window(fault, control, now_ms)


def clone_of(canonical: str) -> ble.IBeacon:
    """Beacon of a canonical id, which the rule has already validated."""
    *uuid, major, minor = canonical.removeprefix("iBeacon:").split("-")
    return ble.IBeacon("-".join(uuid), int(major), int(minor), -59)

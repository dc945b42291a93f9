"""The stage between devices and the wire, where things go wrong on purpose.

Every message passes `send` on its way out. Each rule that concerns its device works on it in turn: lets it through,
loses it, alters it, makes it late or makes more of it. What concerns the device itself (its clock, its sensors, its
battery, a restart) the device asks for or is told. All chance is drawn per rule and device from the one seed, so a
fault on one device changes no byte of another, and without rules the stage is not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from firmware_sim.clockwork import Clockwork
from firmware_sim.devices import ble
from firmware_sim.draws import generator
from firmware_sim.faults import rules
from firmware_sim.faults.rules import FaultError, Rule
from firmware_sim.faults.spells import NEVER_MS, Spell, Spells
from firmware_sim.message import Message, Say
from firmware_sim.nearest import nearest

TRIES_MAX = 20  # a sender gives up on a broker that takes nothing
CLONE_ROTATES = 900  # advertisements of a thief under one address

Sent = tuple[int, Message]
"""A message and how many milliseconds from now it arrives."""


class Control(Protocol):
    """What can be done to a device."""

    def reboot(self, now_ms: int, /) -> None:
        """Start anew."""

    def drain(self, now_ms: int, /) -> None:
        """The battery is empty."""

    def recharge(self, now_ms: int, /) -> None:
        """A new battery."""


class Fault:
    """One rule at work on one device."""

    def __init__(self, rule: Rule, seed: int, place: int, device: str) -> None:
        self.rule, self.device = rule, device
        self.name = rules.NAMES[type(rule)]
        self.draws = generator(seed, "fault", place, self.name, device)
        self.spells = Spells(rule, generator(seed, "spells", place, self.name, device))
        self.silences = True  # the stage does it; else the device falls silent by itself
        self.felt = 0  # spells that have been counted
        self.kept = 0  # messages held back in the present spell
        self.last_ms = 0  # when the last message that was made late arrives
        self.is_gushing = False
        self.said: Message | None = None


class Stage:
    """See above. `counts` tells by the name of the fault how many messages (or devices, where it is theirs) it befell."""

    def __init__(self, plan: Sequence[Rule], seed: int, clockwork: Clockwork, say: Say, counts: Counter[str]) -> None:
        self._plan, self._seed, self._clockwork, self._say, self._counts = tuple(plan), seed, clockwork, say, counts
        self._faults: dict[str, list[Fault]] = {}
        self._works: dict[type[Rule], Callable[[Any, Fault, Spell, Message], list[Sent]]] = {
            rules.Loss: self._lose,
            rules.Duplicate: self._duplicate,
            rules.Reorder: self._reorder,
            rules.Delay: self._delay,
            rules.Partition: self._part,
            rules.Corrupt: self._corrupt,
            rules.Replay: self._replay,
            rules.Flood: self._flood,
            rules.Battery: self._mute,
            rules.Reboot: self._restarting,
        }

    def attach(self, device: str, control: Control, *, falls_silent: bool) -> None:
        """Tell this device of restarts and batteries when their time comes, and whether it then falls silent by itself."""
        for fault in self._of(device) if self._plan else ():
            if isinstance(fault.rule, rules.Reboot | rules.Battery):
                fault.silences = not falls_silent
                self._plan_spell(fault, control, 0)

    def send(self, device: str, message: Message) -> None:
        """One message on its way from its device to the wire."""
        if not self._plan:
            self._say(device, message)
            return
        late: list[Sent] = [(0, message)]
        now_ms = self._clockwork.now_ms
        for fault in self._of(device):
            work = self._works.get(type(fault.rule))
            spell = fault.spells.at(now_ms) if work is not None and fault.rule.speaks_of(message.kind) else None
            if work is not None and spell is not None:
                late = [(before + after, out) for before, one in late for after, out in work(fault.rule, fault, spell, one)]
        for after_ms, one in late:
            if after_ms:
                self._clockwork.at(now_ms + after_ms, partial(self._deliver, device, one))
            else:
                self._say(device, one)

    def clock_error_ms(self, device: str, now_ms: int, /) -> int:
        """How wrong this device's clock is now."""
        error_ms = 0.0
        for fault in self._of(device) if self._plan else ():
            if isinstance(fault.rule, rules.Jump):
                jumps = fault.spells.begun(now_ms)
                error_ms += jumps * fault.rule.ms
                self._feel(fault, jumps)
            elif isinstance(fault.rule, rules.Skew) and (spell := fault.spells.at(now_ms)) is not None:
                error_ms += fault.rule.ms + fault.rule.ppm * (now_ms - spell.from_ms) / 1e6
                self._feel(fault, spell.number + 1)
        return round(error_ms)

    def is_stuck(self, device: str, now_ms: int, /) -> bool:
        """Whether its sensors stand still."""
        found = False
        for fault in self._of(device) if self._plan else ():
            if isinstance(fault.rule, rules.Stuck) and (spell := fault.spells.at(now_ms)) is not None:
                self._feel(fault, spell.number + 1)
                found = True
        return found

    def is_flat(self, device: str, now_ms: int, /) -> bool:
        """Whether its battery is."""
        concerned = self._of(device) if self._plan else ()
        return any(isinstance(fault.rule, rules.Battery) and fault.spells.at(now_ms) is not None for fault in concerned)

    def haunt(self, scanner: str, hear: Callable[[int, ble.Advertisement, float], None]) -> None:
        """Let a scanner hear the cloned beacons that the rules put beside it."""
        for fault in self._of(scanner) if self._plan else ():
            if isinstance(fault.rule, rules.Clone):
                self._clockwork.every(round(fault.rule.from_s * 1000), fault.rule.every_ms, partial(self._pretend, fault.rule, fault, hear))

    def check_names(self, devices: Iterable[str]) -> None:
        """`FaultError` for a rule that names, without * or ?, a device that does not exist."""
        known = set(devices)
        for rule in self._plan:
            for name in rule.devices:
                if not set("*?[") & set(name) and name not in known:
                    raise FaultError(f"fault {rules.NAMES[type(rule)]}: no device {name!r}; {nearest(name, known)}")

    def _of(self, device: str) -> list[Fault]:
        found = self._faults.get(device)
        if found is None:
            concerned = [(place, rule) for place, rule in enumerate(self._plan) if rule.concerns(device)]
            found = self._faults[device] = [Fault(rule, self._seed, place, device) for place, rule in concerned]
        return found

    def _feel(self, fault: Fault, spells: int) -> None:
        """Count spells that were not felt before."""
        self._counts[fault.name] += max(0, spells - fault.felt)
        fault.felt = max(fault.felt, spells)

    def _deliver(self, device: str, message: Message, _now_ms: int) -> None:
        self._say(device, message)

    # --- what each rule does to a message ---------------------------------------------------------

    def _lose(self, rule: rules.Loss, fault: Fault, _spell: Spell, message: Message) -> list[Sent]:
        if fault.draws.random() >= rule.share:
            return [(0, message)]
        self._counts[fault.name] += 1
        if message.qos == 0:
            return []
        tries = 1
        while tries < TRIES_MAX and fault.draws.random() < rule.share:
            tries += 1
        return [(tries * rule.retry_ms, message)] if tries < TRIES_MAX else []

    def _duplicate(self, rule: rules.Duplicate, fault: Fault, _spell: Spell, message: Message) -> list[Sent]:
        if fault.draws.random() >= rule.share:
            return [(0, message)]
        self._counts[fault.name] += 1
        return [(0, message), (fault.draws.randint(1, rule.within_ms), message)]

    def _reorder(self, rule: rules.Reorder, fault: Fault, _spell: Spell, message: Message) -> list[Sent]:
        if fault.draws.random() >= rule.share:
            return [(0, message)]
        self._counts[fault.name] += 1
        return [(fault.draws.randint(1, rule.within_ms), message)]

    def _delay(self, rule: rules.Delay, fault: Fault, _spell: Spell, message: Message) -> list[Sent]:
        self._counts[fault.name] += 1
        now_ms = self._clockwork.now_ms
        late_ms = max(1, rule.ms + fault.draws.randint(-rule.jitter_ms, rule.jitter_ms))
        fault.last_ms = max(fault.last_ms, now_ms + late_ms)
        return [(fault.last_ms - now_ms, message)]

    def _part(self, rule: rules.Partition, fault: Fault, spell: Spell, message: Message) -> list[Sent]:
        self._counts[fault.name] += 1
        if fault.felt != spell.number + 1:
            fault.felt, fault.kept = spell.number + 1, 0
        if message.qos == 0 or fault.kept >= rule.kept_max or spell.until_ms == NEVER_MS:
            return []
        fault.kept += 1
        return [(spell.until_ms - self._clockwork.now_ms, message)]

    def _corrupt(self, rule: rules.Corrupt, fault: Fault, _spell: Spell, message: Message) -> list[Sent]:
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

    def _replay(self, rule: rules.Replay, fault: Fault, _spell: Spell, message: Message) -> list[Sent]:
        if fault.draws.random() >= rule.share:
            return [(0, message)]
        self._counts[fault.name] += rule.times
        after_ms = max(1, round(rule.after_s * 1000))
        return [(0, message), *((after_ms * time, message) for time in range(1, rule.times + 1))]

    def _flood(self, rule: rules.Flood, fault: Fault, spell: Spell, message: Message) -> list[Sent]:
        fault.said = message
        if not fault.is_gushing:
            self._plan_gush(rule, fault, spell, 1, self._clockwork.now_ms)
        return [(0, message)]

    def _plan_gush(self, rule: rules.Flood, fault: Fault, spell: Spell, number: int, since_ms: int) -> None:
        """Plan the number-th repetition since then, if the spell lasts so long; the number keeps the rate exact."""
        due_ms = since_ms + int(number * 1000 / rule.per_s)
        fault.is_gushing = due_ms < spell.until_ms
        if fault.is_gushing:
            self._clockwork.at(due_ms, partial(self._gush, rule, fault, spell, number, since_ms))

    def _gush(self, rule: rules.Flood, fault: Fault, spell: Spell, number: int, since_ms: int, _now_ms: int) -> None:
        if fault.said is not None:
            self._counts[fault.name] += 1
            self._say(fault.device, fault.said)
        self._plan_gush(rule, fault, spell, number + 1, since_ms)

    def _mute(self, _rule: rules.Battery, fault: Fault, _spell: Spell, message: Message) -> list[Sent]:
        return [] if fault.silences else [(0, message)]

    def _restarting(self, rule: rules.Reboot, fault: Fault, spell: Spell, message: Message) -> list[Sent]:
        is_down = fault.silences and self._clockwork.now_ms < spell.from_ms + round(rule.down_s * 1000)
        return [] if is_down else [(0, message)]

    def _pretend(self, rule: rules.Clone, fault: Fault, hear: Callable[[int, ble.Advertisement, float], None], now_ms: int) -> None:
        """The thief's device sends once, if it is there."""
        if fault.spells.at(now_ms) is not None:
            self._counts[fault.name] += 1
            beacon = clone_of(rule.beacon)
            address = ble.private_address(generator(self._seed, "clone", rule.beacon, now_ms // (rule.every_ms * CLONE_ROTATES)))
            hear(now_ms, ble.ibeacon(address, beacon), rule.rssi_dbm)

    # --- what is done to devices ------------------------------------------------------------------

    def _plan_spell(self, fault: Fault, control: Control, now_ms: int) -> None:
        spell = fault.spells.following(now_ms)
        if spell is not None:
            self._clockwork.at(spell.from_ms, partial(self._begin, fault, control, spell))

    def _begin(self, fault: Fault, control: Control, spell: Spell, now_ms: int) -> None:
        self._counts[fault.name] += 1
        if isinstance(fault.rule, rules.Reboot):
            control.reboot(now_ms)
        else:
            control.drain(now_ms)
        if spell.until_ms < NEVER_MS:
            self._clockwork.at(spell.until_ms, partial(self._end, fault, control))

    def _end(self, fault: Fault, control: Control, now_ms: int) -> None:
        if isinstance(fault.rule, rules.Battery):
            control.recharge(now_ms)
        self._plan_spell(fault, control, now_ms)


def clone_of(canonical: str) -> ble.IBeacon:
    """The beacon of this canonical name, which a rule has checked."""
    *uuid, major, minor = canonical.removeprefix("iBeacon:").split("-")
    return ble.IBeacon("-".join(uuid), int(major), int(minor), -59)

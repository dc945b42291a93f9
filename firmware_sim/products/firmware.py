"""Firmware of a device: a state machine on the event loop around a product.

Gateways have to cope with devices that start (new boot id, sequence numbers from 0), have no time yet, join late, sleep, hang
until the watchdog resets them, update their firmware, run flat and come back. `TABLE` maps state and cause to the next state;
`Traits` gives the duration of each state for a product; `Product` provides the messages at birth, report and update, and the
last will. A cause without an entry for the current state has no effect: a device that is off cannot crash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import partial
from random import Random
from typing import Generic, NamedTuple, Protocol, TypeVar

from firmware_sim import draws
from firmware_sim.event_loop import EventLoop
from firmware_sim.message import Message, Publish

HOUR_MS = 3_600_000


class State(StrEnum):
    """States of a device."""

    OFF = "off"
    BOOTING = "booting"
    JOINING = "joining"
    AWAKE = "awake"
    ASLEEP = "asleep"
    UPDATING = "updating"
    HUNG = "hung"
    FLAT = "flat"


class Cause(StrEnum):
    """Causes of state transitions."""

    POWER = "power"  # switched on, or a new battery
    STARTED = "started"
    JOINED = "joined"
    REFUSED = "refused"
    TICK = "tick"  # next report is due
    SLEEP = "sleep"
    WAKE = "wake"
    UPDATE = "update"
    FLASHED = "flashed"
    HANG = "hang"
    WATCHDOG = "watchdog"
    CRASH = "crash"
    DRAINED = "drained"
    CUT = "cut"  # switched off


_POWERED = (State.BOOTING, State.JOINING, State.AWAKE, State.ASLEEP, State.UPDATING, State.HUNG)

TABLE: Mapping[tuple[State, Cause], State] = {
    (State.OFF, Cause.POWER): State.BOOTING,
    (State.FLAT, Cause.POWER): State.BOOTING,
    (State.BOOTING, Cause.STARTED): State.JOINING,
    (State.JOINING, Cause.JOINED): State.AWAKE,
    (State.JOINING, Cause.REFUSED): State.JOINING,
    (State.AWAKE, Cause.TICK): State.AWAKE,
    (State.AWAKE, Cause.SLEEP): State.ASLEEP,
    (State.ASLEEP, Cause.WAKE): State.AWAKE,
    (State.AWAKE, Cause.UPDATE): State.UPDATING,
    (State.ASLEEP, Cause.UPDATE): State.UPDATING,
    (State.UPDATING, Cause.FLASHED): State.BOOTING,
    (State.AWAKE, Cause.HANG): State.HUNG,
    (State.HUNG, Cause.WATCHDOG): State.BOOTING,
    **{(state, Cause.CRASH): State.BOOTING for state in _POWERED},
    **{(state, Cause.DRAINED): State.FLAT for state in _POWERED},
    **{(state, Cause.CUT): State.OFF for state in (*_POWERED, State.FLAT)},
}

S = TypeVar("S")
C = TypeVar("C")


class StateMachine(Generic[S, C]):
    """State machine with a transition table and at most one scheduled transition.

    `on_enter(state, cause, now_ms)` is called for every state entered; it returns a delay in milliseconds and the cause that
    follows by itself, or None. Any earlier transition cancels the scheduled one.
    """

    def __init__(
        self, table: Mapping[tuple[S, C], S], begin: S, loop: EventLoop, on_enter: Callable[[S, C, int], tuple[int, C] | None]
    ) -> None:
        self.state = begin
        self._table, self._loop, self._on_enter = table, loop, on_enter
        self._turn = 0

    def handle(self, cause: C, now_ms: int) -> bool:
        """Make the transition for this cause; returns False if the table has none for the current state."""
        following = self._table.get((self.state, cause))
        if following is None:
            return False
        self._turn += 1
        self.state = following
        plan = self._on_enter(following, cause, now_ms)
        if plan is not None:
            after_ms, later = plan
            self._loop.at(now_ms + after_ms, partial(self._fire, self._turn, later))
        return True

    def _fire(self, turn: int, cause: C, now_ms: int) -> None:
        if turn == self._turn:
            self.handle(cause, now_ms)


class Traits(NamedTuple):
    """Durations in milliseconds, rates and shares of a product.

    `epoch_ms` is the clock's value at power-on, or None for a clock that keeps running while the device is off. `sync_ms` is
    the time from joining to clock synchronisation, or None if the clock is never set.
    """

    every_ms: int
    boot_ms: int = 900
    join_ms: int = 400
    join_refused_share: float = 0.0
    epoch_ms: int | None = 0
    sync_ms: int | None = 1_500
    awake_ms: int | None = None  # None: never sleeps
    update_ms: int = 20_000
    watchdog_ms: int = 8_000
    battery_hours: float | None = None  # None: mains-powered
    crashes_per_hour: float = 0.0
    hangs_per_hour: float = 0.0


class Conditions(Protocol):
    """Faults of the device itself: see `firmware_sim.faults.injector`."""

    def clock_error_ms(self, device: str, now_ms: int, /) -> int:
        """Clock error in milliseconds, besides the firmware's own."""

    def is_stuck(self, device: str, now_ms: int, /) -> bool:
        """Whether the sensors repeat the last values."""


class NoFaults:
    """Conditions without faults."""

    def clock_error_ms(self, _device: str, _now_ms: int, /) -> int:
        """Always 0."""
        return 0

    def is_stuck(self, _device: str, _now_ms: int, /) -> bool:
        """Always False."""
        return False


V = TypeVar("V")


class Boot:
    """State of a device from one start to the next: boot id, sequence number, clock, battery and stuck sensors."""

    def __init__(self, device: str, boot_id: str, version: int, chance: Random) -> None:
        self.device, self.id, self.version, self.draws = device, boot_id, version, chance
        self.seq = 0
        self.now_ms = 0  # published time
        self.true_ms = 0  # UTC
        self.uptime_ms = 0
        self.clock_ms = 0  # time of the device's own clock
        self.is_synced = False
        self.battery_pct = 100
        self.is_stuck = False
        self._kept: dict[str, object] = {}

    def next_seq(self) -> int:
        """The next sequence number."""
        number = self.seq
        self.seq += 1
        return number

    def claim_ms(self) -> int | None:
        """Time for the device's messages in UTC milliseconds, or None before synchronisation."""
        return self.clock_ms if self.is_synced else None

    def sense(self, quantity: str, measure: Callable[[], V]) -> V:
        """Measure, or repeat the last value of this quantity if the sensor is stuck."""
        if self.is_stuck and quantity in self._kept:
            return self._kept[quantity]  # type: ignore[return-value]  # stored under the same name, so of the same type
        value = measure()
        self._kept[quantity] = value
        return value


class Product(Protocol):
    """Messages of one kind of device. `reported` is the number of messages in an ordinary report."""

    device: str
    traits: Traits
    reported: int

    def birth(self, boot: Boot, /) -> Iterable[Message]:
        """Messages after joining the network."""

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """Messages of one report."""

    def updating(self, boot: Boot, percent: int, /) -> Iterable[Message]:
        """Messages at `percent` of a firmware update."""

    def last_will(self, boot: Boot, /) -> Iterable[Message]:
        """Messages that the broker, bridge or network publishes after an unclean disconnect."""


class BaseProduct:
    """Product with reports only; subclasses override the rest."""

    def birth(self, _boot: Boot, /) -> Iterable[Message]:
        """No announcement."""
        return ()

    def updating(self, _boot: Boot, _percent: int, /) -> Iterable[Message]:
        """No progress messages."""
        return ()

    def last_will(self, _boot: Boot, /) -> Iterable[Message]:
        """No last will."""
        return ()


class Firmware:
    """One device: state machine, clock, battery and product."""

    def __init__(
        self,
        product: Product,
        loop: EventLoop,
        publish: Publish,
        *,
        seed: int,
        start_ms: int,
        conditions: Conditions,
        changes: Mapping[str, float] | None = None,
    ) -> None:
        self.device, self.product, self.traits = product.device, product, product.traits._replace(**dict(changes or {}))  # type: ignore[arg-type]  # validated by the scenario
        self.starts: Counter[Cause] = Counter()
        self._loop, self._publish, self._conditions = loop, publish, conditions
        self._seed, self._start_ms = seed, start_ms
        self._machine = StateMachine(TABLE, State.OFF, loop, self._on_enter)
        self._chance = draws.generator(seed, "firmware", self.device)
        self._version = 1
        self._begun_ms = 0
        self._synced_from_ms: int | None = None  # in this boot
        self._charged_ms, self._charge_pct = 0, float(self._chance.randint(40, 100))
        self._is_joined = False
        self.boot = self._new_boot()

    @property
    def state(self) -> State:
        """Current state."""
        return self._machine.state

    def handle(self, cause: Cause, now_ms: int) -> bool:
        """Apply a cause; returns False if it has no effect in the current state."""
        return self._machine.handle(cause, now_ms)

    def reboot(self, now_ms: int, /) -> None:
        """Restart by a crash or a short power cut."""
        self.handle(Cause.CRASH, now_ms)

    def drain(self, now_ms: int, /) -> None:
        """Switch off with an empty battery."""
        self.handle(Cause.DRAINED, now_ms)

    def recharge(self, now_ms: int, /) -> None:
        """Replace the battery; a device that was flat starts."""
        self._charged_ms, self._charge_pct = now_ms, 100.0
        self.handle(Cause.POWER, now_ms)

    def _on_enter(self, state: State, cause: Cause, now_ms: int) -> tuple[int, Cause] | None:
        """Perform the actions of a state; returns the delay and the cause of the next transition, or None."""
        if state in {State.BOOTING, State.OFF, State.FLAT, State.HUNG}:
            self._disconnect(now_ms)
        if state is State.BOOTING:
            return self._boot(cause, now_ms)
        if state is State.JOINING:
            is_refused = self._chance.random() < self.traits.join_refused_share
            patience = 4 if cause is Cause.REFUSED else 1
            return self.traits.join_ms * patience, Cause.REFUSED if is_refused else Cause.JOINED
        if state is State.AWAKE:
            return self._awake(cause, now_ms)
        if state is State.ASLEEP:
            return max(1, self.traits.every_ms - (self.traits.awake_ms or 0)), Cause.WAKE
        if state is State.UPDATING:
            return self._update(now_ms)
        return (self.traits.watchdog_ms, Cause.WATCHDOG) if state is State.HUNG else None

    def _boot(self, cause: Cause, now_ms: int) -> tuple[int, Cause]:
        self.starts[cause] += 1
        if cause is Cause.FLASHED:
            self._version += 1
        self._begun_ms, self._synced_from_ms = now_ms, None
        self.boot = self._new_boot()
        self._plan_failures(now_ms)
        return self.traits.boot_ms, Cause.STARTED

    def _awake(self, cause: Cause, now_ms: int) -> tuple[int, Cause] | None:
        boot, traits = self.boot, self.traits
        if cause is Cause.JOINED and traits.sync_ms is not None:
            self._synced_from_ms = now_ms + traits.sync_ms
        self._refresh(boot, now_ms)
        if boot.battery_pct <= 0:
            self._loop.at(now_ms, partial(self._handle_in_boot, boot, Cause.DRAINED))
            return None
        if cause is Cause.JOINED:
            self._is_joined = True
            self._publish_all(self.product.birth(boot))
        self._publish_all(self.product.report(boot))
        return (traits.every_ms, Cause.TICK) if traits.awake_ms is None else (traits.awake_ms, Cause.SLEEP)

    def _update(self, now_ms: int) -> tuple[int, Cause]:
        """Report the progress of an update in four steps."""
        quarter_ms, boot = self.traits.update_ms // 4, self.boot
        for quarter in range(1, 5):
            self._loop.at(now_ms + quarter * quarter_ms, partial(self._progress, boot, 25 * quarter))
        return self.traits.update_ms + 1, Cause.FLASHED

    def _progress(self, boot: Boot, percent: int, now_ms: int) -> None:
        if self.state is State.UPDATING and self.boot is boot:
            self._refresh(boot, now_ms)
            self._publish_all(self.product.updating(boot, percent))

    def _disconnect(self, now_ms: int) -> None:
        """Publish the last will, if the device had joined."""
        if self._is_joined:
            self._is_joined = False
            self._refresh(self.boot, now_ms)
            self._publish_all(self.product.last_will(self.boot))

    def _plan_failures(self, now_ms: int) -> None:
        """Draw the times of the next crash and hang of this boot, for products with such rates."""
        boot = self.boot
        for cause, per_hour in ((Cause.CRASH, self.traits.crashes_per_hour), (Cause.HANG, self.traits.hangs_per_hour)):
            if per_hour > 0:
                due_ms = now_ms + round(self._chance.expovariate(per_hour) * HOUR_MS)
                self._loop.at(due_ms, partial(self._handle_in_boot, boot, cause))

    def _handle_in_boot(self, boot: Boot, cause: Cause, now_ms: int) -> None:
        """Apply a cause that was scheduled for one boot; a later boot ignores it."""
        if self.boot is boot:
            self.handle(cause, now_ms)

    def _new_boot(self) -> Boot:
        number = self.starts.total()
        boot_id = draws.boot(self._seed, self._start_ms, self.device, f"start {number}")
        return Boot(self.device, boot_id, self._version, self._chance)

    def _refresh(self, boot: Boot, now_ms: int) -> None:
        """Update time, clock, stuck sensors and battery to `now_ms`."""
        traits = self.traits
        boot.now_ms, boot.true_ms = now_ms, self._start_ms + now_ms
        boot.uptime_ms = now_ms - self._begun_ms
        boot.is_synced = traits.epoch_ms is None or (self._synced_from_ms is not None and self._synced_from_ms <= now_ms)
        if traits.epoch_ms is None or boot.is_synced:
            boot.clock_ms = boot.true_ms + self._conditions.clock_error_ms(self.device, now_ms)
        else:
            boot.clock_ms = traits.epoch_ms + boot.uptime_ms
        boot.is_stuck = self._conditions.is_stuck(self.device, now_ms)
        if traits.battery_hours is not None:
            used_pct = 100 * (now_ms - self._charged_ms) / HOUR_MS / traits.battery_hours
            boot.battery_pct = max(0, round(self._charge_pct - used_pct))

    def _publish_all(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._publish(message)

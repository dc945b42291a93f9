"""A device as firmware: a small machine of states, driven by the clockwork, around a product that speaks.

What a gateway has to endure is mostly this: devices that start (a new `boot`, numbers from 0), that do not know the
time yet, that join late, sleep, hang until their watchdog bites, update themselves, run flat and come back. So the
life of a device is a table (`TABLE`: state and cause to next state) and how long each state lasts is a trait of the
product (`Traits`); the product itself only says what it says when it is born, when it reports, while it updates, and
what its broker says for it when it falls silent (`Product`). A cause that the table does not know in a state is
nothing: a device that is off cannot crash.
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
    """What a device is doing."""

    OFF = "off"
    BOOTING = "booting"
    JOINING = "joining"
    AWAKE = "awake"
    ASLEEP = "asleep"
    UPDATING = "updating"
    HUNG = "hung"
    FLAT = "flat"


class Cause(StrEnum):
    """What moves it on."""

    POWER = "power"  # switched on, or a new battery
    STARTED = "started"
    JOINED = "joined"
    REFUSED = "refused"
    TICK = "tick"  # time to report again
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
    """A state, a table, and at most one thing that will happen by itself.

    `entered` is told every state that is entered, by which cause and when; it returns after how many milliseconds
    which cause comes by itself, or None. Whatever moves the machine before that makes the plan void.
    """

    def __init__(
        self, table: Mapping[tuple[S, C], S], begin: S, loop: EventLoop, on_enter: Callable[[S, C, int], tuple[int, C] | None]
    ) -> None:
        self.state = begin
        self._table, self._loop, self._on_enter = table, loop, on_enter
        self._turn = 0

    def handle(self, cause: C, now_ms: int) -> bool:
        """Move, if the table knows this cause in this state; whether it did."""
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
    """How a product lives, in milliseconds and shares.

    `epoch_ms` is what its clock shows when it is switched on and `sync_ms` how long after joining it learns the time
    (None: never). `epoch_ms` None: it keeps the time while it is off.
    """

    every_ms: int
    boot_ms: int = 900
    join_ms: int = 400
    join_refused_share: float = 0.0
    epoch_ms: int | None = 0
    sync_ms: int | None = 1_500
    awake_ms: int | None = None  # None: it never sleeps
    update_ms: int = 20_000
    watchdog_ms: int = 8_000
    battery_hours: float | None = None  # None: it hangs on the mains
    crashes_per_hour: float = 0.0
    hangs_per_hour: float = 0.0


class Conditions(Protocol):
    """What the world does to devices, as they feel it: see `firmware_sim.faults.injector`."""

    def clock_error_ms(self, device: str, now_ms: int, /) -> int:
        """How wrong the device's clock is, besides what its firmware makes of it."""

    def is_stuck(self, device: str, now_ms: int, /) -> bool:
        """Whether its sensors show what they showed before."""


class NoFaults:
    """Conditions under which nothing is wrong."""

    def clock_error_ms(self, _device: str, _now_ms: int, /) -> int:
        """Right."""
        return 0

    def is_stuck(self, _device: str, _now_ms: int, /) -> bool:
        """Never."""
        return False


V = TypeVar("V")


class Boot:
    """What a device knows while it speaks. A new start begins a new one: another `boot`, numbers from 0."""

    def __init__(self, device: str, boot_id: str, version: int, chance: Random) -> None:
        self.device, self.id, self.version, self.draws = device, boot_id, version, chance
        self.seq = 0
        self.now_ms = 0  # published time
        self.true_ms = 0  # the world's time
        self.uptime_ms = 0
        self.clock_ms = 0  # the time that the device believes
        self.is_synced = False
        self.battery_pct = 100
        self.is_stuck = False
        self._kept: dict[str, object] = {}

    def next_seq(self) -> int:
        """The number of the next saying."""
        number = self.seq
        self.seq += 1
        return number

    def claim_ms(self) -> int | None:
        """The time that the device would put its name to: none before it has learned it."""
        return self.clock_ms if self.is_synced else None

    def sense(self, quantity: str, measure: Callable[[], V]) -> V:
        """Measure, unless the sensor is stuck: then what it showed last."""
        if self.is_stuck and quantity in self._kept:
            return self._kept[quantity]  # type: ignore[return-value]  # kept under the same name, so of the same type
        value = measure()
        self._kept[quantity] = value
        return value


class Product(Protocol):
    """What one kind of device says, in the bytes of the real one. `reported` is how many messages an ordinary report has."""

    device: str
    traits: Traits
    reported: int

    def birth(self, boot: Boot, /) -> Iterable[Message]:
        """Just joined."""

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """Time to tell."""

    def updating(self, boot: Boot, percent: int, /) -> Iterable[Message]:
        """New firmware is coming in."""

    def last_will(self, boot: Boot, /) -> Iterable[Message]:
        """What its broker, bridge or network says for it when it has fallen silent without a goodbye."""


class BaseProduct:
    """A product that says nothing but its reports, unless it overrides."""

    def birth(self, _boot: Boot, /) -> Iterable[Message]:
        """No announcement."""
        return ()

    def updating(self, _boot: Boot, _percent: int, /) -> Iterable[Message]:
        """An update is silent."""
        return ()

    def last_will(self, _boot: Boot, /) -> Iterable[Message]:
        """There is no will."""
        return ()


class Firmware:
    """One device: the machine of its states, its clock and battery, and its product."""

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
        self.device, self.product, self.traits = product.device, product, product.traits._replace(**dict(changes or {}))  # type: ignore[arg-type]  # of a checked scenario
        self.starts: Counter[Cause] = Counter()
        self._loop, self._publish, self._conditions = loop, publish, conditions
        self._seed, self._start_ms = seed, start_ms
        self._machine = StateMachine(TABLE, State.OFF, loop, self._on_enter)
        self._chance = draws.generator(seed, "firmware", self.device)
        self._version = 1
        self._begun_ms = 0
        self._synced_from_ms: int | None = None  # in this life
        self._charged_ms, self._charge_pct = 0, float(self._chance.randint(40, 100))
        self._is_joined = False
        self.boot = self._new_boot()

    @property
    def state(self) -> State:
        """What it is doing."""
        return self._machine.state

    def handle(self, cause: Cause, now_ms: int) -> bool:
        """Something happens to it; whether that changed anything."""
        return self._machine.handle(cause, now_ms)

    def reboot(self, now_ms: int, /) -> None:
        """It crashes, or somebody pulls the plug for a moment."""
        self.handle(Cause.CRASH, now_ms)

    def drain(self, now_ms: int, /) -> None:
        """The battery is empty."""
        self.handle(Cause.DRAINED, now_ms)

    def recharge(self, now_ms: int, /) -> None:
        """A new battery; it starts if the old one was flat."""
        self._charged_ms, self._charge_pct = now_ms, 100.0
        self.handle(Cause.POWER, now_ms)

    def _on_enter(self, state: State, cause: Cause, now_ms: int) -> tuple[int, Cause] | None:
        """Do what belongs to a state, and say how it ends by itself."""
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
        """A quarter of the way at a time, told as it comes."""
        quarter_ms, boot = self.traits.update_ms // 4, self.boot
        for quarter in range(1, 5):
            self._loop.at(now_ms + quarter * quarter_ms, partial(self._progress, boot, 25 * quarter))
        return self.traits.update_ms + 1, Cause.FLASHED

    def _progress(self, boot: Boot, percent: int, now_ms: int) -> None:
        if self.state is State.UPDATING and self.boot is boot:
            self._refresh(boot, now_ms)
            self._publish_all(self.product.updating(boot, percent))

    def _disconnect(self, now_ms: int) -> None:
        """Others notice, if the device had made itself known."""
        if self._is_joined:
            self._is_joined = False
            self._refresh(self.boot, now_ms)
            self._publish_all(self.product.last_will(self.boot))

    def _plan_failures(self, now_ms: int) -> None:
        """Draw when this life will crash or hang, if its product does such things."""
        boot = self.boot
        for cause, per_hour in ((Cause.CRASH, self.traits.crashes_per_hour), (Cause.HANG, self.traits.hangs_per_hour)):
            if per_hour > 0:
                due_ms = now_ms + round(self._chance.expovariate(per_hour) * HOUR_MS)
                self._loop.at(due_ms, partial(self._handle_in_boot, boot, cause))

    def _handle_in_boot(self, boot: Boot, cause: Cause, now_ms: int) -> None:
        """A misfortune that was drawn for one life does not befall the next."""
        if self.boot is boot:
            self.handle(cause, now_ms)

    def _new_boot(self) -> Boot:
        number = self.starts.total()
        boot_id = draws.boot(self._seed, self._start_ms, self.device, f"start {number}")
        return Boot(self.device, boot_id, self._version, self._chance)

    def _refresh(self, boot: Boot, now_ms: int) -> None:
        """Bring what the device knows of time and battery up to now."""
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

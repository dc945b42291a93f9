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
from firmware_sim.clockwork import Clockwork
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


_LIT = (State.BOOTING, State.JOINING, State.AWAKE, State.ASLEEP, State.UPDATING, State.HUNG)

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
    **{(state, Cause.CRASH): State.BOOTING for state in _LIT},
    **{(state, Cause.DRAINED): State.FLAT for state in _LIT},
    **{(state, Cause.CUT): State.OFF for state in (*_LIT, State.FLAT)},
}

S = TypeVar("S")
C = TypeVar("C")


class Machine(Generic[S, C]):
    """A state, a table, and at most one thing that will happen by itself.

    `entered` is told every state that is entered, by which cause and when; it returns after how many milliseconds
    which cause comes by itself, or None. Whatever moves the machine before that makes the plan void.
    """

    def __init__(
        self, table: Mapping[tuple[S, C], S], begin: S, clockwork: Clockwork, entered: Callable[[S, C, int], tuple[int, C] | None]
    ) -> None:
        self.state = begin
        self._table, self._clockwork, self._entered = table, clockwork, entered
        self._turn = 0

    def tell(self, cause: C, now_ms: int) -> bool:
        """Move, if the table knows this cause in this state; whether it did."""
        following = self._table.get((self.state, cause))
        if following is None:
            return False
        self._turn += 1
        self.state = following
        plan = self._entered(following, cause, now_ms)
        if plan is not None:
            after_ms, later = plan
            self._clockwork.at(now_ms + after_ms, partial(self._ripen, self._turn, later))
        return True

    def _ripen(self, turn: int, cause: C, now_ms: int) -> None:
        if turn == self._turn:
            self.tell(cause, now_ms)


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
    """What the world does to devices, as they feel it: see `firmware_sim.faults.stage`."""

    def clock_error_ms(self, device: str, now_ms: int, /) -> int:
        """How wrong the device's clock is, besides what its firmware makes of it."""

    def is_stuck(self, device: str, now_ms: int, /) -> bool:
        """Whether its sensors show what they showed before."""


class Fine:
    """Conditions under which nothing is wrong."""

    def clock_error_ms(self, _device: str, _now_ms: int, /) -> int:
        """Right."""
        return 0

    def is_stuck(self, _device: str, _now_ms: int, /) -> bool:
        """Never."""
        return False


V = TypeVar("V")


class Life:
    """What a device knows while it speaks. A new start begins a new one: another `boot`, numbers from 0."""

    def __init__(self, device: str, boot: str, version: int, chance: Random) -> None:
        self.device, self.boot, self.version, self.draws = device, boot, version, chance
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

    def sense(self, what: str, measure: Callable[[], V]) -> V:
        """Measure, unless the sensor is stuck: then what it showed last."""
        if self.is_stuck and what in self._kept:
            return self._kept[what]  # type: ignore[return-value]  # kept under the same name, so of the same type
        value = measure()
        self._kept[what] = value
        return value


class Product(Protocol):
    """What one kind of device says, in the bytes of the real one. `reported` is how many messages an ordinary report has."""

    device: str
    traits: Traits
    reported: int

    def born(self, life: Life, /) -> Iterable[Message]:
        """Just joined."""

    def report(self, life: Life, /) -> Iterable[Message]:
        """Time to tell."""

    def updating(self, life: Life, percent: int, /) -> Iterable[Message]:
        """New firmware is coming in."""

    def gone(self, life: Life, /) -> Iterable[Message]:
        """What its broker, bridge or network says for it when it has fallen silent without a goodbye."""


class Quiet:
    """A product that says nothing but its reports, unless it overrides."""

    def born(self, _life: Life, /) -> Iterable[Message]:
        """No announcement."""
        return ()

    def updating(self, _life: Life, _percent: int, /) -> Iterable[Message]:
        """An update is silent."""
        return ()

    def gone(self, _life: Life, /) -> Iterable[Message]:
        """There is no will."""
        return ()


class Firmware:
    """One device: the machine of its states, its clock and battery, and its product."""

    def __init__(
        self,
        product: Product,
        clockwork: Clockwork,
        publish: Publish,
        *,
        seed: int,
        start_ms: int,
        conditions: Conditions,
        changes: Mapping[str, float] | None = None,
    ) -> None:
        self.device, self.product, self.traits = product.device, product, product.traits._replace(**dict(changes or {}))  # type: ignore[arg-type]  # of a checked scenario
        self.starts: Counter[Cause] = Counter()
        self._clockwork, self._publish, self._conditions = clockwork, publish, conditions
        self._seed, self._start_ms = seed, start_ms
        self._machine = Machine(TABLE, State.OFF, clockwork, self._entered)
        self._chance = draws.generator(seed, "firmware", self.device)
        self._version = 1
        self._begun_ms = 0
        self._synced_from_ms: int | None = None  # in this life
        self._charged_ms, self._charge_pct = 0, float(self._chance.randint(40, 100))
        self._is_joined = False
        self.life = self._new_life()

    @property
    def state(self) -> State:
        """What it is doing."""
        return self._machine.state

    def tell(self, cause: Cause, now_ms: int) -> bool:
        """Something happens to it; whether that changed anything."""
        return self._machine.tell(cause, now_ms)

    def reboot(self, now_ms: int, /) -> None:
        """It crashes, or somebody pulls the plug for a moment."""
        self.tell(Cause.CRASH, now_ms)

    def drain(self, now_ms: int, /) -> None:
        """The battery is empty."""
        self.tell(Cause.DRAINED, now_ms)

    def recharge(self, now_ms: int, /) -> None:
        """A new battery; it starts if the old one was flat."""
        self._charged_ms, self._charge_pct = now_ms, 100.0
        self.tell(Cause.POWER, now_ms)

    def _entered(self, state: State, cause: Cause, now_ms: int) -> tuple[int, Cause] | None:
        """Do what belongs to a state, and say how it ends by itself."""
        if state in {State.BOOTING, State.OFF, State.FLAT, State.HUNG}:
            self._fall_silent(now_ms)
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
        self.life = self._new_life()
        self._plan_misfortune(now_ms)
        return self.traits.boot_ms, Cause.STARTED

    def _awake(self, cause: Cause, now_ms: int) -> tuple[int, Cause] | None:
        life, traits = self.life, self.traits
        if cause is Cause.JOINED and traits.sync_ms is not None:
            self._synced_from_ms = now_ms + traits.sync_ms
        self._refresh(life, now_ms)
        if life.battery_pct <= 0:
            self._clockwork.at(now_ms, partial(self._strike, life, Cause.DRAINED))
            return None
        if cause is Cause.JOINED:
            self._is_joined = True
            self._say(self.product.born(life))
        self._say(self.product.report(life))
        return (traits.every_ms, Cause.TICK) if traits.awake_ms is None else (traits.awake_ms, Cause.SLEEP)

    def _update(self, now_ms: int) -> tuple[int, Cause]:
        """A quarter of the way at a time, told as it comes."""
        quarter_ms, life = self.traits.update_ms // 4, self.life
        for quarter in range(1, 5):
            self._clockwork.at(now_ms + quarter * quarter_ms, partial(self._progress, life, 25 * quarter))
        return self.traits.update_ms + 1, Cause.FLASHED

    def _progress(self, life: Life, percent: int, now_ms: int) -> None:
        if self.state is State.UPDATING and self.life is life:
            self._refresh(life, now_ms)
            self._say(self.product.updating(life, percent))

    def _fall_silent(self, now_ms: int) -> None:
        """Others notice, if the device had made itself known."""
        if self._is_joined:
            self._is_joined = False
            self._refresh(self.life, now_ms)
            self._say(self.product.gone(self.life))

    def _plan_misfortune(self, now_ms: int) -> None:
        """Draw when this life will crash or hang, if its product does such things."""
        life = self.life
        for cause, per_hour in ((Cause.CRASH, self.traits.crashes_per_hour), (Cause.HANG, self.traits.hangs_per_hour)):
            if per_hour > 0:
                due_ms = now_ms + round(self._chance.expovariate(per_hour) * HOUR_MS)
                self._clockwork.at(due_ms, partial(self._strike, life, cause))

    def _strike(self, life: Life, cause: Cause, now_ms: int) -> None:
        """A misfortune that was drawn for one life does not befall the next."""
        if self.life is life:
            self.tell(cause, now_ms)

    def _new_life(self) -> Life:
        number = self.starts.total()
        boot = draws.boot(self._seed, self._start_ms, self.device, f"start {number}")
        return Life(self.device, boot, self._version, self._chance)

    def _refresh(self, life: Life, now_ms: int) -> None:
        """Bring what the device knows of time and battery up to now."""
        traits = self.traits
        life.now_ms, life.true_ms = now_ms, self._start_ms + now_ms
        life.uptime_ms = now_ms - self._begun_ms
        life.is_synced = traits.epoch_ms is None or (self._synced_from_ms is not None and self._synced_from_ms <= now_ms)
        if traits.epoch_ms is None or life.is_synced:
            life.clock_ms = life.true_ms + self._conditions.clock_error_ms(self.device, now_ms)
        else:
            life.clock_ms = traits.epoch_ms + life.uptime_ms
        life.is_stuck = self._conditions.is_stuck(self.device, now_ms)
        if traits.battery_hours is not None:
            used_pct = 100 * (now_ms - self._charged_ms) / HOUR_MS / traits.battery_hours
            life.battery_pct = max(0, round(self._charge_pct - used_pct))

    def _say(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._publish(message)

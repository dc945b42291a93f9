"""The week itself: simulated time, the simulated street, the road with its faults, the gateway, the book, and the questions.

One step is five seconds. The street moves, what it says travels (and suffers), what has arrived is worked through, what may leave
leaves, and the invariants are asked. When the week is over the clock runs on for a day without anybody, so that all that waited
has left before the last questions.
"""

from __future__ import annotations

import heapq
import json
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

from firmware_sim.adversaries.names import AdversaryName
from firmware_sim.street.street import Street as SimulatedStreet
from gateway.core.types import AnswerKind
from tests.kit.testbed import DAY_MS, HOUR_MS
from tests.week import faults, scene
from tests.week.again import Occasion, occasion
from tests.week.book import DOWN, REPLY, Book
from tests.week.collector import Collector, MemoryCloud
from tests.week.faults import NOBODYS, Crash, Disk, Due, Fault, RoadFault
from tests.week.invariants import INVARIANTS, When
from tests.week.leaving import Leaks
from tests.week.line import Line, Parcel, PowerCutError
from tests.week.machine import CutAt, Machine, Parts

if TYPE_CHECKING:
    from firmware_sim.message import Message as SimulatedMessage
    from gateway.core.bus import Publication
    from gateway.core.state import Changes
    from gateway.core.types import Message

HOLD_S_MAX = 120.0
ADDRESS_DIGITS = 12
TAIL_MS = 50 * HOUR_MS  # a window opened a day ahead by a wrong clock is waited out
_EVERY: tuple[tuple[When, int], ...] = (("hour", HOUR_MS), ("day", DAY_MS))
DISKS_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps it; what is made there is removed again


class Plan(NamedTuple):
    """Which week: everything it depends on, besides the commit."""

    seed: int
    days: float = 7.0
    people: int = 200
    faults: tuple[str, ...] = ()
    cadence_s: int = scene.CADENCE_S
    haste: float = 1.0
    adversaries: tuple[AdversaryName, ...] = ()


class BrokenError(AssertionError):
    """A promise was broken; the text says which, when, and how to see it again."""

    def __init__(self, plan: Plan, broken: dict[str, str], true_ms: int) -> None:
        self.plan, self.broken = plan, broken
        hours = (true_ms - scene.START_MS) / HOUR_MS
        lines = "\n".join(f"  {name}: {what}" for name, what in broken.items())
        fault = f" --fault {','.join(plan.faults)}" if plan.faults else ""
        fault += f" --adversary {','.join(plan.adversaries)}" if plan.adversaries else ""
        again = f"--seed {plan.seed} --days {plan.days:g} --people {plan.people} --cadence {plan.cadence_s} --haste {plan.haste:g}{fault}"
        super().__init__(
            f"broken after {hours:.2f} h, seed {plan.seed}, commit {commit()}:\n{lines}\n  see it again: python -m tests.week {again}"
        )


class Rig:
    """One week of one gateway in `folder`. `true_ms` is the time; the gateway's `clock` may think otherwise."""

    def __init__(self, folder: Path, plan: Plan, parts: Parts | None = None) -> None:
        self.plan, self.campaign = plan, scene.CAMPAIGN
        parts = parts or Parts()
        scenario = scene.scenario(plan.people, plan.days, plan.cadence_s, plan.adversaries)
        site = scene.site(scenario, plan.cadence_s)
        self.true_ms = scene.START_MS
        self.clock = parts.clock(scene.START_MS)
        self.faults: list[Fault] = faults.build(plan.faults, plan.seed, plan.haste)
        self._awake: list[Fault] = []
        self.leaks = Leaks()
        tills = frozenset(till.device for till in scenario.tills)
        rules = site.presence
        self.book = Book(self.campaign, tills, rules.fix_zones, dwell_ms=rules.dwell_ms, window_ms=scene.WINDOW_MS)
        self.leaks.names, self.leaks.digits = self.book.secrets, self.book.digits
        self.collector = Collector(self._left)
        self.line = (parts.line or Line)(self.clock.now_ms, self._publish)
        self.machine = Machine(folder, site, self.line, self.clock, MemoryCloud(self.collector), seed=plan.seed, parts=parts)
        self.machine.taken, self.machine.held, self.machine.saved = self._taken, self._held, self._saved
        self.machine.frozen = self._frozen
        self.simulated = SimulatedStreet(scenario, seed=plan.seed, start_ms=scene.START_MS, publish=self._say, is_answered=True)
        self.cut_at: CutAt | None = None
        self.counts: Counter[str] = Counter()
        self.codes: dict[str, Occasion] = {}
        self.exact: dict[int, dict[str, int]] = {}  # by window that left: offers sent by zone, without noise
        self.held_s = 0.0
        self.clock_was_set = False
        self.taken_in_this_life = self.rubbish_in_this_life = 0
        self._hold_s, self._turn_ms = 0.0, self.true_ms
        self._is_dirty = bool({"corrupt", "flood"} & set(plan.faults))
        self._travelling: list[tuple[int, int, Parcel]] = []
        self._order = count()
        self._ask_at_ms: dict[When, int] = {"hour": scene.START_MS + HOUR_MS, "day": scene.START_MS + DAY_MS}

    def run(self) -> None:
        """The whole week; raises BrokenError at the first broken promise."""
        until_ms = scene.START_MS + round(self.plan.days * DAY_MS)
        while self.true_ms < until_ms:
            self.step()
        for fault in self.faults:
            fault.end(self)
        self.faults = []
        self._arrive(None)
        for _ in range(TAIL_MS // (HOUR_MS // 2)):
            self._pass(HOUR_MS // 2)
            self._turn()
            self.machine.send()
        for when in get_args(When):
            self.ask(when)

    def step(self) -> None:
        """Five seconds."""
        self._pass(scene.STEP_MS)
        self._awake = [fault for fault in self.faults if fault.has_hour(self.true_ms)]
        self.simulated.run_until(self.true_ms - scene.START_MS)
        self._arrive(self.true_ms)
        for fault in self._awake:
            fault.step(self)
        self._turn()
        self.machine.send()
        self.counts["steps"] += 1
        self.ask("step")
        for when, every_ms in _EVERY:
            if self.true_ms >= self._ask_at_ms[when]:
                self._ask_at_ms[when] += every_ms
                self.ask(when)

    def ask(self, when: When) -> None:
        """All promises that are due to be asked about."""
        broken: dict[str, str] = {}
        for invariant in INVARIANTS:
            if invariant.when == when:
                self.counts["questions"] += 1
                for what in invariant.check(self):
                    broken.setdefault(invariant.name, what)
        if broken:
            raise BrokenError(self.plan, broken, self.true_ms)

    def totals(self) -> Counter[str]:
        """What all lives of the gateway have counted."""
        return self.machine.buried + self.machine.totals()

    # --- what happens within a step -----------------------------------------------------------------------

    def _pass(self, ms: int) -> None:
        self.true_ms += ms
        self.clock.advance(ms)

    def _say(self, message: SimulatedMessage) -> None:
        """A device speaks: whatever the road does to it, it will arrive some time."""
        *_, sort, last = message.topic.split("/")
        self._hide(sort if message.format == "espresense" else last)
        parcel = Parcel(message.topic, message.payload, message.qos)
        dues = [Due(self.true_ms, parcel)]
        for fault in self._awake:
            if isinstance(fault, RoadFault):
                dues = [after for due in dues for after in fault.router(due)]
        for due in dues:
            heapq.heappush(self._travelling, (due.at_ms, next(self._order), due.parcel))

    def _arrive(self, until_ms: int | None) -> None:
        """What has been under way long enough is at the broker now (None: all of it)."""
        while self._travelling and (until_ms is None or self._travelling[0][0] <= until_ms):
            self.line.say(heapq.heappop(self._travelling)[2])

    def _turn(self) -> None:
        """The gateway works; if its power is cut, its next life begins at once."""
        self._hold_s, self._turn_ms = 0.0, self.true_ms
        try:
            self.machine.turn(self.cut_at)
        except PowerCutError:
            for fault in self.faults:
                if isinstance(fault, Crash):
                    fault.died(self)
            self.machine.die()
            self.cut_at = None
            self.taken_in_this_life = self.rubbish_in_this_life = 0
            self.counts["deaths"] += 1
            self._turn()

    def _taken(self, messages: Sequence[Message]) -> None:
        self.taken_in_this_life += len(messages)
        self.counts["messages"] += len(messages)
        now_ms = self.clock.now_ms()
        for message in messages:
            self.book.hear(message, now_ms)
        if self._is_dirty:
            people = self.machine.app.state.people.identities
            read = [one for one in messages if not one.topic.startswith(NOBODYS)]
            read = [one for one in read if (mover := _mover(one.topic)) is None or mover in people]
            self.rubbish_in_this_life += sum(_is_rubbish(one.payload) for one in read)

    def _held(self, wait_s: float) -> None:
        """The disk is full: time passes, and then somebody makes room."""
        self._pass(round(wait_s * 1000))
        self.held_s += wait_s
        self._hold_s += wait_s
        if self._hold_s > HOLD_S_MAX:
            raise BrokenError(self.plan, {"heals": f"the gateway still holds {HOLD_S_MAX} s after there was room again"}, self.true_ms)
        for fault in self.faults:
            if isinstance(fault, Disk):
                fault.held(self, self._hold_s)

    def _frozen(self, start_ms: int, exact: dict[str, int]) -> None:
        """A window leaves; no window leaves twice."""
        if start_ms in self.exact:
            self.book.complain("records", f"the window {start_ms} left twice")
        self.exact[start_ms] = exact
        self.book.left.update(self.codes)

    def _saved(self, changes: Changes) -> None:
        self.book.saved(changes, self._turn_ms)
        self.leaks.digits.update(changes.people.contexts)
        self.leaks.digits.update(decision.id.rpartition(".")[2] for decision in changes.decisions.made)
        self.codes.update({trigger.id: occasion(trigger) for trigger in changes.decisions.triggers})
        self.counts["commits"] += 1

    def _publish(self, publication: Publication) -> None:
        """The gateway speaks on the line: to a phone, or of itself."""
        if publication.topic.startswith(DOWN):
            self.book.offered(publication, self.clock.now_ms())
            code = publication.token.rpartition(".")[2].encode()
            self._search(publication.payload.replace(code, b"(its own)") if code else publication.payload)
            self.simulated.receive(publication.topic, publication.payload)
        elif publication.topic.startswith(REPLY):
            self._search(publication.payload)
            self.simulated.receive(publication.topic, publication.payload)
        else:
            self._search(publication.topic.encode() + b"\n" + publication.payload)

    def _left(self, what: bytes) -> None:
        self._search(what)

    def _search(self, what: bytes) -> None:
        found = self.leaks.in_bytes(what)
        if found is not None:
            self.book.complain("leaks", f"{found} left the gateway")

    def _hide(self, name: str) -> None:
        """An address on the air is nobody's business."""
        digits = name.replace(":", "").lower()
        if len(digits) == ADDRESS_DIGITS and set(digits) <= set("0123456789abcdef"):
            self.leaks.digits.add(digits)


def _mover(topic: str) -> str | None:
    """The radio or device that a sighting or position places by its topic; of a stranger it is dropped unread."""
    levels = topic.split("/")
    if levels[:2] == ["espresense", "devices"]:
        return levels[2]
    return levels[4] if levels[-1] in ("sighting", "position") else None


def _is_rubbish(payload: bytes) -> bool:
    """Whether this is no JSON at all; every format of this street is."""
    try:
        json.loads(payload)
    except ValueError:
        return True
    return False


def commit() -> str:
    """The commit that is being tested."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    said = subprocess.run([git, "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"


@contextmanager
def folder() -> Iterator[Path]:
    """A place for a week's database: in memory where the system has such a place, since no power is cut but in play."""
    where = DISKS_IN_MEMORY if DISKS_IN_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="wayside-week-", dir=where) as path:
        yield Path(path)


class Result(NamedTuple):
    """A week without a broken promise, in figures."""

    seed: int
    commit: str
    days: float
    people: int
    steps: int
    messages: int
    wall_s: float
    commits: int
    deaths: int
    held_s: float
    facts: int
    visits: int
    offers: int
    answers: int
    withdrawals: int
    records: int
    bytes_that_left: int
    questions: int
    faults: dict[str, int]
    adversaries: dict[str, int]


def play(plan: Plan, parts: Parts | None = None, look: Callable[[Rig], None] = lambda _: None) -> Result:
    """Play a week; raises BrokenError. `look` may ask the rig more before its database is gone."""
    began = time.perf_counter()
    with folder() as where:
        rig = Rig(where, plan, parts)
        struck = rig.faults
        try:
            rig.run()
            wall_s = time.perf_counter() - began
            look(rig)
        finally:
            rig.machine.close()
    seen = rig.book.seen
    return Result(
        seed=plan.seed,
        commit=commit(),
        days=plan.days,
        people=plan.people,
        steps=rig.counts["steps"],
        messages=rig.counts["messages"],
        wall_s=round(wall_s, 1),
        commits=rig.counts["commits"],
        deaths=rig.counts["deaths"],
        held_s=rig.held_s,
        facts=rig.book.facts.total(),
        visits=seen["entered"],
        offers=seen["trigger"],
        answers=sum(seen[kind] for kind in get_args(AnswerKind)),
        withdrawals=seen["withdrawn"],
        records=len(rig.collector.records),
        bytes_that_left=rig.leaks.bytes_seen,
        questions=rig.counts["questions"],
        faults={fault.name: fault.count for fault in struck},
        adversaries=dict(rig.simulated.counters.adversaries),
    )

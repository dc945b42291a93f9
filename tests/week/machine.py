"""One gateway without threads: the App with its box, its store and its uplink, that can be killed between any two steps.

Where the gateway would wait for another thread there is a port, and the port is answered at once: the box does jobs when they
are asked for, and a pause for a full disk is time that the rig lets pass. The uplink's own loop is replaced by its two
halves, `plan_sync` and one sending, called when their time has come.

Death is a power cut: the database's files are copied as they lie there, and the next life opens the copies. Nothing is closed
in order, and what was in memory is gone.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from gateway.adapters.store import Store
from gateway.core import limits, ports
from gateway.core.syncing import Send, Uplink, plan_sync
from gateway.runtime.app import App
from gateway.runtime.mailbox import Call, Mailbox
from gateway.runtime.router import Router
from gateway.runtime.uplink import UplinkThread
from tests.kit.testbed import KEY, ManualClock, seeded_draw
from tests.week import scene
from tests.week.line import Line, PowerCutError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from gateway.core.site import Site
    from gateway.core.state import Changes
    from gateway.core.types import Message
    from tests.week.collector import MemoryCloud

T = TypeVar("T")
CutAt = Literal["before_commit", "after_commit", "before_thanks", "after_thanks", "before_telling"]
CUTS: tuple[CutAt, ...] = ("before_commit", "after_commit", "before_thanks", "after_thanks")
"""Where a turn can be cut whatever is in it; `before_telling` waits for one that has an offer to send."""
IDLE_MS = 600_000
STATUS_MS = 600_000


class Taken(NamedTuple):
    """What one turn took in, when by the gateway's clock, and whether it was connected; enough to play it again."""

    now_ms: int
    step_ms: int
    messages: tuple[Message, ...]
    connected: bool = True


class WeekInbox(Mailbox):
    """A box that never waits. `held` is called when the gateway waits out a full disk; `taken` with what it takes."""

    def __init__(self, taken: Callable[[Sequence[Message]], None], held: Callable[[float], None]) -> None:
        super().__init__(limits.MAILBOX_MESSAGES_MAX)
        self._on_taken, self._on_held = taken, held
        self.store: ports.Store | None = None

    def call(self, task: Callable[[ports.Store], T]) -> Future[T]:
        """The writer is whoever asks: do it now."""
        call = Call(task)
        assert self.store is not None
        call.run(self.store)
        return call.future

    def take(self, most: int, wait_s: float) -> tuple[list[Message], list[Call[Any]]]:
        """What is there."""
        if not most:
            self._on_held(wait_s)
        messages, calls = super().take(most, 0.0)
        if messages:
            self._on_taken(messages)
        return messages, calls


class WeekStore(Store):
    """The real store, that tells what it has committed, can be killed around a commit, and can find the disk full."""

    saved: Callable[[Changes], None] | None = None
    frozen: Callable[[int, dict[str, int]], None] | None = None
    cut_at: CutAt | None = None

    def save(self, changes: Changes) -> None:
        """Commit, unless the power fails first."""
        if self.cut_at == "before_commit":
            raise PowerCutError(self.cut_at)
        closing = changes.counts.closing
        windows = [one.start_ms for one in self.counts.due(closing) if one.table == "hours"] if closing is not None else []
        exact = self.counts._sent()
        if closing is not None:  # the same noise at every try, and when the log is played again
            self.counts._entropy = random.Random(closing.name).getrandbits  # noqa: S311
        super().save(changes)
        for start_ms in windows:
            if self.frozen is not None:
                self.frozen(start_ms, exact)
        if self.saved is not None:
            self.saved(changes)
        if self.cut_at == "after_commit" or (self.cut_at == "before_telling" and changes.decisions.triggers):
            raise PowerCutError(self.cut_at)

    def fill_disk(self) -> None:
        """Not a page more."""
        self._db.pragma("max_page_count", self._db.pragma("page_count"))

    def free_disk(self) -> None:
        """Room again."""
        self._db.pragma("max_page_count", 2**31 - 1)

    def sound(self) -> str:
        """What SQLite says of its own pages."""
        return str(self._db.pragma("quick_check"))

    def tables(self, column: str) -> list[str]:
        """The tables that have such a column, and nothing hidden in them."""
        names = [name for (name,) in self.rows("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        return [name for name in names if column in self.columns(name)]

    def columns(self, table: str) -> list[str]:
        """The columns of a table."""
        return [row[1] for row in self.rows(f"PRAGMA table_info({table})")]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Whatever an invariant wants to know."""
        return list(self._db.execute(sql))


class Parts(NamedTuple):
    """What a gateway is made of; a negative control hands in a part whose guard is off."""

    store: type[WeekStore] = WeekStore
    router: Callable[..., Router] = Router
    line: type[Line] | None = None
    clock: type[ManualClock] = ManualClock
    site: Callable[[Site], Site] = lambda site: site


class Machine:
    """A gateway with its database in `folder`; `turns` are those of this life, `log` is what every turn of all lives took in."""

    def __init__(
        self, folder: Path, site: Site, line: Line, clock: ManualClock, cloud: MemoryCloud, *, seed: int, parts: Parts | None = None
    ) -> None:
        self._folder, self._line, self._clock, self._cloud = folder, line, clock, cloud
        self._parts = parts or Parts()
        self.site = self._parts.site(site)
        self._draw = seeded_draw(seed)
        self._lives = 0
        self._uplink = Uplink()
        self.taken: Callable[[Sequence[Message]], None] = lambda _: None
        self.held: Callable[[float], None] = lambda _: None
        self.saved: Callable[[Changes], None] = lambda _: None
        self.frozen: Callable[[int, dict[str, int]], None] = lambda *_: None
        self.log: list[Taken] = []
        self._batch: tuple[Message, ...] = ()
        self.deaths = self.turns = 0
        self.buried: Counter[str] = Counter()  # what lives that have ended had counted
        self.store, self.app, self.mailbox, self.uplink = self._begin()

    @property
    def path(self) -> Path:
        """This life's database."""
        return self._folder / f"life-{self._lives}.db"

    def turn(self, cut_at: CutAt | None = None) -> None:
        """Take in and work through all that the line holds; raises PowerCutError at `cut_at` of the first batch."""
        self.store.cut_at, self._line.dies_at_thanks = cut_at, cut_at == "before_thanks"
        self._line.pump()
        while True:
            self._batch = ()
            now_ms, step_ms = self._clock.now_ms(), self._clock._step_ms
            self.turns += 1
            self.app.turn(0.0)
            self.log.append(Taken(now_ms, step_ms, self._batch, self._line.link().connected))
            if cut_at is not None and cut_at != "before_telling":
                raise PowerCutError(cut_at)
            if not self._line.pump() and not len(self.mailbox):
                return

    def send(self) -> None:
        """What the uplink's thread would have done by now."""
        while isinstance(plan_sync(self.store.backlog(), self._clock.now_ms(), self._uplink, IDLE_MS), Send):
            self._uplink = self.uplink._send(self._uplink)

    def die(self) -> None:
        """The power is cut; the next life begins with what lies on the disk."""
        self.deaths += 1
        self.turns = 0
        self.buried.update(self.totals())
        before = self.path
        self._lives += 1
        for ending in ("", "-wal", ".withdrawn", ".released", ".hashes"):
            lying = before.with_name(before.name + ending)
            if lying.exists():
                shutil.copyfile(lying, self.path.with_name(self.path.name + ending))
        self.store.close()
        before.unlink()
        self._uplink = Uplink()
        self.store, self.app, self.mailbox, self.uplink = self._begin()

    def totals(self) -> Counter[str]:
        """What this life has counted: messages, refusals, observations, what was kept and dropped, and triggers that came too late."""
        app, router = self.app, self.app.router
        return Counter(
            {
                "messages": app.counters.counts["messages"],
                "decoded": sum(router.messages.values()),
                "refused": router.refusals(),
                "unknown": router.messages["unknown_topic"],
                "observations": sum(router.observations.values()),
                "kept": app.counters.counts["kept"],
                "discarded": sum(app.counters.discarded.values()) + sum(router.discarded.values()),
                "expired": app.triggers.expired,
                "facts": app.counters.counts["facts"],
            }
        )

    def close(self) -> None:
        """End in order."""
        self.store.close()

    def _begin(self) -> tuple[WeekStore, App, WeekInbox, UplinkThread]:
        store = self._parts.store(self.path, KEY)
        store.saved, store.frozen = self._save, self._freeze
        mailbox = WeekInbox(self._take, self._hold)
        mailbox.store = store
        router = scene.router(self._parts.router)
        uplink = UplinkThread(self.site.gateway, self._cloud, mailbox, self._clock.now_ms, IDLE_MS / 1000)
        app = App(
            self.site,
            clock=self._clock,
            bus=self._line,
            store=store,
            scorer=scene.HabitScorer(),
            router=router,
            mailbox=mailbox,
            uplink=uplink,
            draw=self._draw,
            status_interval_ms=STATUS_MS,
        )
        self._line.connect(mailbox)
        return store, app, mailbox, uplink

    # What to tell may be set after a life has begun, so each life asks here.

    def _save(self, changes: Changes) -> None:
        self.saved(changes)

    def _freeze(self, start_ms: int, exact: dict[str, int]) -> None:
        self.frozen(start_ms, exact)

    def _hold(self, wait_s: float) -> None:
        self.held(wait_s)

    def _take(self, messages: Sequence[Message]) -> None:
        self._batch = tuple(messages)
        self.taken(messages)

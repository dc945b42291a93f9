"""Faults of the database while the gateway runs: each is noticed before an acknowledgement, and has its outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from gateway.adapters.store import Store
from gateway.build import build
from gateway.build_store import open_store
from gateway.core.bus import Link, Publication
from gateway.core.ports import StoreDamagedError
from gateway.core.types import Message
from gateway.runtime.app import App
from gateway.runtime.mailbox import Call, Mailbox
from tests.kit.gateways import message, settings_of, write_config
from tests.kit.testbed import ManualClock

MINUTE_S, HOURS_S = 60, 2 * 3_600


class Bus:
    """An open connection that notes acknowledgements and states."""

    def __init__(self) -> None:
        self.thanked: list[Message] = []
        self.states: list[dict[str, Any]] = []

    def start(self, deliver: object) -> None:
        """Start."""

    def link(self) -> Link:
        return Link(connected=True, connects=1)

    def acknowledge(self, messages: Sequence[Message]) -> None:
        self.thanked += messages

    def publish(self, publication: Publication) -> bool:
        if publication.topic.endswith("/status"):
            self.states.append(msgspec.json.decode(publication.payload))
        return True

    def taken(self) -> list[str]:
        return []

    def close(self) -> None:
        """Close."""


class Patience(Mailbox):
    """While the gateway holds, time passes and `then` is called; a second each."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(100)
        self.clock, self.seconds = clock, 0
        self.then: Callable[[int], object] = lambda _: None

    def take(self, most: int, wait_s: float) -> tuple[list[Message], list[Call[Any]]]:
        if most == 0:
            self.seconds += 1
            self.clock.advance(round(wait_s * 1_000))
            self.then(self.seconds)
        return super().take(most, 0.0)


class Scene:
    """A gateway with one stored sale."""

    def __init__(self, folder: Path) -> None:
        self.settings = settings_of(write_config(folder, 1883))
        built = build(self.settings)
        assert isinstance(built.store, Store)
        self.store, self.path = built.store, self.settings.store.path
        self.clock, self.bus = ManualClock(), Bus()
        self.mailbox = Patience(self.clock)
        self.app = App(
            built.site,
            clock=self.clock,
            bus=self.bus,
            store=self.store,
            scorer=built.scorer,
            router=built.router,
            mailbox=self.mailbox,
        )
        self.sell(1)
        assert self.sold == len(self.bus.thanked) == 1

    def sell(self, seq: int) -> None:
        self.mailbox.deliver([message("till-cafe", "purchase", seq, amount_minor=300)])
        self.app.turn(0.0)

    @property
    def sold(self) -> int:
        return int(self.store.facts.one("SELECT count(*) FROM facts"))

    def holds(self, seq: int, word: str, heal: Callable[[], object], after_s: int = MINUTE_S) -> None:
        """A sale is held, and the state is published each second, the first time within 2 s; then it is stored once."""
        begun = len(self.bus.states)
        before_ms = self.clock.now_ms()
        self.mailbox.then = lambda seconds: heal() if seconds == after_s else None
        self.sell(seq)
        held = [state for state in self.bus.states[begun:] if state["state"] == "holding"]
        assert held[0]["at_ms"] - before_ms <= 2_000
        assert len(held) == after_s
        assert all(word in state["trouble"] for state in held)
        assert self.sold == len(self.bus.thanked) == 2


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.store.close()


def test_locked_by_another_program_it_holds(scene: Scene) -> None:
    other = apsw.Connection(str(scene.path))
    other.pragma("cipher", "chacha20")
    other.pragma("hexkey", scene.settings.store.key_file.read_text().strip())
    other.execute("BEGIN IMMEDIATE")
    scene.store._db.set_busy_timeout(0)  # else each try waits WRITER_BUSY_MS of real time
    scene.holds(2, "another program holds the database", other.close)


def test_read_only_it_holds(scene: Scene) -> None:
    scene.store._db.pragma("query_only", 1)
    scene.holds(2, "the disk is full or failing", lambda: scene.store._db.pragma("query_only", 0))


def test_full_it_holds(scene: Scene) -> None:
    scene.store._db.pragma("max_page_count", int(scene.store._db.pragma("page_count")))

    def heal(seconds: int) -> None:
        if seconds == MINUTE_S:
            scene.store._db.pragma("max_page_count", 1_000_000)

    scene.mailbox.then = heal
    for seq in range(2, 400):
        scene.sell(seq)
        assert scene.sold == len(scene.bus.thanked) == seq
    held = [state for state in scene.bus.states if state["state"] == "holding"]
    assert len(held) == MINUTE_S
    assert all("the disk is full or failing" in state["trouble"] for state in held)


@pytest.mark.parametrize("fault", ["deleted", "replaced"])
def test_deleted_or_replaced_it_holds_until_the_file_is_back(scene: Scene, fault: str) -> None:
    aside = scene.path.with_name("aside")
    scene.path.rename(aside)
    if fault == "replaced":
        scene.path.write_bytes(aside.read_bytes())
    scene.holds(2, "was deleted or replaced", lambda: aside.rename(scene.path), HOURS_S if fault == "deleted" else MINUTE_S)


def test_without_a_look_at_the_file_a_sale_would_be_acknowledged_and_lost(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "_check_file", lambda _: None)
    scene.path.rename(scene.path.with_name("aside"))
    scene.sell(2)
    assert (len(scene.bus.thanked), scene.path.exists()) == (2, False)


def test_damaged_it_fails_closed_and_a_new_database_is_begun(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.store._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    content = bytearray(scene.path.read_bytes())
    for at in range(4_096 + 50, len(content), 4_096):
        content[at] ^= 0xFF
    with scene.path.open("r+b") as file:
        file.write(content)
    scene.store._db.release_memory()
    scene.store._db.cache_flush()
    scene.mailbox.deliver([message("till-cafe", "purchase", 2, amount_minor=300)])
    scene.mailbox.deliver([message("phone-0009", "consent", 1, purposes=["presence"], version=1)])
    with pytest.raises(StoreDamagedError, match="is damaged"):
        scene.app.turn(0.0)
    assert len(scene.bus.thanked) == 1, "the broker delivers both again"
    scene.app.is_damaged = True
    scene.app._close()
    scene.store = open_store(scene.settings)
    assert scene.sold == 0
    assert "people have to consent again" in caplog.text

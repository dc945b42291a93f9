"""The same messages once more, through a gateway that has seen nothing: what it decides must not depend on the day.

`replayed` plays a log turn by turn, each at its moment by the gateway's clock, with the same draws. No street is needed: what
the phones answered is in the log. Given cuts, it also kills the gateway on the way, and the broker of that world hands out again
what was not thanked for. From then on that world draws other codes, so answers are told under the code of the same offer there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from gateway.core.records import Record
from gateway.core.types import Message
from tests.kit.testbed import ManualClock
from tests.week import scene
from tests.week.collector import Collector, MemoryCloud
from tests.week.line import Line, Parcel, PowerCutError
from tests.week.machine import CutAt, Machine, Taken, WeekStore

if TYPE_CHECKING:
    from gateway.core.site import Site
    from gateway.core.state import Changes, Trigger
    from tests.week.rig import Rig

Rows = list[tuple[Any, ...]]


class Occasion(NamedTuple):
    """What an offer is known by in every world, whatever code it has there."""

    device: str
    offer: str
    expires_at_ms: int


def occasion(trigger: Trigger) -> Occasion:
    """The occasion of a trigger."""
    return Occasion(trigger.target, trigger.offer, trigger.expires_at_ms)


class Replay:
    """A gateway that is given a log. `caught` are the devices that some death has met in a zone, or with their words in hand."""

    def __init__(self, folder: Path, site: Site, log: Sequence[Taken], seed: int, codes: Mapping[str, Occasion]) -> None:
        """`codes` are those of the log's own world."""
        self._log, self._codes = log, codes
        self._here: dict[Occasion, str] = {}
        self._clock = ManualClock(log[0].now_ms - log[0].step_ms)
        self._line = Line(self._clock.now_ms, lambda _: None)
        self.machine = Machine(folder, site, self._line, self._clock, MemoryCloud(Collector(lambda _: None)), seed=seed)
        self.machine.saved = self._saved
        self.caught: set[str] = set()
        self.answers = 0

    def play(self, cuts: Mapping[int, CutAt] | None = None) -> None:
        """All of the log; the power fails in the turns (by number) of `cuts`."""
        for number, taken in enumerate(self._log):
            self._clock.advance(max(0, taken.now_ms - taken.step_ms - self._clock.now_ms()))
            if taken.step_ms:
                self._clock.step(taken.step_ms)
            if (taken.messages or taken.connected) and not self._line.link().connected:
                self._line.connect(self.machine.mailbox)
            for message in taken.messages:
                self._line.say(self._told(message))
            if not taken.connected:
                self._line.pump()
                self._line.cut()
            cut = (cuts or {}).get(number)
            if cut is not None:
                self.caught |= self._in_hand(taken)
            try:
                self.machine.turn(cut)
            except PowerCutError:
                self.machine.die()
                self.machine.turn()

    def _told(self, message: Message) -> Parcel:
        """The message, with the code that its offer has in this world."""
        payload = message.payload
        there = _code(message)
        if there is not None:
            here = self._here.get(self._codes[there]) if there in self._codes else None
            self.answers += here is not None
            payload = payload.replace(there.encode(), (here or "gw-w.lost").encode())
        return Parcel(message.topic, payload, message.qos)

    def _saved(self, changes: Changes) -> None:
        self._here.update({occasion(trigger): trigger.id for trigger in changes.decisions.triggers})

    def _in_hand(self, taken: Taken) -> set[str]:
        """Whom a death at this moment concerns: all who are in a zone, or on the way into one, or spoken of in the batch."""
        state, router = self.machine.app.state, scene.router()
        subjects = {subject for subject, _ in state.visits.presences}
        devices = set()
        for message in taken.messages:
            for seen in router.decode(message):
                named = [getattr(seen, name, "") for name in ("hearer", "heard", "device")]
                subjects |= {state.people.identities[mover] for mover in named if mover in state.people.identities}
                devices |= {seen.envelope.device} if hasattr(seen, "envelope") else set()
        return devices | {mover for mover, subject in state.people.identities.items() if subject in subjects}


def _code(message: Message) -> str | None:
    """The decision that an answer is about."""
    if not message.qos or not message.topic.endswith("/answer"):
        return None
    try:
        return str(json.loads(message.payload)["decision"])
    except ValueError:
        return None  # it arrived in pieces


def tables(store: WeekStore) -> dict[str, list[str]]:
    """All that is kept, to the last drawn digit, but for keyed hashes: every database has its own key."""
    found: dict[str, list[str]] = {}
    for table in store.tables("subject"):
        columns = ", ".join(column for column in store.columns(table) if column != "envelope")
        found[table] = sorted(map(repr, store.rows(f"SELECT {columns} FROM {table}")))  # noqa: S608 - names from the schema
    return found


def records(store: WeekStore, sent: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """All records that were made: those in the outbox and those that the cloud has."""
    waiting = [msgspec.msgpack.decode(body, type=Record) for (body,) in store.rows("SELECT body FROM outbox")]
    made = [*(msgspec.json.decode(msgspec.json.encode(record)) for record in waiting), *sent.values()]
    # How much waited when a window was closed depends on the cloud, not on the messages.
    return sorted(repr(sorted((name, value) for name, value in record.items() if name != "backlog")) for record in made)


def differences(rig: Rig, folder: Path) -> Iterator[str]:
    """What another gateway makes of the same log, in words where it is not the same."""
    site = scene.site(scene.scenario(rig.plan.people, rig.plan.days, rig.plan.cadence_s), rig.plan.cadence_s)
    replay = Replay(folder, site, rig.machine.log, rig.plan.seed, rig.codes)
    replay.play()
    ours = tables(rig.machine.store) | {"records": records(rig.machine.store, rig.collector.records)}
    theirs = tables(replay.machine.store) | {"records": records(replay.machine.store, {})}
    replay.machine.close()
    for name, mine in ours.items():
        other = theirs[name]
        if mine != other:
            first = next((pair for pair in zip(mine, other, strict=False) if pair[0] != pair[1]), (len(mine), len(other)))
            yield f"{name} differ: {str(first[0])[:200]} and then {str(first[1])[:200]}"


def facts(store: WeekStore) -> Counter[tuple[Any, ...]]:
    """Words and sales, without drawn names. A row is counted, so one that is there twice shows."""
    sql = "SELECT kind, at_ms, zone, detail, amount_minor, subject IS NULL FROM facts WHERE kind <> 'answer'"
    return Counter(store.rows(sql))


def people(store: WeekStore, without: frozenset[str] = frozenset()) -> set[tuple[str, ...]]:
    """Who is known, by all their names but the drawn one; `without` are names that do not count."""
    names: dict[str, list[str]] = {}
    for mover, subject in store.rows("SELECT mover, subject FROM identities ORDER BY mover"):
        names.setdefault(subject, []).extend({mover} - without)
    return {tuple(movers) for movers in names.values()}


def decisions(store: WeekStore) -> dict[str, Rows]:
    """What was decided for each device, and what they answered, in order and without drawn names."""
    found: dict[str, Rows] = {}
    owners = store.rows("SELECT subject, mover FROM identities WHERE mover LIKE 'phone-%'")
    for subject, device in owners:
        found[device] = [
            row[1:]
            for row in store.rows("SELECT subject, at_ms, zone, reason, offer, answer FROM decisions ORDER BY at_ms, zone, reason")
            if row[0] == subject
        ]
    return found

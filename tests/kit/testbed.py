"""A testbed for the engine: a small site with three offers, a manual clock, phones and tills, and a gateway without MQTT.

`Gateway` runs `engine.advance` with a real store, batch by batch, as the writer thread does: advance, save durable changes, accept.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.adapters.aes import Aes
from gateway.adapters.store import Store
from gateway.adapters.store.reader import Reader
from gateway.core import engine, occasions
from gateway.core.claims import claim_code
from gateway.core.geometry import METRES_PER_DEGREE
from gateway.core.offers import Campaign, Offer, Policy
from gateway.core.policy.choose import Scorer
from gateway.core.policy.decision import Decision
from gateway.core.presence import PresenceRules
from gateway.core.records import Record
from gateway.core.site import ClaimRules, Site, Zone
from gateway.core.state import Changes, State
from gateway.core.types import (
    Answer,
    AnswerKind,
    Consent,
    Envelope,
    Observation,
    Position,
    Purchase,
    Purpose,
    Sighting,
    TimePassed,
)
from gateway.core.unit_of_work import Draw
from tests.kit.attributes import COLUMNS, KINDS, SCHEMA

BERLIN = ZoneInfo("Europe/Berlin")
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
KEY = bytes(range(32))
CLAIM_SECRET = b"a secret of the tags"
EVERYTHING: tuple[Purpose, ...] = ("presence", "offers", "learning", "measurement")
SQUARE_LATITUDE_DEG, SQUARE_LONGITUDE_DEG = 52.52, 13.405
CLEAR_DBM, FAINT_DBM = -60.0, -95.0


def berlin_ms(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, ms: int = 0, *, fold: int = 0) -> int:
    """Milliseconds of a local time in Berlin; `fold=1` is the second of two equal times in October."""
    moment = datetime(year, month, day, hour, minute, second, tzinfo=BERLIN, fold=fold)
    return int(moment.timestamp()) * 1000 + ms


NOON_MS = berlin_ms(2026, 6, 10, 12)


# --- the site --------------------------------------------------------------------------------------------


ZONES: tuple[Zone, ...] = (
    Zone("cafe", "coffee_house", anchors=("scan-cafe", "beacon-cafe")),
    Zone("bar", "bar", x_m=160.0, anchors=("scan-bar",)),
    Zone("station", transit=True, x_m=400.0, anchors=("scan-station",)),
    Zone("square", x_m=80.0, latitude_deg=SQUARE_LATITUDE_DEG, longitude_deg=SQUARE_LONGITUDE_DEG, radius_m=50.0),
)


def offer(id_: str = "flat-white", **changes: Any) -> Offer:
    """An offer of the cafe; `changes` are fields of Offer."""
    fields: dict[str, Any] = {
        "category": "coffee_house",
        "zones": ("cafe", "square", "station"),
        "shop": "cafe",
        "value_minor": 500,
        "starts_ms": berlin_ms(2026, 1, 1),
        "ends_ms": berlin_ms(2028, 1, 1),
        "expiry_hours": 2.0,
        "title": "A flat white, one euro off",
    }
    return Offer(id=id_, **(fields | changes))


OFFERS: tuple[Offer, ...] = (
    offer(),
    offer("happy-hour", category="bar", zones=("bar", "station"), shop="bar", value_minor=800, expiry_hours=24.0, title="Two for one"),
    offer("second-cup", zones=("cafe",), value_minor=300, occasions=("dwelled",), title="The second cup is ours"),
)


def campaign(*offers: Offer, **policy: Any) -> Campaign:
    """OFFERS, or the given offers, under the default policy with changes."""
    return Campaign(offers or OFFERS, Policy(**policy))


def make_site(**changes: Any) -> Site:
    """Four zones, one of them with coordinates and one a transit hall; `changes` are fields of Site."""
    fields: dict[str, Any] = {
        "name": "street",
        "gateway": "gw-t",
        "timezone": BERLIN,
        "zones": {zone.id: zone for zone in ZONES},
        "anchors": {anchor: zone.id for zone in ZONES for anchor in zone.anchors},
        "devices": {"till-cafe": "cafe", "till-bar": "bar", "sensor-cafe": "cafe", "weather-1": "*"},
        "presence": PresenceRules(),
        "campaign": campaign(),
        "schema": SCHEMA,
        "columns": COLUMNS,
        "clock_floor_ms": berlin_ms(2026, 1, 1),
        "claims": ClaimRules(CLAIM_SECRET, frozenset({"scan-cafe"})),
    }
    return Site(**(fields | changes))


# --- time, ids, and a scorer with fixed scores -------------------------------------------------------------


class ManualClock:
    """A clock that only the test moves: `advance` lets time pass, `step` sets the clock."""

    def __init__(self, now_ms: int = NOON_MS) -> None:
        self._now_ms = now_ms
        self._step_ms = 0

    def now_ms(self) -> int:
        return self._now_ms

    def advance(self, ms: int) -> int:
        """Let time pass; returns the new time."""
        if ms < 0:
            raise ValueError("time cannot pass backwards: use step")
        self._now_ms += ms
        return self._now_ms

    def step(self, ms: int) -> None:
        """Set the clock forward (or back)."""
        self._now_ms += ms
        self._step_ms += ms

    def take_step(self) -> int:
        step_ms, self._step_ms = self._step_ms, 0
        return step_ms


def seeded_draw(seed: int = 1) -> Draw:
    """A source of ids of 16 lower-case hex digits, the same for the same seed."""
    source = random.Random(seed)  # noqa: S311 - reproducible ids
    return lambda: f"{source.getrandbits(64):016x}"


class OneOutput:
    """A model without probabilities of a purchase without the offer."""

    def untreated(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:  # noqa: ARG002 (of the protocol)
        return None


class TableScorer(OneOutput):
    """A fixed propensity for all offers, or by kind; None means no model. `asked` holds the matrices of all calls."""

    def __init__(self, propensity: float | Mapping[str, float] | None = 0.5, version: str = "table-1") -> None:
        self.propensity = propensity
        self.version = version
        self.asked: list[NDArray[np.float32]] = []

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        self.asked.append(rows)
        if self.propensity is None:
            return None
        if isinstance(self.propensity, Mapping):
            scores = [self.propensity.get(_kind(row), 0.0) for row in rows]
        else:
            scores = [self.propensity] * len(rows)
        return np.asarray(scores, dtype=np.float32)


def _kind(row: NDArray[np.float32]) -> str:
    return next((kind for kind in KINDS if row[COLUMNS.index(f"offer_{kind}")] == 1.0), "other")


# --- people and tills ------------------------------------------------------------------------------------


class Phone:
    """A person's app, which numbers its envelopes, and the person's tag, which scanners receive."""

    def __init__(self, device: str = "phone-0001", tag: str | None = None, boot: str = "b1") -> None:
        self.device = device
        self.tag = tag or f"iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1000-{device[-4:]}"
        self.boot = boot
        self.seq = 0

    def envelope(self) -> Envelope:
        """The next envelope."""
        self.seq += 1
        return Envelope(self.device, self.boot, self.seq)

    def consent(self, purposes: Sequence[Purpose] = EVERYTHING, **changes: Any) -> Consent:
        """A consent to `purposes` with the own tag, and the codes of all tags; `changes` are fields of Consent."""
        fields: dict[str, Any] = {"purposes": tuple(purposes), "version": 1, "tags": (self.tag,)} | changes
        return Consent(self.envelope(), **{"codes": {tag: claim_code(CLAIM_SECRET, tag) for tag in fields["tags"]}, **fields})

    def withdrawal(self) -> Consent:
        """A withdrawal of all purposes."""
        return Consent(self.envelope(), purposes=(), version=1)

    def answer(self, decision: str, kind: AnswerKind = "accepted") -> Answer:
        """The answer of the person to an offer."""
        return Answer(self.envelope(), decision, kind)

    def near(self, anchor: str, rssi_dbm: float = CLEAR_DBM) -> Sighting:
        """A sighting of the tag by a scanner."""
        return Sighting(hearer=anchor, heard=self.tag, rssi_dbm=rssi_dbm)

    def hears(self, anchor: str, rssi_dbm: float = CLEAR_DBM) -> Sighting:
        """A sighting of a fixed beacon by the phone."""
        return Sighting(hearer=self.device, heard=anchor, rssi_dbm=rssi_dbm)

    def at(self, east_m: float, north_m: float = 0.0, accuracy_m: float | None = None) -> Position:
        """A position, in metres from the centre of the square."""
        east_deg = east_m / (METRES_PER_DEGREE * float(np.cos(np.radians(SQUARE_LATITUDE_DEG))))
        return Position(self.device, SQUARE_LATITUDE_DEG + north_m / METRES_PER_DEGREE, SQUARE_LONGITUDE_DEG + east_deg, accuracy_m)


def purchase(till: str, seq: int, amount_minor: int = 450, **changes: Any) -> Purchase:
    """A purchase at a till."""
    return Purchase(Envelope(till, "t1", seq), amount_minor, **changes)


# --- the gateway without MQTT ----------------------------------------------------------------------------


def open_store(path: Path, key: bytes) -> Store:
    """As `gateway.build` opens it, without the lock and with the same noise in each run."""
    return Store(path, key, cipher=Aes(), entropy=random.Random(1).getrandbits)  # noqa: S311 - reproducible noise


class Gateway:
    """The loop of the writer thread with a real store in `folder` and the time of `clock`.

    `synced=False` saves time where a test makes thousands of commits and no power cut.
    """

    def __init__(
        self,
        folder: Path,
        *,
        site: Site | None = None,
        clock: ManualClock | None = None,
        scorer: Scorer | None = None,
        seed: int = 1,
        synced: bool = True,
        make_store: Callable[[Path, bytes], Store] = open_store,
    ) -> None:
        self.site = site or make_site()
        self.clock = clock or ManualClock()
        self.scorer = scorer or TableScorer()
        self.draw = seeded_draw(seed)
        self._path = folder / "gateway.db"
        self._synced = synced
        self._make_store = make_store
        self.store, self.state = self._open()

    def advance(self, *observations: Observation) -> Changes:
        """The changes of a batch, not applied yet."""
        return engine.advance(self.site, self.state, observations, self.clock.now_ms(), self.store, self.scorer, self.draw)

    def commit(self, changes: Changes) -> None:
        """Save durable changes, then apply them to the state."""
        if changes.is_durable:
            self.store.save(changes)
        self.state.accept(changes)

    def apply(self, *observations: Observation) -> Changes:
        """One batch at the present time: advance, save, accept."""
        self.state.clock.note(self.clock.now_ms(), self.site.clock_floor_ms)
        changes = self.advance(*observations)
        self.commit(changes)
        return changes

    def pass_time(self, ms: int) -> list[Changes]:
        """Let time pass with a `TimePassed` at each due time; returns their changes."""
        changes_list: list[Changes] = []
        until_ms = self.clock.now_ms() + ms
        while (next_ms := self.next_ms()) <= until_ms:
            self.clock.advance(max(0, next_ms - self.clock.now_ms()))
            changes_list.append(self.apply(TimePassed()))
            if self.next_ms() <= next_ms <= self.clock.now_ms() and not changes_list[-1].counts.opened:
                raise AssertionError("the same time is due again after TimePassed: the gateway would loop")
        self.clock.advance(until_ms - self.clock.now_ms())
        return changes_list

    def next_ms(self) -> int:
        """The next due time of a visit or an occasion, or the end of the window."""
        period = self.state.counts.period
        window_end_ms = self.site.clock_floor_ms if period is None else period.window_end_ms
        sometimes = self.state.visits.next_due_ms(), occasions.due_ms(self.site, self.state, self.clock.now_ms())
        return min([window_end_ms, *(due_ms for due_ms in sometimes if due_ms is not None)])

    def restart(self, off_ms: int = 0) -> None:
        """Close, let time pass, and open again: only what was committed is left."""
        self.store.close()
        self.clock.advance(off_ms)
        self.store, self.state = self._open()

    def crash(self) -> None:
        """Lose everything that a crash loses, without opening the file again."""
        self.store.people.clear()
        self.state = self.store.state(self.clock.now_ms(), self.site.presence)

    def wipe(self) -> None:
        """Empty the gateway in the same file, for tests that need thousands of gateways."""
        for table in self.tables():
            where = " WHERE name <> 'hashed'" if table == "meta" else ""
            self.store._db.execute(f"DELETE FROM {table}{where}")  # noqa: S608 - a name from the schema
        self.store.counts.waiting = self.store.counts._position = 0
        self.store._words.forget()
        self.clock, self.draw = ManualClock(), seeded_draw()
        self.crash()

    def tables(self) -> list[str]:
        """The names of all tables."""
        return [name for (name,) in self.store._db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """All rows of a table."""
        return list(self.store._db.execute(f"SELECT * FROM {table}"))  # noqa: S608 - a name from the test

    def contacts(self) -> list[tuple[Any, ...]]:
        """The contacts that are counted: table, zone, offer and outcome."""
        sql = "SELECT name, zone, offer, outcome FROM contacts WHERE zone IS NOT NULL ORDER BY name, zone, offer, outcome"
        return list(self.store._db.execute(sql))

    def records(self) -> list[Record]:
        """The records of the outbox, in order."""
        bodies = self.store._db.execute("SELECT body FROM outbox ORDER BY position")
        return [msgspec.msgpack.decode(body, type=Record) for (body,) in bodies]

    def reader(self) -> closing[Reader]:
        """A reader of the same file, as another process opens it."""
        return closing(Reader(self._path, KEY))

    def decision(self, id_: str) -> tuple[Decision, str | None] | None:
        """A decision from the log with its answer, as `wayside why` reads it."""
        with self.reader() as reader:
            return reader.decision(id_)

    def dump(self) -> str:
        """Every cell of every table as text, compressed ones unpacked, to search for traces of a person."""
        inflate = self.store._words.unpacked
        unpacked: dict[str, Callable[[bytes], bytes]] = {"contexts": inflate, "decisions": inflate, "learned": zlib.decompress}
        plain = ((table, unpacked.get(table, bytes), cell) for table in self.tables() for row in self.rows(table) for cell in row)
        return "\n".join(f"{table}: {unpack(cell).decode('latin-1') if isinstance(cell, bytes) else cell}" for table, unpack, cell in plain)

    def close(self) -> None:
        self.store.close()

    def _open(self) -> tuple[Store, State]:
        store = self._make_store(self._path, KEY)
        if not self._synced:
            store._db.pragma("synchronous", "off")
        return store, store.state(self.clock.now_ms(), self.site.presence)

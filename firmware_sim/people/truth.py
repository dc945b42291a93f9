"""Ground truth of a run as tables, to compare with a gateway's state.

`TruthRecorder` records during a run the facts that cannot be computed later: offers received by phones, answers, purchases and
consents. The rest (presence, tastes, counterfactual purchases) is a function of scenario and seed and is computed when the
tables are written. They are Parquet, one file per table, rows in a fixed order, so one run always gives the same content. The
table `run` holds scenario and seed, so a reader can rebuild the world and query it further.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from firmware_sim.draws import generator
from firmware_sim.message import Message
from firmware_sim.people.counterfactual import baseline_purchases, offer_value
from firmware_sim.people.itinerary import Stay
from firmware_sim.people.walker import Walker
from firmware_sim.scenario import Scenario
from firmware_sim.world.routes import along, metres
from firmware_sim.world.world import World

ROUNDING_S = 0.001  # the local clock is a sum of floats and may lag a full minute by a rounding error
PASSING_STEP_M = 2.0  # step in metres of the search for zones along a way

Row = tuple[Any, ...]

TABLES: dict[str, str] = {
    "run": "site text, seed bigint, start_ms bigint, speed double, walkers integer, until_ms bigint, scenario text",
    "people": "person text, segment text, leader text, price double, consents boolean, purposes text",
    "tastes": "person text, kind text, taste double",
    "visits": "person text, zone text, from_ms bigint, until_ms bigint, what text",
    "offers": (
        "person text, at_ms bigint, decision text, offer text, zone text, shop text, fate text, "
        "acceptance double, anyway double, uplift double, gain_minor double"
    ),
    "answers": "person text, at_ms bigint, decision text, answer text",
    "purchases": "person text, at_ms bigint, shop text, amount_minor bigint, cause text, decision text",
    "consents": "person text, at_ms bigint, what text, purposes text",
    "incidents": "incident text, zone text, from_ms bigint, until_ms bigint",
}
"""Columns of every table. Times are UTC milliseconds of published time, amounts minor units; a person has the id of the phone."""


class OfferRecord(NamedTuple):
    """An offer that was delivered to a phone."""

    number: int
    at_ms: int
    decision: str
    offer: str
    zone: str
    shop: str
    fate: str
    acceptance: float | None


class Sale(NamedTuple):
    """A purchase: person, time, shop, amount in minor units, and the decision of a redeemed offer or None."""

    number: int
    at_ms: int
    shop: str
    amount_minor: int
    decision: str | None


class PayloadFields(msgspec.Struct):
    """Fields of answers and consents."""

    decision: str = ""
    answer: str = ""
    purposes: tuple[str, ...] = ()


class TruthRecorder:
    """Records events in published milliseconds since the start. With `keep=False` nothing is kept."""

    def __init__(self, *, keep: bool = True) -> None:
        self._keep = keep
        self.offers: list[OfferRecord] = []
        self.sales: list[Sale] = []
        self.answers: list[Row] = []
        self.consents: list[Row] = []

    def add_offer(self, add_offer: OfferRecord) -> None:
        """Record an offer that was delivered to a phone, with its fate."""
        if self._keep:
            self.offers.append(add_offer)

    def add_sale(self, sale: Sale) -> None:
        """Record a sale at a till."""
        if self._keep:
            self.sales.append(sale)

    def add_message(self, at_ms: int, message: Message) -> None:
        """Record a published message if it is an answer or a consent."""
        if self._keep and message.kind in {"answer", "consent"}:
            fields, person = msgspec.json.decode(message.payload, type=PayloadFields), message.topic.split("/")[-2]
            if message.kind == "answer":
                self.answers.append((person, at_ms, fields.decision, fields.answer))
            else:
                self.consents.append((person, at_ms, "given" if fields.purposes else "withdrawn", " ".join(fields.purposes)))


class Truth:
    """Tables of a run: `walkers` in `world`, events of `recorder`, until `until_ms` of published time."""

    def __init__(self, world: World, walkers: Sequence[Walker], recorder: TruthRecorder, until_ms: int) -> None:
        self.world = world
        self._walkers, self._recorder, self._until_ms = walkers, recorder, until_ms

    def write(self, folder: Path) -> dict[str, int]:
        """Write one Parquet file per table; returns the number of rows by table."""
        import duckdb  # noqa: PLC0415 (DuckDB takes about 100 MB of memory: loaded only when the truth is written)

        folder.mkdir(parents=True, exist_ok=True)
        counts = {}
        with duckdb.connect() as base:
            for person_id, columns in TABLES.items():
                rows = list(self._rows(person_id))
                base.execute(f"create table {person_id} ({columns})")
                kinds = [column.rsplit(" ", 1)[1] for column in columns.split(", ")]
                lists = ", ".join(f"unnest(?::{kind}[])" for kind in kinds)  # by column: about a thousand times faster than by row
                if rows:
                    base.execute(f"insert into {person_id} select {lists}", [list(column) for column in zip(*rows, strict=True)])
                base.table(person_id).write_parquet(str(folder / f"{person_id}.parquet"))
                counts[person_id] = len(rows)
        return counts

    def loaded(self) -> LoadedTruth:
        """The result of `read` without files, and without rows in its tables."""
        return LoadedTruth(self.world, {person_id(walker.number): walker for walker in self._walkers}, {table: [] for table in TABLES})

    def _rows(self, table: str) -> Iterable[Row]:
        """Rows of a table, in file order."""
        makers: dict[str, Callable[[], Iterable[Row]]] = {
            "run": self._run,
            "people": self._people,
            "tastes": self._tastes,
            "visits": self._visits,
            "offers": self._offers,
            "answers": self._answers,
            "purchases": self._purchases,
            "consents": self._consents,
            "incidents": self._incidents,
        }
        return makers[table]()

    def _run(self) -> Iterable[Row]:
        world = self.world
        plan = world.scenario.changed(faults=()).model_dump_json()  # faults change the messages, not the truth
        yield world.scenario.site, world.seed, world.start_ms, world.speed, len(self._walkers), self._at(self._until_ms), plan

    def _people(self) -> Iterator[Row]:
        for walker in self._walkers:
            purposes = " ".join(walker.purposes) if walker.consents else ""
            person, leader = person_id(walker.number), person_id(walker.leader)
            yield person, walker.person.segment, leader, walker.person.price, walker.consents, purposes

    def _tastes(self) -> Iterator[Row]:
        for walker in self._walkers:
            for kind, taste in walker.tastes.items():
                yield person_id(walker.number), kind, taste

    def _visits(self) -> Iterator[Row]:
        for walker in self._walkers:
            for zone, from_s, until_s, presence in presences(walker, self.world.street_s(self._until_ms)):
                yield person_id(walker.number), zone, self._shown(from_s), self._shown(until_s), presence

    def _offers(self) -> Iterator[Row]:
        walkers, world = {walker.number: walker for walker in self._walkers}, self.world
        for item in self._recorder.offers:
            walker, street_s = walkers[item.number], world.street_s(item.at_ms)
            acceptance, baseline, value = item.acceptance, None, None
            if acceptance is not None:  # for an unknown shop the baseline is 0 and so is the value
                rollouts = generator(world.seed, "anyway", item.number, item.at_ms)
                baseline = baseline_purchases(walker, street_s, rollouts).get(item.shop, 0.0)
                value = offer_value(world, walker.effect(item.offer, item.shop), acceptance, baseline)
            row = (item.decision, item.offer, item.zone, item.shop, item.fate)
            yield person_id(item.number), self._at(item.at_ms), *row, acceptance, baseline, *(value or (None, None))

    def _answers(self) -> Iterator[Row]:
        for person, at_ms, *rest in self._recorder.answers:
            yield person, self._at(at_ms), *rest

    def _consents(self) -> Iterator[Row]:
        for person, at_ms, *rest in self._recorder.consents:
            yield person, self._at(at_ms), *rest

    def _purchases(self) -> Iterator[Row]:
        replaced = self._replaced()
        for index, sale in enumerate(self._recorder.sales):
            cause = "offer" if sale.decision is not None else "replaced" if index in replaced else "anyway"
            yield person_id(sale.number), self._at(sale.at_ms), sale.shop, sale.amount_minor, cause, sale.decision

    def _replaced(self) -> set[int]:
        """Indices of the sales that redeemed offers replaced: per offer the first one within `anyway_s` of its delivery."""
        ahead_ms = self.world.scenario.choices.anyway_s * 1000 / self.world.speed
        came_ms = {item.decision: item.at_ms for item in self._recorder.offers if item.fate == "received"}
        sales, found = self._recorder.sales, set[int]()
        for sale in sales:
            if sale.decision is None:
                continue
            since_ms = came_ms.get(sale.decision, sale.at_ms)
            for index, other in enumerate(sales):
                same = other.decision is None and (other.number, other.shop) == (sale.number, sale.shop)
                if same and index not in found and 0 <= other.at_ms - since_ms <= ahead_ms:
                    found.add(index)
                    break
        return found

    def _incidents(self) -> Iterator[Row]:
        world, end_s = self.world, self.world.street_s(self._until_ms)
        for incident, hours in world.incidents:
            now_s = 0.0
            while (begin_s := now_s + 60 * hours.begins_in_min(world.minute(now_s))) < end_s:
                within_s = begin_s + ROUNDING_S
                now_s = min(within_s + 60 * hours.ends_in_min(world.minute(within_s)), end_s)
                yield incident.id, incident.zone, self._shown(begin_s), self._shown(now_s)
                now_s += ROUNDING_S

    def _at(self, published_ms: int) -> int:
        return self.world.start_ms + published_ms

    def _shown(self, street_s: float) -> int:
        """Street time as UTC milliseconds of published time, cut at the end of the run."""
        return self._at(min(self.world.published_ms(street_s), self._until_ms))


def person_id(number: int) -> str:
    """Id of a person in the tables, equal to the phone's."""
    return f"phone-{number:04d}"


def presences(walker: Walker, until_s: float) -> Iterator[tuple[str, float, float, str]]:
    """Zone, start and end in street seconds, and "stay" or "passing", in order."""
    index, world = 0, walker.world
    stay = walker.itinerary.stay(0)
    while stay.from_s < until_s:
        yield stay.zone, stay.from_s, stay.until_s, "stay"
        after = walker.itinerary.stay(index + 1)
        if not stay.leaves:
            for zone, from_s, to_s in _passed(world, stay, after):
                if from_s < until_s:
                    yield zone, from_s, to_s, "passing"
        index, stay = index + 1, after


def _passed(world: World, stay: Stay, after: Stay) -> Iterator[tuple[str, float, float]]:
    """Zones on the way from one stay to the next, with start and end in street seconds."""
    way = world.routes.way(stay.spot, stay.zone, after.spot, after.zone)
    steps = max(1, round(metres(way) / PASSING_STEP_M))
    took_s = after.from_s - stay.until_s
    inside: dict[str, tuple[float, float]] = {}
    for step in range(steps + 1):
        spot, now_s = along(way, step / steps), stay.until_s + took_s * step / steps
        for zone in world.scenario.zones:
            if zone.id not in {stay.zone, after.zone} and world.contains(zone, spot):
                inside[zone.id] = (inside.get(zone.id, (now_s, now_s))[0], now_s)
    for zone_id, (from_s, until_s) in sorted(inside.items(), key=lambda item: item[1]):
        yield zone_id, from_s, until_s


class TruthError(ValueError):
    """A folder holds no readable ground truth; the text names the file."""


class LoadedTruth(NamedTuple):
    """Ground truth read from a folder: the rebuilt world, people with received offers, and all tables as rows of dicts."""

    world: World
    walkers: dict[str, Walker]
    tables: dict[str, list[dict[str, Any]]]


def read(folder: Path) -> LoadedTruth:
    """Read a folder written by `Truth.write`. Raises TruthError if a file is missing or cannot be read."""
    import duckdb  # noqa: PLC0415 (as above)

    tables = {}
    with duckdb.connect() as base:
        for table in TABLES:
            file = folder / f"{table}.parquet"
            if not file.is_file():
                raise TruthError(f"no {table}.parquet in {folder}; record a run with --truth {folder}")
            try:
                found = base.read_parquet(str(file))
                tables[table] = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
            except duckdb.Error as error:
                raise TruthError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error
    (run,) = tables["run"]
    world = World(Scenario.model_validate_json(run["scenario"]), run["seed"], run["start_ms"], run["speed"])
    walkers = {person_id(number): Walker(world, number) for number in range(1, run["walkers"] + 1)}
    for offer in sorted(tables["offers"], key=lambda row: int(row["at_ms"])):
        if offer["fate"] == "received":
            walkers[offer["person"]].add_offer(world.street_s(offer["at_ms"] - world.start_ms), offer["offer"])
    return LoadedTruth(world, walkers, tables)

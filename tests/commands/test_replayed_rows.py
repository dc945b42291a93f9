"""One definition, two readers: rows worked out from an exported log equal the rows that the gateway scored, bit for bit."""

from __future__ import annotations

import csv
import itertools
import random
from datetime import date
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from gateway.commands.history import Site as Exporter
from gateway.commands.history import write
from gateway.core.attributes.log import FoldedFact, LogRow
from gateway.core.attributes.replay import IncompleteLogError, PastDecision, logged_facts, replayed_rows
from gateway.core.attributes.sources import Request
from gateway.core.context import ZoneContext
from gateway.core.opening_hours import parse
from gateway.core.site import Site, local
from models.history.rows import Places, write_rows
from tests.kit.attributes import GROUPED, GROUPED_COLUMNS, GROUPED_MINED, RICH, RICH_COLUMNS
from tests.kit.testbed import EVERYTHING, HOUR_MS, OFFERS, ZONES, Gateway, Phone, TableScorer, campaign, make_site, purchase

DECISIONS_MIN = 600
ANCHORS = ("scan-cafe", "scan-bar", "scan-station")


class Proposed(NamedTuple):
    """A decision that proposed an offer, as the export states it."""

    past: PastDecision
    zone: str
    offer: str


class Exported(NamedTuple):
    """The folder, the site, and by person the log and the decisions that proposed an offer."""

    folder: Path
    site: Site
    log: dict[str, list[LogRow]]
    decisions: dict[str, list[Proposed]]

    def past(self, subject: str) -> list[PastDecision]:
        return [one.past for one in self.decisions[subject]]

    def replayed(self, subject: str, log: list[LogRow] | None = None) -> list[NDArray[np.float32]]:
        return list(replayed_rows(self.site.plan, self.log[subject] if log is None else log, self.past(subject)))

    def count_equal(self) -> int:
        """The number of replayed rows, after a check that each equals the scored row."""
        compared = 0
        for subject in self.decisions:
            for scored, replayed in zip(self.past(subject), self.replayed(subject), strict=True):
                assert scored.row.tobytes() == replayed.tobytes(), (subject, scored.facts)
                compared += 1
        return compared


def run(folder: Path, people: int, decisions_min: int, seed: int = 7) -> Exported:
    """A seeded run of several weeks: visits, answers, purchases, renewed consents; then `wayside history export`."""
    offers = [replace(offer, zones=("cafe", "bar", "station"), per_person_day_max=60) for offer in OFFERS]
    rules = {"gap_s_min": 0, "per_person_day_max": 64, "quiet_from": 0, "quiet_until": 0, "contact_cost_minor": 0.0}
    zones = {zone.id: zone for zone in ZONES} | {"cafe": replace(ZONES[0], opening_hours=parse("Mo-Sa 08:00-18:00; PH off"))}
    holidays = frozenset([date(2026, 6, 15)])
    places = {"zones": zones, "holidays": holidays}
    site = make_site(schema=GROUPED, columns=GROUPED_COLUMNS, mined=GROUPED_MINED, campaign=campaign(*offers, **rules), **places)
    gateway = Gateway(folder, site=site, scorer=TableScorer({"coffee_house": 0.4, "bar": 0.3}), synced=False)
    draws = random.Random(seed)  # noqa: S311 - a seeded test
    phones = [Phone(f"phone-{number:04}") for number in range(people)]
    for phone in phones:
        gateway.apply(phone.consent(told={"visits_month_bar": draws.uniform(0.0, 9.0)} if draws.random() < 0.5 else {}))
    made = step = 0
    while made < decisions_min:
        step += 1
        phone = draws.choice(phones)
        passed = gateway.pass_time(draws.randrange(1, HOUR_MS))
        if step % 40 == 0:
            purposes = EVERYTHING if draws.random() < 0.7 else ("presence", "offers", "learning")
            gateway.apply(phone.consent(purposes, told={"visits_month_coffee_house": draws.uniform(0.0, 9.0)}))
        anchor = draws.choice(ANCHORS)
        gateway.apply(phone.near(anchor))
        gateway.clock.advance(1_000)
        decisions = gateway.apply(phone.near(anchor)).decisions.made
        for _ in range(draws.choice((0, 4))):  # long enough to dwell, or not
            passed += gateway.pass_time(20_000)
            decisions += gateway.apply(phone.near(anchor)).decisions.made
        made += sum(decision.offer is not None for decision in (*decisions, *(one for changes in passed for one in changes.decisions.made)))
        for decision in decisions:
            if decision.offer is not None and draws.random() < 0.5:
                gateway.apply(phone.answer(decision.id, "shown"), phone.answer(decision.id, draws.choice(("accepted", "dismissed"))))
            if decision.offer is not None and draws.random() < 0.2:
                gateway.apply(purchase("till-bar", step, draws.randrange(100, 5_000), decision=decision.id))
    with gateway.reader() as reader:
        write(reader, Exporter({}, gateway.site.plan, "Europe/Berlin"), folder / "out", gateway.clock.now_ms(), "csv")
    gateway.close()
    return read(folder / "out", gateway.site)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return run(tmp_path_factory.mktemp("replay"), 30, DECISIONS_MIN)


def read(folder: Path, site: Site) -> Exported:
    """The export as a workstation reads it."""
    with (folder / "facts.jsonl").open("rb") as file:
        log = logged_facts(file)
    found: dict[str, list[Proposed]] = {}
    with (folder / "interactions.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["what"] == "proposed":
                values = [float(row[f"f_{name}"] or "nan") for name in site.plan.columns]
                past = PastDecision(int(row["facts"]), int(row["at_ms"]), row["kind"], np.array(values, dtype=np.float32))
                found.setdefault(row["subject"], []).append(Proposed(past, row["zone"], row["offer"]))
    return Exported(folder, site, log, {subject: sorted(past, key=lambda one: one.past.facts) for subject, past in found.items()})


def test_replayed_rows_equal_the_scored_rows_bit_for_bit(exported: Exported) -> None:
    assert exported.count_equal() >= DECISIONS_MIN * 0.9


def test_rows_are_worked_out_for_an_export_without_scored_columns(exported: Exported, tmp_path: Path) -> None:
    """All columns but those of place and occasion, which are not in the export."""
    past, out = tmp_path / "past", tmp_path / "rows"
    past.mkdir()
    (past / "facts.jsonl").write_bytes((exported.folder / "facts.jsonl").read_bytes())
    with (exported.folder / "interactions.csv").open(encoding="utf-8", newline="") as file:
        scored = list(csv.DictReader(file))
    plain = [name for name in scored[0] if not name.startswith("f_")]
    with (past / "interactions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, plain, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(scored)
    site = exported.site
    places = Places(
        {zone.id: (zone.x_m, zone.y_m) for zone in site.zones.values()},
        frozenset(zone.id for zone in site.zones.values() if zone.transit),
        ZoneInfo("Europe/Berlin"),
        {zone.id: zone.opening_hours for zone in site.zones.values() if zone.opening_hours is not None},
        site.holidays,
    )
    written = write_rows(past, RICH, site.campaign, places, out)
    with (out / "interactions.csv").open(encoding="utf-8", newline="") as file:
        worked_out = list(csv.DictReader(file))
    here = {one.name for one in RICH.attributes if one.about in {"place", "occasion"}}
    names = [f"f_{column}" for one in site.plan.used for column in one.columns if one.name not in here and column in RICH_COLUMNS]
    compared = 0
    for then, now in zip(scored, worked_out, strict=True):
        if then["what"] == "proposed":
            assert [np.float32(now[name] or "nan") for name in names] == pytest.approx(
                [np.float32(then[name] or "nan") for name in names], rel=0, abs=0, nan_ok=True
            )
            compared += 1
    assert compared == written.proposals >= DECISIONS_MIN * 0.9


@pytest.mark.soak
def test_a_hundred_thousand_replayed_rows_equal_the_scored_rows_bit_for_bit(tmp_path: Path) -> None:
    """Twenty runs of 30 people over half a year, as long as decisions are kept; people without learning at the end are not exported."""
    compared = 0
    for seed in range(20):
        folder = tmp_path / str(seed)
        folder.mkdir()
        compared += run(folder, 30, 8_000, seed).count_equal()
    assert compared >= 100_000


def test_values_of_moment_and_offer_follow_from_time_zone_and_offer(exported: Exported) -> None:
    """They are not in the history log: the row of a decision, the config and the campaign of that day give them again."""
    site, plan = exported.site, exported.site.plan
    ways = {"walk_min", "distance_m"}
    used = [one for one in plan.used if one.about == "moment" or one.offer is not None or (one.between and one.between.field in ways)]
    places = [plan.columns.index(column) for one in used for column in one.columns if column in plan.columns]
    assert len(places) >= 20
    for proposed in itertools.chain.from_iterable(exported.decisions.values()):
        zone, at_ms = site.zones[proposed.zone], proposed.past.at_ms
        moment = at_ms, local(at_ms, site.timezone), zone.opening_hours, site.holidays
        request = Request({}, {}, (), zone.id, zone.transit, ZoneContext(), "entered", 0.0, *moment)
        row = plan.matrix(request, [site.campaign.table.position[proposed.offer]])[0]
        assert row[places].tobytes() == proposed.past.row[places].tobytes(), (proposed.zone, at_ms)


def test_the_run_exercises_the_attributes(exported: Exported) -> None:
    rows = np.stack([one.past.row for decisions in exported.decisions.values() for one in decisions])
    for column in ("habit", "worth", "group_many", "crawler", "gain", "together", "similar"):
        values = rows[:, exported.site.plan.columns.index(column)]
        assert len(np.unique(values[~np.isnan(values)])) > 1, column
    tiered = rows[:, exported.site.plan.columns.index("answers_week")]
    assert 0.1 < np.isnan(tiered).mean() < 0.9, "people of each tier"
    never = {f"visits_{kind}" for kind in ("restaurant_cheap", "restaurant_dear", "carry_away")}
    also = {"closes", "holiday", "weekday", "left", "value", "distance"}
    for one in GROUPED.attributes:
        if one.name in also or (one.history is not None and one.name not in never):
            values = rows[:, exported.site.plan.columns.index(one.name)]
            assert len(np.unique(values[~np.isnan(values)])) > 1, one.name


def test_a_label_that_leaks_into_the_history_is_noticed(exported: Exported) -> None:
    """The log shifted by one fact: each decision then knows the fact that follows it, often its own answer."""
    differing = compared = 0
    for subject in exported.decisions:
        shifted = [replace(row, body=later.body) for row, later in zip(exported.log[subject], exported.log[subject][1:], strict=False)]
        kept = [decision for decision in exported.past(subject) if 1 < decision.facts <= len(shifted)]
        if not isinstance(exported.log[subject][0].body, FoldedFact):
            shifted[0] = exported.log[subject][0]
        for scored, replayed in zip(kept, replayed_rows(exported.site.plan, shifted, kept), strict=True):
            differing += scored.row.tobytes() != replayed.tobytes()
            compared += 1
    assert compared > DECISIONS_MIN / 2
    assert differing > compared / 2


def test_a_log_without_its_beginning_is_refused(exported: Exported) -> None:
    subject = next(iter(exported.decisions))
    with pytest.raises(IncompleteLogError, match="fact 2 follows fact 0"):
        exported.replayed(subject, exported.log[subject][1:])
    with pytest.raises(IncompleteLogError, match="the log has 1"):
        exported.replayed(subject, exported.log[subject][:1])


def test_a_line_that_is_no_fact_is_refused() -> None:
    with pytest.raises(ValueError, match="is no fact"):
        logged_facts([b"{}"])

"""The truth of a run is complete and reproducible, and its probabilities match the simulated behaviour."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firmware_sim.cli import app
from firmware_sim.draws import generator
from firmware_sim.people.behaviour import OfferEffect
from firmware_sim.people.counterfactual import OfferValue, baseline_purchases, offer_value
from firmware_sim.people.truth import TABLES, LoadedTruth, OfferRecord, Sale, Truth, TruthRecorder, read
from firmware_sim.people.walker import Walker
from firmware_sim.scenario import Scenario, load
from firmware_sim.world.world import World
from tests.sim.truths import Offering


@pytest.fixture(scope="module")
def offered(street_plan: Scenario, tmp_path_factory: pytest.TempPathFactory) -> LoadedTruth:
    """A minute of random offers, then the horizon of counterfactual purchases."""
    run = Offering(street_plan)
    run.at_random(until_ms=65_000, every_ms=500, each=2)
    run.street.run_until(125_000)
    return run.known(tmp_path_factory.mktemp("truth"))


def test_every_table_is_there_with_its_columns(offered: LoadedTruth) -> None:
    assert offered.tables.keys() == TABLES.keys()
    for name, columns in TABLES.items():
        if name != "incidents":  # the street has no incident
            assert [column.split()[0] for column in columns.split(", ")] == list(offered.tables[name][0])
    assert len(offered.tables["people"]) == len(offered.walkers) == 80


def test_same_run_same_truth(tmp_path: Path) -> None:
    for name in ("one", "two"):
        where = [str(tmp_path / f"{name}.jsonl"), "--truth", str(tmp_path / name)]
        done = CliRunner().invoke(app, ["record", "mall", *where, "--seconds", "15", "--walkers", "50"])
        assert done.exit_code == 0, done.stderr
    one, two = (read(tmp_path / name).tables for name in ("one", "two"))
    assert one == two
    assert len(one["visits"]) > 15


def test_the_world_that_is_read_is_the_world_that_was(offered: LoadedTruth, street_plan: Scenario) -> None:
    assert offered.world.scenario.changed(offers=()) == street_plan.changed(offers=(), faults=())
    again = Walker(World(street_plan, seed=3, start_ms=street_plan.start_ms, speed=20.0), 9)
    assert [offered.walkers["phone-0009"].itinerary.stay(index) for index in range(6)] == [again.itinerary.stay(i) for i in range(6)]


def test_stays_of_one_person_do_not_overlap_and_passing_lies_between(offered: LoadedTruth) -> None:
    for person in ("phone-0001", "phone-0017", "phone-0050"):
        rows = [row for row in offered.tables["visits"] if row["person"] == person]
        stays = [row for row in rows if row["what"] == "stay"]
        assert all(one["until_ms"] <= other["from_ms"] for one, other in pairwise(stays))
        for row in rows:
            if row["what"] == "passing":
                assert not any(row["from_ms"] < stay["until_ms"] and stay["from_ms"] < row["until_ms"] for stay in stays)
    assert any(row["what"] == "passing" for row in offered.tables["visits"])


def test_people_accept_as_often_as_they_truly_would(offered: LoadedTruth) -> None:
    taken = {row["decision"] for row in offered.tables["answers"] if row["answer"] == "accepted"}
    received = [row for row in offered.tables["offers"] if row["fate"] == "received"]
    expected = sum(row["acceptance"] for row in received)
    spread = math.sqrt(sum(row["acceptance"] * (1 - row["acceptance"]) for row in received))
    assert len(received) > 200
    assert abs(len(taken) - expected) < 3 * spread


def test_people_buy_anyway_as_often_as_they_truly_would(offered: LoadedTruth) -> None:
    """Offers never change the open loop, so the counterfactual can be looked up."""
    ahead_ms = offered.world.scenario.choices.anyway_s * 1000 / offered.world.speed
    sales = [row for row in offered.tables["purchases"] if row["cause"] != "offer"]
    received = [row for row in offered.tables["offers"] if row["fate"] == "received"]
    happened = [
        any(
            (sale["person"], sale["shop"]) == (row["person"], row["shop"]) and 0 < sale["at_ms"] - row["at_ms"] <= ahead_ms
            for sale in sales
        )
        for row in received
    ]
    halves = sorted(zip((row["anyway"] for row in received), happened, strict=True))
    middle = len(halves) // 2
    for part in (halves[:middle], halves[middle:]):
        assert sum(said for said, _ in part) / len(part) == pytest.approx(sum(did for _, did in part) / len(part), abs=0.09)
    assert sum(did for _, did in halves[middle:]) > 1.5 * sum(did for _, did in halves[:middle])


def test_where_people_come_and_go_the_counterfactual_holds_too() -> None:
    plan = load("station")
    world, expected, variance, happened = World(plan, seed=3, start_ms=plan.start_ms, speed=20.0), 0.0, 0.0, 0
    now_s, until_s = 800.0, 800.0 + plan.choices.anyway_s
    for number in range(1, 301):
        walker, index, bought = Walker(world, number), 0, set()
        for probability in baseline_purchases(walker, now_s, generator(1, "station", number), 16).values():
            expected, variance = expected + probability, variance + probability * (1 - probability)
        while (stay := walker.itinerary.stay(index)).from_s < until_s:
            index += 1
            if stay.buys_s is not None and now_s < stay.buys_s <= until_s:
                bought.add(stay.zone)
        happened += len(bought)
    assert expected > 20
    assert abs(happened - expected) < 3 * math.sqrt(variance)


def test_purchases_have_a_cause(offered: LoadedTruth) -> None:
    causes = {cause: [row for row in offered.tables["purchases"] if row["cause"] == cause] for cause in ("offer", "anyway", "replaced")}
    assert sum(map(len, causes.values())) == len(offered.tables["purchases"])
    redeemed = {row["decision"] for row in offered.tables["answers"] if row["answer"] == "redeemed"}
    assert redeemed <= {row["decision"] for row in causes["offer"]}
    assert len(causes["anyway"]) > 50
    by_offer = {(row["person"], row["shop"]) for row in causes["offer"]}
    assert causes["replaced"]
    assert all((row["person"], row["shop"]) in by_offer for row in causes["replaced"])


def test_weariness_shows(offered: LoadedTruth) -> None:
    received = sorted((row for row in offered.tables["offers"] if row["fate"] == "received"), key=lambda row: int(row["at_ms"]))
    ordinal: dict[str, int] = {}
    early: list[float] = []
    late: list[float] = []
    for row in received:
        ordinal[row["person"]] = ordinal.get(row["person"], 0) + 1
        (early if ordinal[row["person"]] == 1 else late if ordinal[row["person"]] > 4 else []).append(row["acceptance"])
    assert sum(late) / len(late) < 0.8 * sum(early) / len(early)


def test_worth_is_the_formula(street_plan: Scenario) -> None:
    world = World(street_plan, seed=1, start_ms=0, speed=20.0)
    coffee, share = street_plan.tastes["coffee_house"], street_plan.people.redeeming_share
    margin = coffee.amount_minor * coffee.margin_share
    plain, cut = OfferEffect(id="a", shop="cafe"), OfferEffect(id="b", shop="cafe", discount=0.25)
    assert offer_value(world, plain, 0.5, 0.0) == pytest.approx(OfferValue(0.5 * share, 0.5 * share * margin))
    assert offer_value(world, plain, 0.5, 1.0) == pytest.approx(OfferValue(0.0, 0.0))
    sure_thing = offer_value(world, cut, 0.5, 1.0)
    assert sure_thing == pytest.approx(OfferValue(0.0, -0.5 * share * 0.25 * coffee.amount_minor))  # a negative gain
    assert offer_value(world, OfferEffect(id="c", shop="plaza"), 0.5, 0.0) == OfferValue(0.0, 0.0)


def test_who_stands_in_the_shop_and_has_not_paid_may_well_buy(street_plan: Scenario) -> None:
    world = World(street_plan, seed=1, start_ms=0, speed=20.0)
    walker = next(w for w in (Walker(world, number) for number in range(1, 80)) if w.itinerary.stay(0).zone == "cafe")
    stay = walker.itinerary.stay(0)
    found = baseline_purchases(walker, stay.from_s, generator(1, "x"))
    assert found["cafe"] > street_plan.people.buying_share - 0.01
    assert 0.0 < found["bistro"] < 0.5


def test_consents_are_those_that_were_told(offered: LoadedTruth) -> None:
    told = {(row["person"], row["what"]) for row in offered.tables["consents"]}
    assert {person for person, what in told if what == "given"} == {name for name, w in offered.walkers.items() if w.consents}
    gone = {name for name, walker in offered.walkers.items() if walker.withdraws_s is not None}
    assert {person for person, what in told if what == "withdrawn"} == gone


def test_incidents_are_in_the_truth(tmp_path: Path) -> None:
    plan = load("station")
    world = World(plan, seed=1, start_ms=plan.start_ms, speed=20.0)
    Truth(world, [], Offering(plan).recorder, 200_000).write(tmp_path)
    (row,) = read(tmp_path).tables["incidents"]
    assert (row["zone"], row["from_ms"] - plan.start_ms, row["until_ms"] - plan.start_ms) == ("platform-2", 45_000, 135_000)


def test_a_folder_without_truth_is_told(tmp_path: Path) -> None:
    (tmp_path / "interactions.csv").write_text("subject,at_ms,what\n")
    done = CliRunner().invoke(app, ["score", "--truth", str(tmp_path), "--history", str(tmp_path), "--json"])
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert "--truth" in done.stderr


def test_a_live_run_tells_the_truth_of_what_it_published(tmp_path: Path, street_plan: Scenario) -> None:
    file, folder = tmp_path / "s.jsonl", tmp_path / "truth"
    done = CliRunner().invoke(app, ["record", "street", str(file), "--seconds", "30", "--truth", str(folder), "--json"])
    assert done.exit_code == 0, done.stderr
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    amounts = sorted(json.loads(row["payload"])["amount_minor"] for row in rows if row["topic"].endswith("/purchase"))
    assert amounts == sorted(row["amount_minor"] for row in read(folder).tables["purchases"])


def test_a_redeemed_offer_replaces_one_purchase_and_looks_from_the_offer_on(tmp_path: Path, street_plan: Scenario) -> None:
    recorder = TruthRecorder()
    recorder.add_offer(OfferRecord(1, 2_000, "d1", "flat-white", "plaza", "cafe", "received", 0.5))
    for at_ms, decision in ((1_000, None), (3_000, None), (5_000, "d1"), (9_000, None)):
        recorder.add_sale(Sale(1, at_ms, "cafe", 450, decision))
    world = World(street_plan, seed=1, start_ms=0, speed=20.0)
    Truth(world, [Walker(world, 1)], recorder, 10_000).write(tmp_path)
    assert [row["cause"] for row in read(tmp_path).tables["purchases"]] == ["anyway", "replaced", "offer", "anyway"]


def test_no_incident_is_torn_by_the_clocks_rounding() -> None:
    plan = load("mall").changed(clock=None)
    for start_ms in range(1_793_617_200_000, 1_793_857_200_000, 1_000_003):
        world = World(plan, seed=1, start_ms=start_ms, speed=20.0)
        told = [row[2:] for row in Truth(world, [], TruthRecorder(), 7 * 86_400_000 // 20)._rows("incidents")]
        assert sum(until_ms - from_ms for from_ms, until_ms in told) == pytest.approx(30_000, abs=3)  # ten minutes a week
        assert all(until_ms > from_ms for from_ms, until_ms in told)


def test_a_folder_that_cannot_be_written_is_told_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "truth").write_text("a file")
    file = tmp_path / "s.jsonl"
    done = CliRunner().invoke(app, ["record", "street", str(file), "--seconds", "1", "--truth", str(tmp_path / "truth")])
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
    assert not file.exists()

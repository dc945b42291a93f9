"""The simulated past and the loyalty app: reproducible, of the right rate, and consistent with the truth."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from importlib import resources
from pathlib import Path
from statistics import fmean

import duckdb
import numpy as np
import pytest
from typer.testing import CliRunner

from firmware_sim.cli import app
from firmware_sim.draws import generator
from firmware_sim.past.past import Past
from firmware_sim.people import tastes
from firmware_sim.people.baskets import fill
from firmware_sim.people.loyalty import DAY_S
from firmware_sim.people.walker import Walker
from firmware_sim.scenario import Scenario, load
from firmware_sim.score.probability import Probabilities, area, popularity, probabilities
from firmware_sim.world.world import World


@pytest.fixture(scope="module")
def mall() -> Scenario:
    return load("mall")


@pytest.fixture(scope="module")
def world(mall: Scenario) -> World:
    return World(mall, 5, mall.start_ms, mall.speed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("past")
    done = CliRunner().invoke(app, ["past", "mall", "--people", "60", "--offers", "4", "--seed", "5", "--out", str(out), "--json"])
    assert done.exit_code == 0, done.stderr
    (out / "summary.json").write_text(done.stdout, "utf-8")
    return out


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "gateway" / "interactions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for seed, same in (("5", True), ("6", False)):
        out = tmp_path / seed
        assert (
            CliRunner().invoke(app, ["past", "mall", "--people", "60", "--offers", "4", "--seed", seed, "--out", str(out)]).exit_code == 0
        )
        for name in ("gateway/interactions.csv", "gateway/facts.jsonl", "shops/baskets.csv"):
            assert ((out / name).read_bytes() == (folder / name).read_bytes()) is same


def test_the_summary_counts_the_rows(folder: Path) -> None:
    summary, counts = json.loads((folder / "summary.json").read_text("utf-8")), Counter(row["what"] for row in rows(folder))
    assert (summary["offers"], summary["visits"], summary["accepted"]) == (counts["proposed"], counts["visit"], counts["accepted"])
    assert counts["shown"] == counts["proposed"] == 4 * summary["people"]
    assert counts["purchase"] == counts["redeemed"] <= counts["accepted"]
    assert summary["auc_of_the_truth"] > 0.65 > summary["auc_of_popularity"]


def test_facts_are_numbered_and_proposals_rest_on_earlier_ones(folder: Path) -> None:
    log: dict[str, list[dict[str, object]]] = {}
    for line in (folder / "gateway" / "facts.jsonl").read_text("utf-8").splitlines():
        fact = json.loads(line)
        log.setdefault(fact["subject"], []).append(fact)
    for facts in log.values():
        assert [fact["number"] for fact in facts] == list(range(1, len(facts) + 1))
        assert facts[0]["body"]["type"] == "consent"  # type: ignore[index]
    for row in rows(folder):
        if row["what"] == "proposed":
            facts = log[row["subject"]]
            before, after = facts[int(row["facts"]) - 1], facts[int(row["facts"])]
            assert before["at_ms"] <= int(row["at_ms"]) == after["at_ms"]  # type: ignore[operator]
            assert after["body"]["fact"]["of"] == "contacts"  # type: ignore[index]  # its own contact is the next fact


def test_people_without_consent_to_learning_leave_nothing(folder: Path, world: World) -> None:
    there = {row["subject"] for row in rows(folder)}
    for number in range(1, 61):
        past = Past(world, number, 4, 4000)
        assert (past.subject in there) == past.remembered == (past.walker.consents and "learning" in past.walker.purposes)


def test_offers_of_closed_shops_are_not_proposed(mall: Scenario) -> None:
    closed = mall.changed(zones=tuple(zone.changed(hours=("mon 03:00-03:01",)) if zone.id == "toy-shop" else zone for zone in mall.zones))
    shops = {offer.id: offer.shop for offer in mall.offers}
    seen = {True: set[str](), False: set[str]()}
    for plan in (mall, closed):
        for number in range(1, 25):
            past = Past(World(plan, 5, plan.start_ms, plan.speed), number, 4, 4000)
            past.events()
            seen[plan is mall] |= {shops[made.offer] for made in past.proposals}
    assert seen[True] - seen[False] == {"toy-shop"}


def test_purchases_before_the_run_follow_the_taste(world: World, mall: Scenario) -> None:
    walkers = [Walker(world, number) for number in range(1, 301)]
    assert mall.loyalty is not None
    expected, found = 0.0, 0
    for walker in walkers:
        segment = mall.segments[walker.person.segment]
        rate = mall.tastes["books"].visits * segment.visits * np.exp(tastes.TASTE_IN_VISITS * walker.tastes["books"])
        expected += min(rate * walker.buys(world.zones["bookshop"]), 30.0) * mall.loyalty.past_days / 30
        past = [purchase for purchase in walker.loyalty.past() if purchase.kind == "books"]
        assert all(-mall.loyalty.past_days * DAY_S <= purchase.at_s < 0.0 for purchase in past)
        found += len(past)
    assert found == pytest.approx(expected, abs=4 * expected**0.5)


def test_stated_values_count_the_last_days_and_grow_with_the_run(world: World, mall: Scenario) -> None:
    assert mall.loyalty is not None
    walker = next(walker for walker in (Walker(world, number) for number in range(1, 50)) if walker.loyalty.past())
    stated = walker.loyalty.stated(0.0)
    for kind in mall.tastes:
        recent = [one for one in walker.loyalty.past() if one.kind == kind and one.at_s > -mall.loyalty.days * DAY_S]
        assert stated[f"bought_{kind}"] == len(recent)
    more = walker.loyalty.stated(100.0, [(50.0, "books"), (101.0, "books")])
    assert more["bought_books"] == stated["bought_books"] + 1.0
    assert walker.loyalty.stated(365 * DAY_S)["bought_groceries"] == 0.0


def test_interests_follow_the_taste_and_are_stated_by_a_share(world: World, mall: Scenario) -> None:
    assert mall.loyalty is not None
    walkers = [Walker(world, number) for number in range(1, 501)]
    stating = [(walker, stated) for walker in walkers if "interest_toys" in (stated := walker.loyalty.stated(0.0))]
    assert len(stating) / 500 == pytest.approx(mall.loyalty.stating_share, abs=0.07)
    keen = fmean(stated["interest_toys"] for walker, stated in stating if walker.tastes["toys"] > 0.5)
    not_keen = fmean(stated["interest_toys"] for walker, stated in stating if walker.tastes["toys"] < -0.5)
    assert keen > not_keen + 1.0
    assert {value for _, stated in stating for name, value in stated.items() if name.startswith("interest_")} == {1.0, 2.0, 3.0, 4.0, 5.0}


def test_a_street_without_a_loyalty_app_states_nothing(street_plan: Scenario) -> None:
    walker = Walker(World(street_plan, 1, street_plan.start_ms, street_plan.speed), 1)
    assert walker.loyalty.past() == []
    assert walker.loyalty.stated(0.0) == {}


def test_a_basket_adds_up(mall: Scenario) -> None:
    draws = generator(3, "baskets")
    for _ in range(200):
        basket = fill(mall.tastes["shoes"], draws)
        assert basket.amount_minor == sum(line.amount_minor for line in basket.lines)
        assert len({line.code for line in basket.lines}) == len(basket.lines) in {1, 2, 3}
        assert all(line.amount_minor == line.quantity * mall.tastes["shoes"].items[line.code] for line in basket.lines)
    plain = fill(mall.tastes["shoes"].model_copy(update={"items": {}}), draws)
    assert plain.lines == ()
    assert plain.amount_minor > 0


def test_a_scenario_without_offers_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "still.toml"
    whole = (resources.files("firmware_sim") / "scenarios" / "mall.toml").read_text("utf-8")
    file.write_text(re.sub(r"^offers = \[.*?^\]", "", whole, flags=re.MULTILINE | re.DOTALL), "utf-8")
    done = CliRunner().invoke(app, ["past", str(file), "--out", str(tmp_path / "past")])
    assert done.exit_code == 1
    assert "still.toml has no [[offers]]" in done.stderr
    assert not (tmp_path / "past").exists()


def test_areas_of_known_scores() -> None:
    flags = np.array([True, True, False, False])
    assert area(np.array([0.9, 0.8, 0.2, 0.1]), flags) == 1.0
    assert area(np.array([0.9, 0.2, 0.8, 0.1]), flags) == 0.75
    assert area(np.array([0.5, 0.5, 0.5, 0.5]), flags) == 0.5
    assert area(np.array([0.1, 0.2]), np.array([True, True])) is None


def test_popularity_leaves_the_own_answers_out() -> None:
    assert popularity([("a", "x", True), ("b", "x", False), ("c", "x", True), ("a", "y", True)]) == [0.5, 1.0, 0.5, 0.5]


def scored(people: int, noise: float) -> Probabilities | None:
    """Three offers to each person, accepted by their true probability; the gateway's one is the true one with some noise."""
    draws = np.random.default_rng(4)
    with duckdb.connect() as base:
        columns = "export integer, subject text, at_ms bigint, what text, offer text, decision text, propensity double"
        base.execute(f"create table interactions ({columns})")
        base.execute("create table matched (export integer, subject text, person text)")
        base.execute("create table offers (person text, at_ms bigint, decision text, offer text, acceptance double)")
        base.execute("create table answers (person text, at_ms bigint, decision text, answer text)")
        for number in range(people):
            base.execute("insert into matched values (0, ?, ?)", [f"s{number}", f"p{number}"])
            for turn in range(3):
                at_ms, truth, code = 10_000 * turn, float(draws.uniform()), f"{number}-{turn}"
                guess = min(max(truth + float(draws.normal(0.0, noise)), 0.0), 1.0)
                base.execute("insert into interactions values (0, ?, ?, 'proposed', 'tea', 'other code', ?)", [f"s{number}", at_ms, guess])
                base.execute("insert into offers values (?, ?, ?, 'tea', ?)", [f"p{number}", at_ms + 40, code, truth])
                base.execute("insert into answers values (?, ?, ?, ?)", [f"p{number}", at_ms + 90, code, "shown"])
                if draws.uniform() < truth:
                    base.execute("insert into answers values (?, ?, ?, 'accepted')", [f"p{number}", at_ms + 99, code])
        return probabilities(base, 2000, seed=1)


def test_the_areas_of_a_gateway_lie_between_chance_and_the_truth() -> None:
    exact, noisy, useless = (scored(120, noise) for noise in (0.0, 0.3, 50.0))
    assert exact is not None
    assert noisy is not None
    assert useless is not None
    assert (exact.offers, exact.people) == (360, 120)
    assert exact.model == exact.truth
    assert exact.truth.auc > noisy.model.auc > noisy.model.low > 0.5
    assert useless.model.low < 0.5 < useless.model.high
    assert noisy.popularity.auc < 0.55  # one offer: other people's acceptance says nothing about a person


def test_areas_need_both_answers() -> None:
    assert scored(0, 0.0) is None

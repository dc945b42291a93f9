"""Every shipped world makes offers, gets answers, and has its history attributes on the device."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import NamedTuple

import pytest

from firmware_sim.scenario import load
from firmware_sim.score import report
from tests.worlds.run import WorldRun, running

SECONDS = {"mall": 60.0, "station": 180.0, "street": 20.0}  # until people were offered twice


class Ran(NamedTuple):
    """The end of a run: its world, and the folders of the truth and of the exports."""

    world: str
    run: WorldRun
    truth: Path
    exports: list[Path]

    def rows(self, name: str) -> list[dict[str, str]]:
        """The rows of a table of all gateways."""
        found: list[dict[str, str]] = []
        for out in self.exports:
            with (out / name).open(encoding="utf-8", newline="") as file:
                found += csv.DictReader(file)
        return found


def ran(folder: Path, world: str, seconds: float) -> Ran:
    with running(folder / world, world, 1) as run:
        run.run(seconds)
        return Ran(world, run, *run.write())


@pytest.fixture(scope="module", params=sorted(SECONDS))
def end(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return ran(tmp_path_factory.mktemp("world"), request.param, SECONDS[request.param])


def test_a_world_makes_offers_and_gets_answers(end: Ran) -> None:
    assert (end.truth / "tastes.parquet").is_file()
    assert end.run.count("chosen") > 5
    assert end.run.count("shown") > end.run.count("accepted") > 0
    messages = sum(served.router.messages.total() for served in end.run.gateways)
    assert sum(served.router.refused.total() for served in end.run.gateways) < messages / 100


def test_purchases_with_an_offer_are_in_the_history_of_the_device(end: Ran) -> None:
    facts = [json.loads(line)["body"] for out in end.exports for line in (out / "facts.jsonl").read_text("utf-8").splitlines()]
    bought = [body["fact"] for body in facts if body["type"] == "fact" and body["fact"]["of"] == "purchases"]
    kinds = load(end.world).tastes
    assert bought
    assert {fact["category"] for fact in bought} <= set(kinds)
    named = {item for taste in kinds.values() for item in taste.items} or set(kinds)  # a till without articles: the category
    assert {row["item"] for row in end.rows("baskets.csv")} <= named


def test_stated_and_observed_values_are_scored(end: Ran) -> None:
    stated = {"mall": "f_purchases_groceries", "station": "f_visits_bread", "street": "f_visits_coffee_house"}[end.world]
    proposed = [row for row in end.rows("interactions.csv") if row["what"] == "proposed"]
    assert len({row[stated] for row in proposed}) > 3
    known = {name for row in proposed for name, value in row.items() if value}
    if end.world == "street":
        assert {"f_weather_sunny", "f_travel", "f_hour"} <= known
        return
    assert {"f_weather_sunny", "f_walk", "f_hour", "f_discount", "f_hours_since_offer"} <= known
    assert any(float(row["f_accepted_share"] or 0.0) > 0.0 for row in proposed)


@pytest.mark.soak
@pytest.mark.parametrize(("world", "least"), [("mall", 0.55), ("station", 0.55), ("street", 0.52)])
def test_probabilities_carry_information_about_other_people(tmp_path: Path, world: str, least: float) -> None:
    done = ran(tmp_path, world, 300.0)
    found = report.score(done.truth, done.exports, draws=0).probabilities
    assert found is not None
    assert found.model.low > least
    assert found.truth.auc > found.model.auc > found.popularity.auc

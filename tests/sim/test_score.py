"""The score has known results for histories that are correct, late, invented or missing, and for random, good or harmful triggers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from firmware_sim.cli import app
from firmware_sim.people.counterfactual import baseline_purchases
from firmware_sim.people.truth import LoadedTruth
from firmware_sim.scenario import Scenario
from firmware_sim.score import report
from firmware_sim.score.value import effects, gain
from firmware_sim.score.visits import rate
from tests.sim.truths import Offering, learning, visit, write_history


class Scored:
    """A run with random offers, its truth on disk, and the pseudonyms in its histories."""

    def __init__(self, plan: Scenario, folder: Path) -> None:
        run = Offering(plan)
        run.at_random(until_ms=45_000, every_ms=500, each=2)
        run.street.run_until(100_000)
        self.truth = folder / "truth"
        self.known: LoadedTruth = run.known(self.truth)
        self.names = learning(self.known)

    def stays(self) -> list[dict[str, Any]]:
        told = [row for row in self.known.tables["visits"] if row["what"] == "stay" and row["person"] in self.names]
        return [row for row in told if row["until_ms"] < self.known.tables["run"][0]["until_ms"]]

    def proposals(self) -> list[dict[str, Any]]:
        return [
            {"subject": self.names[row["person"]], "what": "proposed", **{key: row[key] for key in ("at_ms", "zone", "offer", "decision")}}
            for row in self.known.tables["offers"]
            if row["person"] in self.names
        ]


@pytest.fixture(scope="module")
def scored(street_plan: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    return Scored(street_plan, tmp_path_factory.mktemp("scored"))


def all_zones(result: report.Score) -> Any:
    return result.visits[-1]


def test_a_history_that_is_the_truth_is_perfect(scored: Scored, tmp_path: Path) -> None:
    rows = [visit(scored.names[row["person"]], row["zone"], row["from_ms"], row["until_ms"]) for row in scored.stays()]
    result = report.score(scored.truth, [write_history(tmp_path, [*rows, *scored.proposals()])], draws=0)
    every = all_zones(result)
    assert (every.precision.share, every.recall.share, every.pieces) == (1.0, 1.0, 1.0)
    assert 100 < every.recall.of <= len(rows)  # a stay that began before the consent does not count
    assert (every.entered_p50_s, every.entered_p95_s, every.left_p50_s, every.left_p95_s) == (0.0, 0.0, 0.0, 0.0)
    assert result.matching.unmatched == 0
    assert result.matching.people == {(0, name): person for person, name in scored.names.items() if (0, name) in result.matching.people}
    assert not result.not_served


def test_lateness_omissions_and_inventions_are_measured(scored: Scored, tmp_path: Path) -> None:
    rows = []
    for index, row in enumerate(scored.stays()):
        if index % 5:  # every fifth is missing
            rows.append(visit(scored.names[row["person"]], row["zone"], row["from_ms"] + 700, row["until_ms"] + 2000))
    told = len(rows)
    long = [row for row in scored.stays() if row["until_ms"] - row["from_ms"] > 8_000]
    for row in long[:30]:  # within a long stay the person was nowhere else
        middle_ms = (row["from_ms"] + row["until_ms"]) // 2
        rows.append(visit(scored.names[row["person"]], "pub" if row["zone"] == "market" else "market", middle_ms, middle_ms + 1))
    result = report.score(scored.truth, [write_history(tmp_path, [*rows, *scored.proposals()])], grace_s=2.0, draws=0)
    every = all_zones(result)
    assert every.recall.share == pytest.approx(0.8, abs=0.02)  # next visits that run late may touch a stay that was left out
    assert every.entered_p50_s == pytest.approx(0.7)
    assert every.left_p50_s == pytest.approx(2.0)
    assert every.precision.share == pytest.approx(told / (told + 30), abs=1e-9)
    assert every.precision.low < every.precision.share < every.precision.high


def test_whoever_says_that_everybody_is_always_everywhere_is_neither_right_nor_complete(scored: Scored, tmp_path: Path) -> None:
    (run,) = scored.known.tables["run"]
    zones = [zone.id for zone in scored.known.world.scenario.zones]
    rows = [visit(name, zone, run["start_ms"], run["until_ms"]) for name in scored.names.values() for zone in zones]
    every = all_zones(report.score(scored.truth, [write_history(tmp_path, [*rows, *scored.proposals()])], draws=0))
    assert every.precision.share < 0.1
    assert every.recall.share < 0.2


def test_subjects_without_decisions_are_known_by_whom_they_were_with(scored: Scored, tmp_path: Path) -> None:
    rows = [visit(scored.names[row["person"]], row["zone"], row["from_ms"] + 300, row["until_ms"] + 900) for row in scored.stays()]
    result = report.score(scored.truth, [write_history(tmp_path, rows)], draws=0)
    assert result.matching.by_offers == 0
    right = sum(result.matching.people.get((0, name)) == person for person, name in scored.names.items())
    assert right >= 0.95 * len({row["subject"] for row in rows})


def test_two_gateways_of_which_each_serves_a_part(scored: Scored, tmp_path: Path) -> None:
    west = {"plaza", "arcade", "cafe", "bistro"}
    rows = [visit(scored.names[row["person"]], row["zone"], row["from_ms"], row["until_ms"]) for row in scored.stays()]
    folders = [write_history(tmp_path / str(here), [row for row in rows if (row["zone"] in west) == here]) for here in (True, False)]
    only_west = report.score(scored.truth, folders[:1], draws=0)
    assert only_west.not_served == ["noodle-bar", "pub", "station", "market"]
    assert [row.zone for row in only_west.visits] == ["plaza", "arcade", "cafe", "bistro", "all"]
    both = all_zones(report.score(scored.truth, folders, draws=0))
    assert both.recall.share > 0.97  # subjects seen only briefly may be mismatched


def test_sending_blindly_is_no_better_than_chance(scored: Scored, tmp_path: Path) -> None:
    value = report.score(scored.truth, [write_history(tmp_path, scored.proposals())], draws=200).value
    assert value is not None
    assert value.advantage.low < 0.0 < value.advantage.high
    assert value.chance_total_minor.low < value.total_minor < value.chance_total_minor.high
    assert value.regret.low > 0.0
    assert value.best_share < 0.4


def test_whoever_knows_the_truth_beats_chance_and_regrets_nothing(street_plan: Scenario, tmp_path: Path) -> None:
    run = Offering(street_plan)
    for now_ms in range(5_000, 20_000, 500):
        run.street.run_until(now_ms)
        known = run.street.truth().loaded()
        street_s = known.world.street_s(now_ms)
        walker = run.chance.choice(run.there())
        would = baseline_purchases(walker, street_s, run.chance)
        best = max(effects(known), key=lambda offer: gain(walker, offer, street_s, would))
        run.send(walker, best.shop, offer=best.id)
    run.street.truth().write(tmp_path / "truth")
    value = report.score(tmp_path / "truth", [write_history(tmp_path, [])], draws=150).value
    assert value is not None
    assert value.advantage.low > 0.0
    assert value.best_share > 0.75  # rollouts are drawn anew: between equal offers either may win
    assert value.regret.mean < 15.0


def test_an_offer_of_a_shop_that_there_is_not_is_worth_nothing(street_plan: Scenario, tmp_path: Path) -> None:
    run = Offering(street_plan)
    run.street.run_until(5_000)
    run.send(run.there()[0], "cinema", offer="film")
    run.street.truth().write(tmp_path / "truth")
    value = report.score(tmp_path / "truth", [write_history(tmp_path, [])], draws=5).value
    assert value is not None
    assert (value.gain.mean, value.uplift.mean) == (0.0, 0.0)


def test_machines_and_people_read_the_same(scored: Scored, tmp_path: Path) -> None:
    rows = [visit(scored.names[row["person"]], row["zone"], row["from_ms"], row["until_ms"]) for row in scored.stays()]
    history = write_history(tmp_path / "export", [*rows, *scored.proposals()])
    records = tmp_path / "records.jsonl"
    clean = {"type": "hours", "zones": ["plaza", "cafe"], "counts": [12, -1]}
    records.write_text(json.dumps(clean) + "\n" + json.dumps({"records": [clean, {**clean, "type": "offers"}], "by": "phone-0003"}) + "\n")
    asked = ["score", "--truth", str(scored.truth), "--history", str(history), "--records", str(records), "--draws", "30"]
    facts = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert facts["records"]["told"] == {"cafe": -2, "plaza": 24}
    assert facts["records"]["leaks"] == 1
    assert facts["records"]["received"] == {"plaza": len(scored.known.tables["offers"])}
    assert facts["decisions"]["proposed"] == len(scored.proposals())
    assert facts["decisions"]["never_received"] == 0
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0, shown.stderr
    for text in ("precision", "plaza", "gain over random offers", "regret per decision", "1 with personal identifiers"):
        assert text in shown.stdout


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--zones", "plazza"], "did you mean 'plaza'?"),
        (["--history", "nowhere"], "wayside history export"),
        (["--truth", "nowhere"], "--truth"),
        (["--history", "broken"], "interactions.csv"),
    ],
)
def test_what_cannot_be_scored_is_one_line(
    scored: Scored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "interactions.csv").write_text("subject,at_ms,what\ns1,yesterday,visit\n", "utf-8")
    history = write_history(tmp_path, [])
    done = CliRunner().invoke(app, ["score", "--truth", str(scored.truth), "--history", str(history), *change])
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert told in done.stderr


def test_rates_have_intervals() -> None:
    assert rate(0, 0) is None
    half = rate(50, 100)
    assert half is not None
    assert (round(half.low, 3), round(half.high, 3)) == (0.404, 0.596)  # Wilson (1927)

"""Deliveries under faults, a clock that is set, and a flood: the short forms, and what each would find."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway.core import limits
from tests.rigs import clock, flood, judge, kill
from tests.rigs.__main__ import main
from tests.rigs.judge import Verdict
from tests.rigs.report import quiet
from tests.rigs.test_deaths import ZEROS
from tests.week.guards import RenamingStore


def test_the_judge_finds_what_is_missing_spurious_and_changed() -> None:
    sent = {"a": 1, "b": 2, "c": 3, "d": 4}
    received = Counter([("a", 1), ("b", 2), ("b", 2), ("c", 30), ("x", 9)])
    assert judge.judged(sent, {"a", "b", "c", "d"}, received) == Verdict(missing=1, spurious=2, changed=1)
    assert judge.judged(sent, {"a"}, Counter([("a", 1), ("b", 2)])) == Verdict(0, 0, 0), "not acknowledged and arrived all the same"


@pytest.mark.broker
def test_facts_arrive_once_through_relays_with_faults(tmp_path: Path) -> None:
    verdict, figures = judge.facts_under_faults(tmp_path / "run", 250, seed=1, kills=0)
    assert verdict == Verdict(0, 0, 0)
    assert figures["facts_acked"] == 250
    assert figures["facts_repeated"] > 0


def test_records_arrive_once_through_a_relay_with_faults(tmp_path: Path) -> None:
    verdict, figures = judge.records_under_faults(tmp_path / "run", 40, seed=1)
    assert verdict == Verdict(0, 0, 0)
    assert figures["records_repeated"] > 0
    assert figures["cloud_cut"] + figures["cloud_tear"] + figures["cloud_drop"] >= 5


def test_records_with_another_id_at_each_try_are_caught(tmp_path: Path) -> None:
    verdict, _ = judge.records_under_faults(tmp_path / "run", 20, seed=1, make_store=RenamingStore)
    assert verdict.spurious > 0


SHORT = next(script for script in clock.scripts() if script.name == "2038, for 40 min, twice")


def test_a_clock_that_jumps_breaks_no_invariant() -> None:
    assert len(clock.scripts()) == 40
    report = clock.play([SHORT], seed=1, days=0.52, people=6)
    assert report.broken == ()
    assert report.figures["visits"] > 10


def test_a_gateway_that_believes_a_clock_at_once_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CLOCK_SETTLE_MS", 0)
    assert "facts" in str(clock.play([SHORT], seed=1, days=0.52, people=6).broken)


@pytest.mark.broker
@pytest.mark.parametrize("name", flood.FLOODS)
def test_a_withdrawal_is_served_in_a_flood_and_memory_is_bounded(name: str, tmp_path: Path) -> None:
    """The second that a withdrawal may take is asserted in the soak only: here it depends on the load of the machine."""
    figures = flood.flooded(tmp_path, 3, pouring=flood.FLOODS[name], compared=3)
    assert 60_000 < figures["message_bytes"] <= limits.PAYLOAD_BYTES_MAX
    assert figures["messages_sent"] > 10
    assert figures["memory_mib"] <= flood.MEMORY_MIB_MAX


def test_the_command_prints_figures_and_refuses_what_it_does_not_know() -> None:
    app = typer.Typer()
    app.command()(main)
    told = CliRunner().invoke(app, ["statements", "--count", "2", "--json"])
    assert json.loads(told.stdout) == {"rig": "statements", "seed": 1, "kills": 2, "days": 1, "broken": [], **ZEROS}
    wrong = CliRunner().invoke(app, ["earthquake"])
    assert wrong.exit_code == 2
    assert "no rig is called 'earthquake'" in " ".join(wrong.stderr.split())


@pytest.mark.broker
@pytest.mark.soak
def test_twelve_thousand_facts_under_faults() -> None:
    report = judge.run(12_000, seed=2)
    assert report.broken == ()
    assert report.figures["facts_acked"] >= 10_000


@pytest.mark.soak
def test_forty_scripts_of_a_clock() -> None:
    assert clock.run(40, seed=1).broken == ()


@pytest.mark.broker
@pytest.mark.soak
@pytest.mark.parametrize("name", flood.FLOODS)
def test_ten_minutes_of_a_flood(name: str) -> None:
    assert flood.runner(name)(600, 1, quiet).broken == ()


@pytest.mark.broker
@pytest.mark.soak
def test_two_hundred_kills_in_a_hundred_thousand_facts() -> None:
    assert kill.run(200, seed=3).broken == ()

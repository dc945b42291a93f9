"""Power cuts and deaths before a statement: nothing is corrupt, half, lost or stored twice; and stores without the guard are caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.adapters.store.database import PAGE_BYTES
from tests.rigs import power, statements, wear

ZEROS = {"corrupt": 0, "lost": 0, "double": 0, "half": 0}


def test_power_cuts_lose_nothing_that_was_acknowledged() -> None:
    report = power.run(30, seed=1)
    assert report.broken == ()
    assert report.figures.items() >= ZEROS.items()
    assert report.figures["sectors_lost"] > 100


def test_a_database_that_is_not_synced_is_caught() -> None:
    figures = power.run(10, seed=1, make_store=power.LaxStore).figures
    assert figures["corrupt"] + figures["lost"] > 0


def test_a_death_before_a_statement_leaves_the_whole_batch_or_nothing() -> None:
    report = statements.run(25, seed=1)
    assert report.broken == ()
    assert report.figures == {"kills": 25, "days": 1, **ZEROS}


def test_a_batch_in_two_commits_is_caught() -> None:
    assert statements.run(12, seed=1, make_store=statements.TwoCommitsStore).figures["half"] > 0


@pytest.mark.soak
def test_ten_thousand_power_cuts() -> None:
    assert power.run(10_000, seed=2).broken == ()


@pytest.mark.soak
def test_five_thousand_deaths_before_a_statement() -> None:
    assert statements.run(5_000, seed=2).broken == ()


def test_the_wear_of_the_card_is_measured(tmp_path: Path) -> None:
    figures = wear.measured(tmp_path, 20.0)
    assert figures["facts of the run"] >= 10
    assert figures["sightings and readings of the run"] >= 1_000
    singles = figures["bytes written for 1,000 purchases, one a commit"]
    assert singles >= 1_000 * PAGE_BYTES, "each commit writes a page at least"
    assert figures["bytes written for 1,000 sightings and readings"] < singles, "most sightings are folded in memory"

"""Measured radio: samples resemble the traces, walls and bodies attenuate, and the fit is reproducible."""

from __future__ import annotations

import json
import math
import statistics
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from firmware_sim.cli import app
from firmware_sim.draws import generator
from firmware_sim.radio.fit import model
from firmware_sim.radio.fit.traces import Trace
from firmware_sim.radio.measured import MeasuredFading, build
from firmware_sim.radio.propagation import LogDistance, mean_dbm
from firmware_sim.scenario import Fading, Scenario, load
from firmware_sim.world.places import Spot, Wall, walls_db
from tests.kit.shared import shared_path

QUIET = {"body_db": 0.0, "phone_db": 0.0}


@pytest.fixture(scope="module")
def mall() -> Scenario:
    return load("mall")


def plain_site(plan: Scenario, **changes: Any) -> Scenario:
    """The mall without walls and without a sensitivity floor."""
    fading = (plan.radio.fading or Fading()).changed(**{**QUIET, **changes})
    radio = plan.radio.changed(fading=fading, lost_share=0.0, floor_dbm=-150.0)
    return plan.changed(radio=radio, walls=())


def levels(plan: Scenario, walker: int, spot: Spot, number: int) -> list[float]:
    assert plan.radio.fading is not None
    air = MeasuredFading(plan, plan.radio.fading, {"a": Spot(0.0, 0.0)}, seed=5)
    draws = generator(5, "samples", walker)
    return [rssi for _ in range(number) for _, rssi in air.heard(walker, spot, draws)]


def test_a_scenario_chooses_its_air(mall: Scenario, street_plan: Scenario) -> None:
    assert isinstance(build(mall, {}, 1), MeasuredFading)
    assert isinstance(build(street_plan, {}, 1), LogDistance)


def test_within_a_place_samples_jump_between_three_channels(mall: Scenario) -> None:
    plan = plain_site(mall, sample_db=0.0)
    heard = levels(plan, 1, Spot(4.0, 0.0), 600)
    assert len(set(heard)) == 3
    assert 14.0 < max(heard) - min(heard) < 22.0
    assert statistics.correlation(heard[1:], heard[:-1]) < 0.0  # rarely the same channel twice


def test_over_many_places_the_line_holds_and_the_spread_is_that_of_the_traces(mall: Scenario) -> None:
    plan = plain_site(mall)
    means, spreads = [], []
    for turn in range(150):
        angle = 2 * math.pi * turn / 150
        heard = levels(plan, 1, Spot(8 * math.cos(angle), 8 * math.sin(angle)), 40)
        means.append(statistics.fmean(heard))
        spreads.append(statistics.stdev(heard))
    assert statistics.fmean(means) == pytest.approx(mean_dbm(plan.radio, 8.0), abs=1.5)
    assert statistics.fmean(spreads) == pytest.approx(7.9, abs=0.6)  # the traces: 7.9 in all three rooms


def test_the_same_place_has_the_same_luck_for_everybody(mall: Scenario) -> None:
    plan = plain_site(mall)
    here = [statistics.fmean(levels(plan, walker, Spot(5.0, 3.0), 300)) for walker in (1, 2)]
    assert here[0] == pytest.approx(here[1], abs=1.5)
    near = [statistics.fmean(levels(plan, 1, Spot(5.0 + 0.4 * step, 3.0), 200)) for step in range(30)]
    line = [mean_dbm(plan.radio, Spot(5.0 + 0.4 * step, 3.0).metres_to(Spot(0.0, 0.0))) for step in range(30)]
    luck = [level - expected for level, expected in zip(near, line, strict=True)]
    assert statistics.correlation(luck[1:], luck[:-1]) > 0.5  # steps of 0.4 m in a field of 2 m


def test_walls_ceilings_and_bodies_take_their_share(mall: Scenario) -> None:
    wall = (Wall(points=((2.0, -9.0), (2.0, 9.0)), loss_db=10.0),)
    assert walls_db(wall, Spot(0.0, 0.0), Spot(4.0, 1.0)) == 10.0
    assert walls_db(wall, Spot(0.0, 0.0), Spot(1.9, 5.0)) == 0.0
    assert walls_db(wall, Spot(0.0, 0.0, 1), Spot(4.0, 0.0, 1)) == 0.0
    plan = plain_site(mall)
    free = statistics.fmean(levels(plan, 1, Spot(4.0, 0.0), 400))
    walled = statistics.fmean(levels(plan.changed(walls=wall), 1, Spot(4.0, 0.0), 400))
    assert free - walled == pytest.approx(10.0, abs=0.01)  # same places, same draws
    above = levels(plain_site(mall, place_db=0.0, channel_db=0.0), 1, Spot(4.0, 0.0, 1), 400)
    assert free - statistics.fmean(above) > 12.0
    bodies = [statistics.fmean(levels(plain_site(mall, body_db=12.0), walker, Spot(4.0, 0.0), 60)) for walker in range(1, 41)]
    assert free - statistics.fmean(bodies) == pytest.approx(6.0, abs=2.5)
    assert max(bodies) - min(bodies) > 8.0


def test_a_crowd_collides(mall: Scenario) -> None:
    plan = plain_site(mall)
    assert plan.radio.fading is not None
    air = MeasuredFading(plan, plan.radio.fading, {"a": Spot(0.0, 0.0)}, seed=5)
    draws, heard = generator(5, "crowd"), 0
    for second in range(4):
        for walker in range(600):
            got_through = any(air.heard(walker, Spot(3.0, 0.0), draws, second * 1000 + walker))
            heard += got_through and second > 0  # no count exists for the first second
    assert heard / 1800 == pytest.approx(math.exp(-2 * 376e-6 * 600), abs=0.05)


def test_parts_are_found_again_in_traces_made_of_them() -> None:
    truth = Fading(place_db=2.0, channels_db=(8.0, 1.0, -9.0), channel_db=1.0, sample_db=2.0, same_share=0.1)
    dice = np.random.default_rng(4)
    drawn = model.Parts(truth).draw(90, 120, dice)
    distances = np.geomspace(0.5, 10.0, 90)
    traces = [Trace("r", float(metre), row - 60.0 - 20.0 * np.log10(metre)) for metre, row in zip(distances, drawn, strict=True)]
    reference, exponent = model.line(traces)
    assert reference == pytest.approx(-60.0, abs=1.0)
    assert exponent == pytest.approx(2.0, abs=0.15)
    found = model.parts(traces).fading
    assert found.channels_db == pytest.approx((8.0, 1.0, -9.0), abs=1.0)
    assert found.place_db == pytest.approx(2.0, abs=0.7)
    assert found.sample_db == pytest.approx(2.0, abs=0.5)
    assert found.same_share == pytest.approx(0.1, abs=0.1)


def test_on_held_back_traces_ours_is_better_than_a_plain_line() -> None:
    data = shared_path("data/tables/ble_rssi_spachos/points.csv").parents[1]
    shared_path("data/tables/ble_rssi_library/iBeacon_RSSI_Labeled.csv.gz")
    done = CliRunner().invoke(app, ["fit", "--data", str(data), "--json"])
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    board = {(row["data"], row["measure"]): row for row in facts["board"]}
    assert len(board) == 7
    surely = [("rooms", "CRPS of a sample, dB"), ("rooms", "energy score of 8 in a row, dB"), ("rooms", "Wasserstein distance, dB")]
    for key in [*surely, ("library", "Wasserstein distance, dB")]:
        assert board[key]["high"] < 0.0, board[key]
    assert all(row["ours"] <= row["plain"] for row in board.values())
    shipped = load("mall").radio.fading
    assert shipped is not None
    for name, value in facts["fading"].items():
        assert getattr(shipped, name) == (tuple(value) if isinstance(value, list) else value)  # the scenario has the numbers of the command


def test_absent_traces_are_one_line(tmp_path: Any) -> None:
    done = CliRunner().invoke(app, ["fit", "--data", str(tmp_path)])
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert "ble_rssi_library" in done.stderr

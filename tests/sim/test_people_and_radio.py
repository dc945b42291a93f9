"""Movement of people, radio propagation, named random streams and the event loop."""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from itertools import pairwise

import pytest

from firmware_sim.draws import chosen, generator, poisson
from firmware_sim.event_loop import EventLoop
from firmware_sim.people.walker import Walker
from firmware_sim.radio.propagation import LogDistance, mean_dbm, reach_m
from firmware_sim.scenario import RadioRules, Scenario
from firmware_sim.world.places import Spot
from firmware_sim.world.world import World, degrees
from tests.sim.conftest import Minute

HOUR_S = 3600.0


@pytest.fixture(scope="module")
def world(street_plan: Scenario) -> World:
    return World(street_plan, seed=4, start_ms=0, speed=20.0)


def test_nobody_walks_faster_than_people_do(world: World) -> None:
    for number in range(1, 21):
        walker = Walker(world, number)
        places = [walker.place(float(second)) for second in range(1200)]
        steps = [a.spot.metres_to(b.spot) for a, b in pairwise(places) if a is not None and b is not None]
        assert max(steps) <= world.scenario.people.walk_m_per_s + 1e-6
        assert sum(steps) > 20


def test_visits_are_within_their_zone_and_last_as_long_as_it_says(world: World) -> None:
    lengths: dict[str, list[float]] = defaultdict(list)
    for number in range(1, 81):
        itinerary = Walker(world, number).itinerary
        for index in range(20):
            stay, after = itinerary.stay(index), itinerary.stay(index + 1)
            zone = world.zones[stay.zone]
            assert stay.spot.metres_to(Spot(zone.x_m, zone.y_m)) <= zone.radius_m
            assert after.zone != stay.zone
            assert stay.from_s < stay.until_s <= after.from_s
            assert stay.buys_s is None or (zone.kind is not None and stay.from_s < stay.buys_s < stay.until_s)
            lengths[stay.zone].append(stay.until_s - stay.from_s)
    assert lengths.keys() == world.zones.keys()
    for zone_id, seconds in lengths.items():
        mean = world.zones[zone_id].dwell_s
        assert statistics.fmean(seconds) == pytest.approx(mean, abs=4 * 0.5 * mean / math.sqrt(len(seconds)))


def test_a_minute_of_the_demo_takes_people_through_several_zones(world: World) -> None:
    visited = []
    for number in range(1, 81):
        walker = Walker(world, number)
        visited.append(len({place.zone for second in range(0, 1200, 5) if (place := walker.place(second)) and place.zone}))
    assert statistics.fmean(visited) >= 3
    assert min(visited) >= 1


def test_a_walker_is_the_same_however_many_others_there_are(world: World, street_plan: Scenario) -> None:
    again = Walker(World(street_plan, seed=4, start_ms=99, speed=1.0), 7)
    first = Walker(world, 7)
    assert (again.tastes, again.visits_month, again.purposes) == (first.tastes, first.visits_month, first.purposes)
    assert [again.itinerary.stay(i) for i in range(10)] == [first.itinerary.stay(i) for i in range(10)]
    assert Walker(world, 8).tastes != first.tastes


def test_visits_told_follow_from_hidden_tastes(world: World) -> None:
    walkers = [Walker(world, number) for number in range(1, 401)]
    for kind in world.scenario.tastes:
        tastes, visits = [w.tastes[kind] for w in walkers], [float(w.visits_month[kind]) for w in walkers]
        assert 0.3 < statistics.correlation(tastes, visits) < 0.98


def test_mean_power_is_the_formula() -> None:
    rules = RadioRules(rssi_1m_dbm=-52.0, exponent=2.2)
    assert mean_dbm(rules, 1.0) == -52.0
    assert mean_dbm(rules, 10.0) == pytest.approx(-74.0)
    assert mean_dbm(rules, 100.0) == pytest.approx(-96.0)
    assert mean_dbm(rules, 0.0) == mean_dbm(rules, 0.5)
    lucky = rules.floor_dbm - 3 * math.hypot(rules.shadowing_db, rules.fading_db)
    assert mean_dbm(rules, reach_m(rules)) == pytest.approx(lucky)


@pytest.mark.parametrize("metres", [1.0, 4.0, 12.0])
def test_samples_scatter_around_the_formula(metres: float) -> None:
    rules = RadioRules(lost_share=0.0, floor_dbm=-120.0)
    draws = generator(11, "radio", int(metres))
    radio = LogDistance(rules, {"scanner": Spot(0.0, 0.0)})
    heard = [rssi for walker in range(4000) for _, rssi in radio.heard(walker, Spot(metres, 0.0), draws)]
    spread = math.hypot(rules.shadowing_db, rules.fading_db)
    assert len(heard) == 4000
    assert statistics.fmean(heard) == pytest.approx(mean_dbm(rules, metres), abs=4 * spread / math.sqrt(4000))
    assert statistics.stdev(heard) == pytest.approx(spread, rel=0.08)


def test_shadowing_belongs_to_the_link_and_fading_does_not() -> None:
    draws = generator(12, "radio")
    radio = LogDistance(RadioRules(lost_share=0.0, shadowing_db=6.0, fading_db=0.0), {"scanner": Spot(0.0, 0.0)})
    series = [rssi for _ in range(2000) for _, rssi in radio.heard(1, Spot(3.0, 0.0), draws)]
    assert statistics.correlation(series[:-1], series[1:]) == pytest.approx(0.9, abs=0.05)
    assert statistics.stdev(series) == pytest.approx(6.0, rel=0.25)


def test_what_is_too_far_or_unlucky_is_not_heard() -> None:
    rules = RadioRules(lost_share=0.3)
    radio = LogDistance(rules, {"far": Spot(reach_m(rules) + 1, 0.0), "near": Spot(1.0, 0.0)})
    draws = generator(13, "radio")
    names = [name for _ in range(1000) for name, _ in radio.heard(1, Spot(0.0, 0.0), draws)]
    assert set(names) == {"near"}
    assert len(names) == pytest.approx(700, abs=60)


def test_a_zone_hears_its_people_well_and_its_neighbours_badly(world: World) -> None:
    here: list[float] = []
    next_door: list[float] = []
    radio = LogDistance(world.scenario.radio, {"plaza": world.spot("plaza")})
    draws = generator(14, "zones")
    for number in range(1, 200):
        angle, radius = draws.uniform(0, 2 * math.pi), 6 * math.sqrt(draws.random())
        for spot, kept in ((Spot(radius * math.cos(angle), radius * math.sin(angle)), here), (Spot(60 + radius, 0.0), next_door)):
            kept += [rssi for _, rssi in radio.heard(number, spot, draws)]
    assert -70 <= statistics.median(here) <= -50
    assert statistics.quantiles(here, n=20)[0] > -75
    assert statistics.median(next_door) < -85


def test_a_person_in_range_is_heard_about_once_a_second(minute: Minute) -> None:
    gaps = []
    for _, message in minute:
        if message.topic.startswith("espresense/devices/iBeacon:5a1e") and message.payload.endswith(b"}"):
            fields = json.loads(message.payload)
            if fields["rssi"] > -75 and fields["int"]:
                gaps.append(fields["int"])
    assert statistics.median(gaps) == pytest.approx(1005, abs=10)


def test_degrees_go_north_and_east(street_plan: Scenario) -> None:
    latitude, longitude = degrees(Spot(380.0, -10.0), street_plan.origin)
    assert (latitude - 52.52) * 111_195 == pytest.approx(-10.0, abs=0.01)
    assert (longitude - 13.405) * 111_195 * math.cos(math.radians(52.52)) == pytest.approx(380.0, abs=0.1)


def test_weather_is_weather(world: World) -> None:
    day = [world.weather(hour * HOUR_S) for hour in range(24 * 7)]
    assert all(-10 < w.temperature < 35 and 0 <= w.humidity <= 100 and 0 <= w.precipitation <= 40 for w in day)
    assert 0 < sum(w.precipitation > 0 for w in day) < 100
    assert world.weather(10.0) == world.weather(10.0)


def test_quotas_are_exact_for_any_number_of_people() -> None:
    for total in range(1, 200):
        assert sum(chosen(number, 0.85) for number in range(1, total + 1)) == math.floor(total * 0.85 + 1e-9)


def test_poisson_has_its_mean_and_variance() -> None:
    draws = generator(15, "poisson")
    counts = [poisson(draws, 3.0) for _ in range(4000)]
    assert statistics.fmean(counts) == pytest.approx(3.0, abs=0.12)
    assert statistics.variance(counts) == pytest.approx(3.0, rel=0.1)


def test_the_event_loop_keeps_order_and_does_not_drift() -> None:
    loop = EventLoop()
    done: list[tuple[str, int]] = []
    loop.every(100, 250, lambda now: done.append(("tick", now)))
    loop.at(600, lambda now: done.append(("first", now)))
    loop.at(600, lambda _: loop.at(0, lambda later: done.append(("late", later))))
    loop.run_until(600)
    assert done == [("tick", 100), ("tick", 350)]
    assert (loop.now_ms, loop.due_ms()) == (600, 600)
    loop.run_until(601)
    assert done[2:] == [("first", 600), ("tick", 600), ("late", 600)]

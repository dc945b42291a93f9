"""Behaviour of people: rhythm, opening hours, trains, company, segments, consent over time, sleeping phones, offer fatigue."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from itertools import pairwise

import pytest

from firmware_sim.people import tastes
from firmware_sim.people.behaviour import OfferEffect
from firmware_sim.people.itinerary import Stay
from firmware_sim.people.walker import Walker
from firmware_sim.scenario import Scenario, load
from firmware_sim.world.places import Spot, Wall, Waypoint, walls_db
from firmware_sim.world.routes import Routes
from firmware_sim.world.world import World

DAY_S = 86_400.0
CALM = tastes.OfferContext(minutes=1.0, is_open=True, raining=False, recent_offers=0.0, offered_before=False)


@pytest.fixture(scope="module")
def mall() -> Scenario:
    return load("mall")


@pytest.fixture(scope="module")
def mall_stays(mall: Scenario) -> list[tuple[Walker, Stay, Stay]]:
    """Two days of eighty people, each stay with the one after it."""
    world = World(mall, seed=2, start_ms=mall.start_ms, speed=20.0)
    found = []
    for number in range(1, 81):
        walker = Walker(world, number)
        stays = [walker.itinerary.stay(0)]
        while stays[-1].from_s < 2 * DAY_S:
            stays.append(walker.itinerary.stay(len(stays)))
        found += [(walker, one, other) for one, other in pairwise(stays)]
    return found


def test_nobody_buys_where_it_is_shut_and_hardly_anybody_stays(mall_stays: list[tuple[Walker, Stay, Stay]]) -> None:
    world = mall_stays[0][0].world
    bought = [stay for _, stay, _ in mall_stays if stay.buys_s is not None]
    assert len(bought) > 200
    assert all(world.is_open(stay.zone, stay.from_s) for stay in bought)
    late = [stay for _, stay, _ in mall_stays if stay.until_s > world.closes_s(stay.zone, stay.from_s) + 21.0]
    assert not late


def test_stays_follow_one_another_at_walking_pace_and_lie_in_their_zones(mall_stays: list[tuple[Walker, Stay, Stay]]) -> None:
    for walker, stay, after in mall_stays:
        assert walker.world.contains(walker.world.zones[stay.zone], stay.spot)
        assert stay.from_s < stay.until_s <= after.from_s
        if not stay.leaves and stay.until_s > 0:
            way_m = stay.spot.metres_to(after.spot)
            assert way_m <= (after.from_s - stay.until_s) * walker.world.scenario.people.walk_m_per_s * 1.3 + 3.0


def test_people_come_by_day_and_go_home(mall_stays: list[tuple[Walker, Stay, Stay]]) -> None:
    world = mall_stays[0][0].world
    hours = Counter(int(world.minute(stay.from_s) // 60) % 24 for _, stay, _ in mall_stays)
    assert sum(hours[hour] for hour in (1, 2, 3, 4, 5)) < 0.02 * hours.total()
    assert sum(hours[hour] for hour in range(11, 20)) > 0.6 * hours.total()
    leaving = [(walker, stay) for walker, stay, _ in mall_stays if stay.leaves]
    assert len(leaving) > 60
    assert all(walker.place(stay.until_s + 1.0) is None for walker, stay in leaving if walker.leader == walker.number)


def test_a_way_between_floors_goes_over_the_escalator(mall: Scenario) -> None:
    world = World(mall, seed=2, start_ms=mall.start_ms, speed=20.0)
    way = world.routes.way(world.spot("drugstore"), "drugstore", world.spot("electronics-store"), "electronics-store")
    feet = {(point.x_m, point.y_m, point.floor) for point in mall.waypoints if point.id in {"escalator", "landing"}}
    assert feet <= {tuple(spot) for spot in way}
    assert [spot.floor for spot in way] == sorted(spot.floor for spot in way)


def test_company_walks_together(mall: Scenario) -> None:
    world = World(mall, seed=2, start_ms=mall.start_ms, speed=20.0)
    walkers = [Walker(world, number) for number in range(1, 201)]
    following = [walker for walker in walkers if walker.leader != walker.number]
    assert 0.2 * len(walkers) < len(following) < 0.6 * len(walkers)
    for walker in following[:10]:
        leader = walkers[walker.leader - 1]
        assert leader.person.in_company
        for second in range(0, 20_000, 500):
            here, there = walker.place(float(second)), leader.place(float(second))
            if here is not None and there is not None and here.zone is not None and here.zone == there.zone:
                assert here.spot.metres_to(there.spot) < 3.0
    pair = following[0], walkers[following[0].leader - 1]
    mine, theirs = ([walker.itinerary.stay(index).buys_s is None for index in range(30)] for walker in pair)
    assert mine != theirs


def test_trains_bring_people_in_waves() -> None:
    plan = load("station")
    world = World(plan, seed=3, start_ms=plan.start_ms, speed=20.0)
    minutes: Counter[int] = Counter()
    for number in range(1, 301):
        walker = Walker(world, number)
        before: Stay | None = None
        for index in range(8):
            stay = walker.itinerary.stay(index)
            if stay.zone == "platform-1" and stay.from_s > 0 and (before is None or before.leaves) and walker.leader == number:
                minutes[int(world.minute(stay.from_s)) % 10] += 1
            before = stay
    assert minutes.total() > 60
    assert minutes[4] + minutes[5] > 0.95 * minutes.total()  # it comes at :04, :14, ... and empties within a minute


def test_an_incident_empties_its_zone() -> None:
    plan = load("station")
    world = World(plan, seed=3, start_ms=plan.start_ms, speed=20.0)
    during = [900.0 + 60 * minute for minute in range(2, 30)]  # from 17:10, two minutes later
    assert all(world.incident("platform-2", now_s) for now_s in during)
    assert not world.incident("platform-2", 890.0)
    assert not world.incident("platform-1", 1000.0)
    there = 0
    for number in range(1, 301):
        walker = Walker(world, number)
        there += sum((place := walker.place(now_s)) is not None and place.zone == "platform-2" for now_s in during)
    assert there <= 10  # people already on the way, for a few seconds


def test_segments_listen_to_different_things(mall: Scenario) -> None:
    offers = {
        "price": OfferEffect(id="p", shop="bookshop", discount=0.4),
        "quality": OfferEffect(id="q", shop="bookshop", quality=1.0),
        "novelty": OfferEffect(id="n", shop="bookshop", novelty=1.0),
        "plain": OfferEffect(id="", shop="bookshop"),
    }
    even = dict.fromkeys(mall.tastes, 0.0)
    found = {
        segment: {name: tastes.accept(mall, tastes.Person(segment, even, 1.0, False), offer, CALM) for name, offer in offers.items()}  # noqa: FBT003
        for segment in mall.segments
    }
    assert max(found["economic"], key=lambda name: found["economic"][name]) == "price"
    assert max(found["ethical_behavioural"], key=lambda name: found["ethical_behavioural"][name]) == "quality"
    assert max(found["individual"], key=lambda name: found["individual"][name]) == "novelty"
    assert found["communication"]["price"] - found["communication"]["plain"] < 0.05  # a loyal person is not moved by discounts
    plain = 1 / (1 + math.exp(-(mall.tastes["books"].bias - mall.tastes["books"].per_minute)))
    assert found["economic"]["plain"] == pytest.approx(plain)


def test_circumstances_count(mall: Scenario) -> None:
    person = tastes.Person("individual", dict.fromkeys(mall.tastes, 0.0), 1.0, in_company=False)
    new = OfferEffect(id="n", shop="bookshop", novelty=1.0)
    calm = tastes.accept(mall, person, new, CALM)
    worse = [
        CALM._replace(minutes=5.0),
        CALM._replace(raining=True),
        CALM._replace(recent_offers=2.0),
        CALM._replace(offered_before=True),
    ]
    assert all(tastes.accept(mall, person, new, moment) < calm for moment in worse)
    assert tastes.accept(mall, person._replace(in_company=True), new, CALM) < calm
    assert tastes.accept(mall, person, new, CALM._replace(is_open=False)) == 0.0
    assert tastes.accept(mall, person, OfferEffect(id="", shop="atrium"), CALM) == 0.0


def test_offers_wear_out_and_people_recover(street_plan: Scenario) -> None:
    walker = Walker(World(street_plan, seed=1, start_ms=0, speed=20.0), 3)
    place_s = walker.itinerary.stay(2).from_s + 1.0
    fresh = walker.acceptance(place_s, "cafe")
    for number in range(4):
        walker.add_offer(place_s - 10.0 * (number + 1), f"o{number}")
    assert walker.acceptance(place_s, "cafe") < fresh - 0.02
    half_s = street_plan.choices.fatigue_half_s
    assert tastes.recent_offers(street_plan.choices, [0.0, 0.0], half_s) == pytest.approx(1.0)
    assert tastes.recent_offers(street_plan.choices, [5.0], 5.0) == 0.0  # an offer does not count towards its own fatigue


def test_loyal_people_come_more_often_and_buy_more(mall: Scenario) -> None:
    world = World(mall, seed=2, start_ms=mall.start_ms, speed=20.0)
    buys: dict[str, list[float]] = {}
    for number in range(1, 801):
        walker = Walker(world, number)
        buys.setdefault(walker.person.segment, []).append(walker.buys(world.zones["bookshop"]))
    means = {segment: statistics.fmean(values) for segment, values in buys.items()}
    assert means["communication"] > means["individual"] > means["economic"]
    shares = {segment: len(values) / 800 for segment, values in buys.items()}
    assert all(abs(shares[name] - segment.share) < 0.06 for name, segment in mall.segments.items())


def test_consent_comes_and_goes_and_comes_again(mall: Scenario) -> None:
    people = mall.people.changed(withdrawing_share=0.5, returning_share=0.5)
    world = World(mall.changed(people=people), seed=2, start_ms=mall.start_ms, speed=20.0)
    walkers = [Walker(world, number) for number in range(1, 201)]
    assert 0.05 < statistics.fmean(walker.joins_s > 0 for walker in walkers) < 0.3
    again = [walker for walker in walkers if walker.returns_s is not None]
    assert len(again) > 20
    for walker in again:
        assert walker.withdraws_s is not None
        assert walker.returns_s is not None
        moments = (walker.joins_s - 0.1, walker.withdraws_s - 0.1, walker.withdraws_s, walker.returns_s)
        assert [walker.consents_at(moment) for moment in moments] == [False, True, False, True]
    assert not any(walker.consents_at(9999.0) for walker in walkers if not walker.consents)


def test_some_phones_sleep_about_as_long_as_stated(mall: Scenario) -> None:
    world = World(mall, seed=2, start_ms=mall.start_ms, speed=20.0)
    walkers = [Walker(world, number) for number in range(1, 121)]
    shares = [statistics.fmean(walker.asleep(ms) for ms in range(0, 2_000_000, 2000)) for walker in walkers]
    sleepy = [share for share in shares if share]
    assert 0.15 < len(sleepy) / len(shares) < 0.35
    habit = mall.sleep
    assert statistics.fmean(sleepy) == pytest.approx(habit.asleep_s / (habit.awake_s + habit.asleep_s), abs=0.04)


def test_the_way_does_not_depend_on_who_asked_before() -> None:
    doors = (
        Waypoint(id="west", x_m=0, y_m=0, zones=("hall",), leads_to=("stand",)),
        Waypoint(id="east", x_m=40, y_m=0, zones=("hall",), leads_to=("stand",)),
        Waypoint(id="stand", x_m=20, y_m=30, zones=("shop",)),
    )
    here, there, end = Spot(1, -5), Spot(39, -5), Spot(20, 35)
    alone, after = Routes(doors), Routes(doors)
    after.way(here, "hall", end, "shop")
    assert after.way(there, "hall", end, "shop") == alone.way(there, "hall", end, "shop")
    assert alone.way(there, "hall", end, "shop")[1] == Spot(40, 0)


def test_a_joint_of_a_wall_is_crossed_once() -> None:
    wall = Wall(points=((0, -5), (0, 0), (0, 5)), loss_db=4.0)
    assert walls_db((wall,), Spot(-3, 0), Spot(3, 0)) == 4.0

"""The pure room: exact noise, cells of contacts, the bound of a person's day, and records of a fixed shape."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from itertools import product
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.policy.decision import Arm
from gateway.core.privacy.audit import Z_MAX, chi_square_z
from gateway.core.privacy.contribution import cell_of, first
from gateway.core.privacy.laplace import Entropy, discrete_laplace, variance
from gateway.core.privacy.release import catalogue, health_record, hour_record, offer_records
from gateway.core.privacy.tables import DAY_MS, Catalogue, Period, Spans, Terms, open_period
from gateway.core.records import COUNT_MAX, OUTCOMES, HourCounts, OfferCounts, Record
from gateway.core.state.outcomes import Outcome, OutcomeKind, Window
from tests.kit.testbed import HOUR_MS, NOON_MS, campaign, make_site, offer

DRAWS = 20_000
STREET = catalogue(make_site())
NOON = Period(NOON_MS, NOON_MS - NOON_MS % DAY_MS, Terms())
TODAY: Spans = {"day": (NOON.day_start_ms, NOON.day_end_ms)}
SCALES = [Fraction(1, 3), Fraction(1), Fraction(8), Fraction(80, 7)]


def seeded(seed: int = 1) -> Entropy:
    return random.Random(seed).getrandbits  # noqa: S311 - reproducible noise


# --- noise ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", SCALES)
def test_the_noise_is_the_discrete_laplace_distribution(scale: Fraction) -> None:
    entropy = seeded()
    draws = [discrete_laplace(scale, entropy) for _ in range(DRAWS)]
    assert all(type(draw) is int for draw in draws)
    assert abs(chi_square_z(draws, scale)) < Z_MAX
    assert sum(draw * draw for draw in draws) / DRAWS == pytest.approx(variance(scale), rel=0.1)


@pytest.mark.parametrize("wrong", [Fraction(4), Fraction(9), Fraction(80, 11)])
def test_the_noise_of_another_scale_is_noticed(wrong: Fraction) -> None:
    entropy = seeded()
    assert chi_square_z([discrete_laplace(wrong, entropy) for _ in range(DRAWS)], Fraction(8)) > Z_MAX


def test_the_variance_is_that_of_the_closed_formula() -> None:
    for scale in SCALES:
        q = math.exp(-1 / float(scale))
        assert variance(scale) == pytest.approx(2 * q / (1 - q) ** 2)
    assert variance(Terms().scale("hours")) == pytest.approx(127.83, abs=0.01)  # 2 x 8 x 8 - 1/6: m = 4, half of epsilon = 1


def test_the_scale_is_exact_and_follows_from_contacts_and_the_share_of_epsilon() -> None:
    assert Terms().scale("hours") == 8
    assert Terms(epsilon_millionths=700_000, contacts_max=3).scale("offers") == Fraction(60, 7)
    for epsilon, contacts, control in product((10_000, 999_999, 1_000_000, 10_000_000), (1, 4, 16), (False, True)):
        terms = Terms(epsilon, contacts, control=control)
        spent = sum(Fraction(terms.change_max(table)) / terms.scale(table) for table in terms.tables)
        assert spent <= Fraction(epsilon, 1_000_000), "all tables together stay within epsilon"


# --- periods -------------------------------------------------------------------------------------------------


def test_a_service_day_is_a_day_and_in_a_demonstration_24_windows() -> None:
    assert open_period(NOON_MS + 5, Terms(), TODAY) == NOON
    short = Terms(window_ms=5_000, demonstration=True)
    assert open_period(1_000_000_123_456, short, TODAY) == Period(1_000_000_120_000, 1_000_000_080_000, short, 1_000_000_200_000)


def test_changed_terms_hold_from_the_next_service_day_on() -> None:
    changed = Terms(epsilon_millionths=5_000_000, contacts_max=9, window_ms=600_000)
    later_ms = NOON_MS + HOUR_MS + 1
    assert open_period(later_ms, changed, TODAY, NOON) == Period(NOON_MS + HOUR_MS, NOON.day_start_ms, Terms())
    assert open_period(later_ms + DAY_MS, changed, {"day": (NOON.day_end_ms, NOON.day_end_ms + DAY_MS)}, NOON).terms == changed


# --- contacts ------------------------------------------------------------------------------------------------


def test_each_contact_has_exactly_one_cell_and_each_cell_a_contact() -> None:
    arms: tuple[Arm, ...] = ("sent", "held_out")
    cells = {
        (arm, kind, visited): cell_of(Window("s", "o", "cafe", "cafe", "entered", arm, 0), Outcome(0, kind, visited, 0))
        for arm, kind, visited in product(arms, get_args(OutcomeKind), (False, True))
    }
    assert set(cells.values()) == set(OUTCOMES)
    expected: dict[tuple[Arm, OutcomeKind, bool], str] = {
        ("held_out", "none", False): "held_out",
        ("held_out", "none", True): "held_out_came",
        ("sent", "none", False): "ignored",
        ("sent", "shown", False): "ignored",
        ("sent", "opened", True): "came",
        ("sent", "dismissed", False): "dismissed",
        ("sent", "dismissed", True): "came",
        ("sent", "accepted", False): "accepted",
        ("sent", "accepted", True): "accepted_came",
        ("sent", "redeemed", False): "redeemed",
        ("sent", "redeemed", True): "redeemed",
    }
    assert {key: cells[key] for key in expected} == expected


@given(st.lists(st.sampled_from("abc"), max_size=30), st.dictionaries(st.sampled_from("abc"), st.integers(0, 6)), st.integers(1, 5))
def test_the_first_contacts_of_a_person_count_and_no_number_twice(keys: list[str], used: dict[str, int], most: int) -> None:
    numbers = first(keys, used, most)
    for key in "abc":
        own = [number for one, number in zip(keys, numbers, strict=True) if one == key]
        before = used.get(key, 0)
        counted = max(0, min(most - before, len(own)))
        assert own == [*range(before + 1, before + 1 + counted), *[None] * (len(own) - counted)]


# --- records -------------------------------------------------------------------------------------------------


def without_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.core.privacy.laplace.discrete_laplace", lambda *_: 0)


def test_every_cell_of_the_catalogue_leaves_in_order_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    without_noise(monkeypatch)
    sent = {"cafe": 3, "phone-0001": 9, "square": 1}
    hours = hour_record(STREET, NOON, sent, seeded(), "w")
    assert (hours.zones, hours.counts) == (("bar", "cafe", "square", "station"), (0, 3, 1, 0))
    assert (hours.id, hours.window_start_ms, hours.window_ms) == ("gw-t.w.t", NOON_MS, HOUR_MS)
    closed = {("cafe", "flat-white", "came"): 2, ("bar", "flat-white", "came"): 7, ("cafe", "phone-0001", "came"): 5}
    offers = offer_records(STREET, NOON, closed, seeded(), "w")
    assert [(one.id, one.offer, one.zones) for one in offers] == [
        ("gw-t.w.o0", "flat-white", ("cafe", "square", "station")),
        ("gw-t.w.o1", "happy-hour", ("bar", "station")),
        ("gw-t.w.o2", "second-cup", ("cafe",)),
    ]
    assert offers[0].counts == (0, 0, 0, 0, 2, 0, 0, 0, *[0] * 16)  # the pair of bar and flat-white is not in the catalogue
    assert [len(one.counts) for one in offers] == [24, 16, 8]
    assert {(one.window_start_ms, one.window_ms) for one in offers} == {(NOON.day_start_ms, DAY_MS)}


def test_the_shop_is_a_zone_of_its_offer_too() -> None:
    elsewhere = make_site(campaign=campaign(offer(zones=("square",), shop="cafe")))
    assert catalogue(elsewhere).offers == {"flat-white": ("cafe", "square")}


def test_each_count_has_its_own_noise() -> None:
    many = Catalogue("gw-t", tuple(f"zone-{number:03}" for number in range(1_000)), {})
    draws = list(hour_record(many, NOON, {}, seeded(), "w").counts)
    assert abs(chi_square_z(draws, Terms().scale("hours"))) < Z_MAX
    again = list(hour_record(many, NOON, {}, seeded(2), "w").counts)
    for one, other in ((draws, again), (draws[1:], draws[:-1])):
        product_mean = sum(a * b for a, b in zip(one, other, strict=True)) / len(one)
        assert abs(product_mean) < Z_MAX * variance(Terms().scale("hours")) / math.sqrt(len(one))


def test_the_noise_is_stated_in_each_record() -> None:
    terms = Terms(epsilon_millionths=2_000_000, contacts_max=2)
    made = hour_record(STREET, NOON.__class__(NOON_MS, NOON.day_start_ms, terms), {}, seeded(), "w")
    assert (made.noise.epsilon_millionths, made.noise.contacts_max) == (1_000_000, 2)
    assert made.noise.variance == pytest.approx(variance(Fraction(2)))


@given(st.dictionaries(st.sampled_from([*STREET.zones, "phone-0001"]), st.integers(0, 2**60)), st.integers(0, 2**40), st.integers(0, 99))
def test_nothing_leaves_but_public_words_and_bounded_numbers(sent: dict[str, int], backlog: int, seed: int) -> None:
    closed = {(zone, "flat-white", "redeemed"): number for zone, number in sent.items()}
    made: tuple[Record, ...] = (
        health_record(STREET, NOON, backlog, "w"),
        hour_record(STREET, NOON, sent, seeded(seed), "w"),
        *offer_records(STREET, NOON, closed, seeded(seed), "w"),
    )
    text = msgspec.json.encode(made)
    assert msgspec.json.decode(text, type=tuple[Record, ...]) == made  # every field is declared, every bound holds
    assert b"phone-0001" not in text
    counts = [count for record in made if isinstance(record, HourCounts | OfferCounts) for count in record.counts]
    assert all(type(count) is int and abs(count) <= COUNT_MAX for count in counts)
    shape = [(type(record), len(getattr(record, "counts", ()))) for record in made]
    assert [length for _, length in shape] == [0, 4, 24, 16, 8], "the shape does not depend on the counts"

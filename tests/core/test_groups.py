"""Group definitions: what each gives for a person, by hand; and every fault of `groups.json` by name."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.attributes.aggregators import Value
from gateway.core.attributes.derive import (
    association,
    basket_score,
    best_gain,
    distance,
    estimate,
    gains_by_category,
    held_items,
    neighbour_rates,
    rank,
    refresh_ms,
    segment_of,
)
from gateway.core.attributes.group_checks import check_groups, check_patterns, groups_bytes, parse_groups
from gateway.core.attributes.groups import Groups, Velocity
from gateway.core.attributes.read import used_attributes
from gateway.core.attributes.schema import parse
from gateway.core.learned import Pattern
from tests.kit.groups import COLUMNS, GROUPS, PATTERNS, SCHEMA, changed

QUARTERS = (0.0, 10.0, 20.0, 30.0, 40.0)
BEHAVIOUR, TABLE, STRENGTH, INTENSITY = GROUPS.segmentations[0], GROUPS.tables[0], *GROUPS.associations
BASKET, NEIGHBOURS = GROUPS.baskets[0], GROUPS.neighbours[0]


# --- by hand ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"), [(-1.0, 0.0), (0.0, 0.0), (5.0, 0.125), (10.0, 0.25), (35.0, 0.875), (40.0, 1.0), (99.0, 1.0)]
)
def test_ranks_are_linear_between_quantiles(value: float, expected: float) -> None:
    assert rank(QUARTERS, value) == expected


def test_a_value_that_many_people_have_gets_their_middle_rank() -> None:
    assert rank((0.0, 0.0, 0.0, 4.0, 8.0), 0.0) == 0.25, "half of the people have 0"
    assert rank((3.0, 3.0), 3.0) == 0.5
    assert (rank((3.0, 3.0), 2.9), rank((3.0, 3.0), 3.1)) == (0.0, 1.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20), st.floats(-2e6, 2e6), st.floats(-2e6, 2e6))
def test_ranks_never_fall(quantiles: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0.0 <= rank(sorted(quantiles), low) <= rank(sorted(quantiles), high) <= 1.0


def test_distance_is_the_mean_over_what_is_known_of_both() -> None:
    assert distance((0.0, 1.0, None), (0.5, 0.5, 0.9)) == 0.5
    assert distance((0.0, 1.0, None), (0.25, None, 0.9)) == 0.25
    assert distance((0.0, 1.0, 1.0), (0.25, None, None)) is None, "one of three coordinates is less than half"
    assert distance((None, 1.0), (0.0, None)) is None


def test_a_person_has_the_segment_of_the_nearest_centre() -> None:
    loyal: dict[str, Value] = {"buys": 12.0, "since": 24.0, "tea": 1.0, "cake": 1.0}
    for changes, name in (
        ({}, "loyal"),
        ({"buys": 1.0, "since": 900.0}, "rare"),
        ({"since": None}, "loyal"),
        ({"buys": None, "since": None}, None),
    ):
        found = segment_of(BEHAVIOUR, loyal | changes)
        assert (found and found.name) == name


def test_a_value_table_gives_the_cell_with_its_interval() -> None:
    cells = {(0.0, 900.0): (0, 100, 300), (0.0, 1.0): (0, 400, 900), (9.0, 900.0): (200, 800, 1500), (9.0, 1.0): (900, 2000, 4000)}
    for (buys, since), expected in cells.items():
        found = estimate(TABLE, {"buys": buys, "since": since})
        assert found is not None
        assert (found.low, found.middle, found.high) == expected
    at_the_edge = estimate(TABLE, {"buys": 4.0, "since": 168.0})
    assert at_the_edge is not None
    assert at_the_edge.middle == 800, "an edge belongs to the bin above it"
    assert estimate(TABLE, {"buys": 4.0, "since": None}) is None


def test_strength_is_the_largest_share_and_intensity_1_minus_entropy() -> None:
    for tea, cake, strength, intensity in (
        (3.0, 1.0, 0.75, 1 - 0.8112781),
        (2.0, 2.0, 0.5, 0.0),
        (5.0, 0.0, 1.0, 1.0),
        (5.0, None, 1.0, 1.0),
    ):
        assert association(STRENGTH, {"tea": tea, "cake": cake}) == strength
        assert association(INTENSITY, {"tea": tea, "cake": cake}) == pytest.approx(intensity, abs=1e-6)
    assert association(STRENGTH, {"tea": 0.0, "cake": None}) is None


def test_similar_items_are_weighed_by_what_the_person_buys() -> None:
    assert basket_score(BASKET, "cake", {"tea": 3.0, "cake": 1.0}) == pytest.approx(0.4 * 3.0)
    assert basket_score(BASKET, "tea", {"tea": 3.0, "cake": 1.0}) == pytest.approx(0.4 * 1.0)
    assert basket_score(BASKET, "cake", {"tea": None}) is None


def test_the_rates_of_similar_customers_weigh_most() -> None:
    frequent = neighbour_rates(NEIGHBOURS, {"buys": 12.0, "since": 24.0})
    rare = neighbour_rates(NEIGHBOURS, {"buys": 0.0, "since": 900.0})
    assert frequent["cake"] == pytest.approx(0.6, abs=0.01)
    assert rare["cake"] == pytest.approx(0.1, abs=0.01)
    between = neighbour_rates(NEIGHBOURS, {"buys": 4.0, "since": 168.0})
    assert rare["cake"] < between["cake"] < frequent["cake"]
    assert neighbour_rates(NEIGHBOURS, {"buys": None, "since": None}) == {}


def test_a_pattern_that_holds_gives_its_confidence_above_the_base_rate() -> None:
    by_item = {"tea": "tea", "cake": "cake"}
    gains = gains_by_category(PATTERNS)
    assert best_gain(gains["cake"], held_items(by_item, {"tea": 1.0})) == pytest.approx(0.6 - 0.6 / 3.0)
    assert best_gain(gains["cake"], held_items(by_item, {"tea": 0.0, "cake": 5.0})) == 0.0
    assert best_gain(gains["cake"], held_items(by_item, {})) == 0.0


def test_the_largest_gain_counts_and_a_longer_left_side_needs_all_its_items() -> None:
    weak, strong, useless = (
        Pattern(left, "cake", 0.8, lift, 10, 1.0, 1.0) for left, lift in ((("tea",), 2.0), (("tea", "pie"), 4.0), (("tea",), 0.9))
    )
    gains = gains_by_category([weak, strong, useless])["cake"]
    assert [best_gain(gains, frozenset(held)) for held in ({"tea"}, {"tea", "pie"}, {"pie"})] == pytest.approx([0.4, 0.6, 0.0])


def test_velocity_goes_from_the_shortest_at_sba_0_to_the_longest_at_sba_1() -> None:
    velocity = Velocity("strength", 1.0, 5.0)
    assert [refresh_ms(velocity, sba) / 3_600_000 for sba in (None, 0.0, 0.25, 1.0)] == [1.0, 1.0, 2.0, 5.0]


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.1, 100), st.floats(0, 500))
def test_velocity_is_monotone(one: float, other: float, shortest: float, more: float) -> None:
    velocity, (low, high) = Velocity("strength", shortest, shortest + more), sorted((one, other))
    assert round(shortest * 3_600_000) <= refresh_ms(velocity, low) <= refresh_ms(velocity, high)


# --- faults ----------------------------------------------------------------------------------------------


def test_the_same_groups_give_the_same_bytes_and_come_back() -> None:
    assert parse_groups(groups_bytes(GROUPS)) == GROUPS
    assert groups_bytes(GROUPS) == groups_bytes(parse_groups(groups_bytes(GROUPS)))
    check_groups(GROUPS, SCHEMA, COLUMNS, used_attributes(SCHEMA, COLUMNS, groups=GROUPS))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("segmentations.0.segments.0.people", 19, "Expected `int` >= 20 - at `$.segmentations[0].segments[0].people`"),
        ("neighbours.0.groups.0.people", 19, "Expected `int` >= 20"),
        ("cohorts.0.people", 19, "Expected `int` >= 20"),
        ("segmentations.0.subjects", ["s1"], "Object contains unknown field `subjects`"),
        ("segmentations.0.segments.0.centre", [0.5], "a centre needs one coordinate for each of 2 inputs"),
        ("segmentations.0.segments.0.centre", [None, None], "at least one of them stated"),
        ("segmentations.0.inputs.0.quantiles", [3.0, 1.0], "the quantiles of 'buys' fall"),
        ("segmentations.0.segments.1.name", "rare", "segment 'rare' is defined twice"),
        ("tables.0.inputs.0.edges", [4.0, 4.0], "the edges of 'buys' do not rise"),
        ("tables.0.inputs.0.edges", [4.0, 5.0], "4 cells, the bins of its inputs make 6"),
        ("tables.0.cells.0", [5.0, 1.0, 3.0], "the interval of a cell is reversed"),
        ("tables.0.name", "behaviour", "'behaviour' is defined twice"),
        ("sure_thing.0.chances", [0.5], "one more chance than edges"),
        ("variety.edges", [5.0, 1.0], "variety: the edges do not rise"),
        ("velocity.shortest_h", 500.0, "velocity: shortest_h is above longest_h"),
        ("format", 2, "Expected `int` <= 1"),
    ],
)
def test_a_faulty_definition_is_refused_by_name(path: str, value: object, told: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        parse_groups(msgspec.json.encode(changed(GROUPS, path, value)))
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("segmentations.0.name", "other", "'other' is used by no attribute of the model, no rule and no policy: leave it out"),
        ("segmentations.0.name", "behavior", "attribute 'segment' needs a segmentation named 'behaviour'; did you mean 'behavior'?"),
        (
            "segmentations.0.inputs.0.attribute",
            "buy",
            "'behaviour': 'buy' is no number from the history of a person; did you mean 'buys'?",
        ),
        ("segmentations.0.segments.0.name", "rarely", "the values of 'segment' must be the segments of its segmentation: rarely, loyal"),
        ("baskets.0.weights", {"tee": {"cake": 0.4}}, "'together': 'tee' is no offer category; did you mean 'tea'?"),
        ("cohorts.0.steps", ["shop", "hal"], "'shop_then_hall': 'hal' is no zone kind; did you mean 'hall'?"),
        ("sure_thing.0.column", "valve", "sure_thing: 'valve' is no column of the model; did you mean 'value'?"),
        ("variety.value", "strength", "variety: 'strength' is no value table"),
        ("variety", None, "'cakes_seen' has a tier_min, and no tiers are defined: state variety"),
        ("velocity.strength", "worth", "velocity: 'worth' is no association of the measure strength"),
        ("tables.0.inputs.0.attribute", "cakes_seen", "variety: its input 'cakes_seen' has a tier_min"),
    ],
)
def test_a_definition_that_does_not_fit_the_bundle_is_refused_by_name(path: str, value: object, told: str) -> None:
    groups = parse_groups(msgspec.json.encode(changed(GROUPS, path, value)))
    with pytest.raises(ValueError, match=r".") as refusal:
        check_groups(groups, SCHEMA, COLUMNS, used_attributes(SCHEMA, COLUMNS, groups=groups))
    assert told in str(refusal.value)


def test_attributes_without_their_definitions_are_refused() -> None:
    schema = parse(changed(SCHEMA, "attributes", [one for one in msgspec.to_builtins(SCHEMA.attributes) if "tier_min" not in one]))
    columns = tuple(name for name in COLUMNS if name != "cakes_seen")
    with pytest.raises(ValueError, match="attribute 'value' needs a value table or association named 'worth'"):
        check_groups(Groups(1), schema, columns, used_attributes(schema, columns))


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        (Pattern(("coffee",), "cake", 0.6, 3.0, 10, 1.0, 1.0), "no attribute is named for the item 'coffee' in by_item"),
        (Pattern(("tea",), "cakes", 0.6, 3.0, 10, 1.0, 1.0), "a pattern proposes 'cakes', no offer category; did you mean 'cake'?"),
    ],
)
def test_a_pattern_that_cannot_act_is_refused(pattern: Pattern, told: str) -> None:
    used = used_attributes(SCHEMA, COLUMNS, groups=GROUPS)
    check_patterns(PATTERNS, SCHEMA, used)
    with pytest.raises(ValueError, match=r".") as refusal:
        check_patterns([pattern], SCHEMA, used)
    assert told in str(refusal.value)


def test_patterns_that_no_attribute_takes_are_refused() -> None:
    used = [one for one in used_attributes(SCHEMA, COLUMNS, groups=GROUPS) if one.pattern is None]
    with pytest.raises(ValueError, match="no attribute of the model takes patterns"):
        check_patterns(PATTERNS, SCHEMA, used)
    check_patterns((), SCHEMA, used)

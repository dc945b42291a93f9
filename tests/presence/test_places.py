"""How deep in a zone a fix lies, and what a phone's own regions say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.geometry import depth_m, fix_confidence
from gateway.core.presence import PresenceRules
from gateway.core.site import Zone, depth_in_m, fix_in
from gateway.core.types import Position
from tests.kit.testbed import Gateway, Phone, make_site

DEGREE_M = 111_195.0
SQUARE = ((0.0, 0.0), (0.0, 100 / DEGREE_M), (100 / DEGREE_M, 100 / DEGREE_M), (100 / DEGREE_M, 0.0))
HORSESHOE = ((0.0, 0.0), (0.0, 9e-4), (9e-4, 9e-4), (9e-4, 6e-4), (3e-4, 6e-4), (3e-4, 3e-4), (9e-4, 3e-4), (9e-4, 0.0))


@pytest.mark.parametrize(
    ("east_m", "north_m", "expected"), [(50, 50, 50), (10, 50, 10), (50, 99, 1), (-20, 50, -20), (130, 140, -50), (50, 100.5, -0.5)]
)
def test_depth_in_a_square(east_m: float, north_m: float, expected: float) -> None:
    assert depth_m(north_m / DEGREE_M, east_m / DEGREE_M, SQUARE) == pytest.approx(expected, abs=0.01)


def test_a_horseshoe_is_hollow() -> None:
    assert depth_m(6e-4, 4.5e-4, HORSESHOE) < 0 < depth_m(6e-4, 1.5e-4, HORSESHOE)


def test_a_zone_may_lie_on_the_date_line() -> None:
    outline = ((0.0, 179.999), (0.0, -179.999), (0.002, -179.999), (0.002, 179.999))
    assert depth_m(0.001, 180.0, outline) == pytest.approx(depth_m(0.001, -180.0, outline)) == pytest.approx(111.2, abs=0.1)


@given(east_m=st.floats(-200, 200), north_m=st.floats(-200, 200), first=st.integers(0, 3), is_turned=st.booleans())
def test_neither_the_first_corner_nor_the_turn_matters(east_m: float, north_m: float, first: int, *, is_turned: bool) -> None:
    turned = (*SQUARE[first:], *SQUARE[:first])[:: -1 if is_turned else 1]
    assert depth_m(north_m / DEGREE_M, east_m / DEGREE_M, turned) == pytest.approx(depth_m(north_m / DEGREE_M, east_m / DEGREE_M, SQUARE))


@given(st.floats(-1e6, 1e6), st.none() | st.floats(0, 1e6))
def test_confidence_is_at_least_even_and_never_more_than_sure(depth: float, accuracy_m: float | None) -> None:
    assert 0.5 <= fix_confidence(depth, accuracy_m) <= 1.0


def test_a_zone_without_an_outline_is_nowhere() -> None:
    assert depth_in_m(Zone("z"), 0.0, 0.0) is None
    assert fix_in(Zone("z"), Position("p", 0.0, 0.0)) is None


@pytest.mark.parametrize(
    ("metres", "accuracy_m", "expected"), [(50, 10, True), (5, 10, None), (-5, 10, None), (-50, 10, False), (3, None, True)]
)
def test_a_vague_fix_near_the_edge_says_nothing(metres: float, accuracy_m: float | None, *, expected: bool | None) -> None:
    known = fix_in(Zone("z", polygon=SQUARE), Position("p", 50 / DEGREE_M, metres / DEGREE_M, accuracy_m))
    assert (known[0] if known else None) is expected


def test_a_phone_says_which_region_it_entered(tmp_path: Path) -> None:
    """The region's word outranks the fix beside it, holds without further fixes, and survives a restart."""
    zone = Zone("park", polygon=SQUARE, regions=("Stadtpark",))
    rules = PresenceRules(fix_zones=frozenset({"park"}))
    gateway, phone = Gateway(tmp_path, site=make_site(zones={"park": zone}, anchors={}, presence=rules)), Phone()
    gateway.apply(phone.consent())
    far = Position(phone.device, 1.0, 1.0, 20.0, None, "Stadtpark", "entered")
    assert [one.kind for one in gateway.apply(far).visits.transitions] == ["entered"]
    gateway.restart(off_ms=5_000)
    kinds = [one.kind for stop in gateway.pass_time(rules.fix_exit_after_ms - 10_000) for one in stop.visits.transitions]
    assert kinds == ["dwelled"]
    left = gateway.apply(Position(phone.device, 1.0, 1.0, 20.0, None, "Stadtpark", "left")).visits.transitions
    after = [one.kind for stop in gateway.pass_time(rules.fix_exit_after_ms) for one in stop.visits.transitions]
    assert [one.kind for one in left] + after == ["left"]
    assert gateway.apply(Position(phone.device, 1.0, 1.0, 20.0, None, "elsewhere", "entered")).visits.transitions == []
    gateway.close()

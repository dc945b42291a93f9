"""The filter in the gateway is the one that real radio speaks for, and the simulated radio is the real one's likeness."""

from __future__ import annotations

import pytest

from gateway.core import radio
from gateway.core.presence import SAMPLES_KEPT, PresenceRules
from tests.presence import boards, noise, traces
from tests.presence.filters import FAMILIES, lag_samples

OTHERS = tuple(name for name in FAMILIES if name not in {"ours", "mean power"})


@pytest.fixture(scope="module")
def rows() -> dict[str, boards.Row]:
    return {row.family: row for row in boards.board()}


def test_ours_errs_least_in_distance(rows: dict[str, boards.Row]) -> None:
    for name in OTHERS:
        assert rows["ours"].distance_m.mean < rows[name].distance_m.mean, name
    # Against what ESPresense does the gap is no luck: point by point, the interval of the difference stays clear of nought.
    assert rows["ESPresense"].worse_m.low > 0
    assert rows["raw"].worse_m.low > 0


def test_ours_is_in_no_zone_worse(rows: dict[str, boards.Row]) -> None:
    """The zones' intervals overlap (few test points): what can be said is that nothing is lost."""
    for name in OTHERS:
        assert rows["ours"].rooms.mean >= rows[name].rooms.mean
        assert rows["ours"].library.mean >= rows[name].library.mean - 0.01


def test_ours_shows_at_once_that_somebody_is_near(rows: dict[str, boards.Row]) -> None:
    assert rows["ours"].lag_near <= PresenceRules().samples_min
    assert rows["ours"].lag_away <= SAMPLES_KEPT
    assert lag_samples(FAMILIES["moving average"]["8"], 20.0) == 4


def test_the_constants_of_the_core_are_those_of_the_traces() -> None:
    found = noise.fit(traces.ranged())
    assert found.reference_dbm == pytest.approx(-58.5, abs=0.5)
    assert found.exponent == pytest.approx(2.0, abs=0.2)
    assert found.place_sd_db == pytest.approx(radio.PLACE_SD_DB, abs=0.5)
    assert found.channel_db[0] - found.channel_db[-1] == pytest.approx(18, abs=1)
    assert abs(found.autocorrelation) < 0.3

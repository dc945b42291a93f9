"""The interval of the lift over simulated fleets of known truth: it covers the truth, and without the noise in it it would not.

`python -m tests.web.test_lift` prints the coverage.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dashboard.estimates import Estimate, Share, share
from dashboard.joining import HELD_OUT, SENT
from dashboard.results.effect import Cells, lift_of, more_days
from gateway.core.records import OUTCOMES, OutcomeCell

FLEETS = 200
SEED = 20_261_129
SCALE = 8.0  # contacts_max 4 and an epsilon of 0.5 for the table
VARIANCE = 127.83
CAME: tuple[OutcomeCell, ...] = ("came", "accepted_came", "redeemed")


class Coverage(NamedTuple):
    """Fleets with a shown interval, those whose interval holds the true lift, and those where it would without the noise in it."""

    shown: int
    covered: int
    covered_without_noise: int


class Fleet(NamedTuple):
    """Noised sums of one offer by outcome over a fleet, the sums without noise, the true lift, and the share that comes anyway."""

    cells: Cells
    true: Mapping[OutcomeCell, int]
    lift: float
    base: float


def fleet(random: np.random.Generator) -> Fleet:
    """One fleet: its gateways, zones, days and shares are drawn."""
    gateways, zones, days = int(random.integers(2, 40)), int(random.integers(1, 8)), int(random.integers(7, 60))
    cells = gateways * zones * days
    held_out, lift, base = random.uniform(0.03, 0.2), random.uniform(-0.02, 0.15), random.uniform(0.02, 0.3)
    people = random.poisson(random.uniform(20, 200) * cells)
    kept = random.binomial(people, held_out)
    came, kept_came = random.binomial(people - kept, base + lift), random.binomial(kept, base)
    among = random.multinomial(came, [0.4, 0.2, 0.4])
    others = random.multinomial(people - kept - came, [0.7, 0.2, 0.1])
    true = dict(zip(("came", "accepted_came", "redeemed", "ignored", "dismissed", "accepted"), (*among, *others), strict=True))
    true |= {"held_out": kept - kept_came, "held_out_came": kept_came}
    quotient = np.exp(-1 / SCALE)
    noise = {name: (random.geometric(1 - quotient, cells) - random.geometric(1 - quotient, cells)).sum() for name in OUTCOMES}
    noised = {name: Estimate(float(true[name] + noise[name]), cells * VARIANCE) for name in OUTCOMES}
    return Fleet(noised, {name: int(true[name]) for name in OUTCOMES}, lift, base)


def coverage(fleets: int = FLEETS, seed: int = SEED) -> Coverage:
    """Simulate `fleets` fleets with a shown interval."""
    random = np.random.default_rng(seed)
    shown = covered = bare = 0
    while shown < fleets:
        cells, _, truth, _ = fleet(random)
        lift = lift_of(cells)[2]
        if lift is None or more_days(cells, lift, 1) != 0:
            continue
        shown += 1
        covered += abs(lift.value - truth) <= lift.margin
        bare += abs(lift.value - truth) <= _bare_margin(cells)
    return Coverage(shown, covered, bare)


def _bare_margin(cells: Cells) -> float:
    """Half of the interval if the counts had no noise."""
    parts = []
    pairs: tuple[tuple[Sequence[OutcomeCell], Sequence[OutcomeCell]], ...] = ((CAME, SENT), (("held_out_came",), HELD_OUT))
    for part, whole in pairs:
        found = share(*(Estimate(sum(cells[name].value for name in names), 0.0) for names in (part, whole)))
        assert isinstance(found, Share)
        parts.append(found.margin)
    return math.hypot(*parts)


def test_the_interval_of_the_lift_covers_the_truth_and_needs_the_noise_in_it() -> None:
    found = coverage()
    assert found.shown == FLEETS
    assert found.covered >= 0.9 * FLEETS
    assert found.covered_without_noise < 0.9 * FLEETS


def cells_of(value: float, variance: float) -> Cells:
    return {name: Estimate(value, variance) for name in OUTCOMES}


def test_days_still_needed_follow_the_root() -> None:
    cells = cells_of(100.0, 8.0)
    assert more_days(cells, Share(0.1, 0.1), 5) == 0
    assert more_days(cells, Share(0.1, 0.2), 5) == 15
    assert more_days(cells, Share(0.1, 9.0), 5) is None
    assert more_days(cells, None, 0) is None
    assert more_days(cells_of(1.0, 100.0), None, 3) == 1150
    assert more_days(cells_of(-1.0, 100.0), None, 3) is None


if __name__ == "__main__":
    sys.stdout.write(f"{coverage()}\n")

"""A linker with all that leaves, over days and gateways: how often it names a person, beside chance and beside the ceiling of epsilon.

The linker knows ten people and the habit of each: four contacts, the same ones on each day and at each gateway. It knows all other people
too, so their counts are zero here. One of the ten comes; the linker adds up the log-likelihood of each habit over all counts of both
tables, which no other rule can beat, and names the best. `python -m tests.core.privacy_linking` prints the table (half a minute of
processor time).
"""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from gateway.core.privacy import release
from gateway.core.privacy.audit import epsilon
from gateway.core.privacy.tables import Catalogue, Period, Terms
from gateway.core.records import OUTCOMES

CORNER = Catalogue("gw-t", ("a", "b", "c"), {"o1": ("a", "b", "c"), "o2": ("a", "b", "c")})
CANDIDATES = 10
SENT = [outcome for outcome in OUTCOMES if not outcome.startswith("held_out")]
TRIALS, SEED = 400, 7

Key = tuple[str, ...]
"""A zone of the windows, or zone, offer and outcome."""
Counts = Mapping[Key, int]


class Linked(NamedTuple):
    """Share of trials in which the right person was named, and the highest that epsilon allows."""

    share: float
    ceiling: float

    @property
    def times_chance(self) -> float:
        """The share as a multiple of guessing."""
        return self.share * CANDIDATES


def habits(seed: int, terms: Terms) -> list[Counter[Key]]:
    """By candidate: the counts of a day, in both tables."""
    draws = random.Random(seed)  # noqa: S311 - repeatable
    made = []
    for _ in range(CANDIDATES):
        day: Counter[Key] = Counter()
        for _ in range(terms.contacts_max):
            zone, offer, outcome = draws.choice(CORNER.zones), draws.choice(list(CORNER.offers)), draws.choice(SENT)
            day[(zone,)] += 1
            day[zone, offer, outcome] += 1
        made.append(day)
    return made


def ceiling(terms: Terms, days: int, gateways: int) -> float:
    """The most likely that one of CANDIDATES is named: odds of 1 to 9 grow by e to the power of epsilon for each day and gateway."""
    return 1 / (1 + (CANDIDATES - 1) * math.exp(-epsilon(terms) * days * gateways))


def linked(terms: Terms, days: int = 1, gateways: int = 1, trials: int = TRIALS, *, is_exact: bool = False) -> Linked:
    """The result of the linker; with `is_exact` the counts leave without noise."""
    draws = random.Random(SEED)  # noqa: S311 - repeatable
    known = habits(SEED + 1, terms)
    spans = math.ceil(days / 7) if terms.weekly else days
    right = 0
    for _ in range(trials):
        person, fits = draws.randrange(CANDIDATES), [0.0] * CANDIDATES
        for _ in range(gateways):
            parts = [(1, 1)] * days + [(3, days // spans)] * spans
            for size, times in parts:
                seen = _left(known[person], size, times, terms, draws, is_exact=is_exact)
                for at, habit in enumerate(known):
                    expected = _expected(habit, size, times, terms)
                    fits[at] -= sum(abs(count - expected[key]) for key, count in seen.items())
        right += fits.index(max(fits)) == person
    return Linked(right / trials, ceiling(terms, days, gateways))


def _expected(habit: Counter[Key], size: int, times: int, terms: Terms) -> Counter[Key]:
    """The true counts of a table, by its keys of `size` parts, after `times` days."""
    counts: Counter[Key] = Counter()
    for key, number in habit.items():
        if len(key) == size:
            counts[("", *key[1:]) if terms.sums_zones and size > 1 else key] += times * number
    return counts


def _left(habit: Counter[Key], size: int, times: int, terms: Terms, draws: random.Random, *, is_exact: bool) -> Counts:
    """The counts of one table as they leave, by key."""
    true = Counter({key: times * number for key, number in habit.items() if len(key) == size})
    if is_exact:
        return _expected(habit, size, times, terms)
    period = Period(0, 0, terms)
    if size == 1:
        record = release.hour_record(CORNER, period, {zone: true[(zone,)] for zone in CORNER.zones}, draws.getrandbits, "w")
        return {(zone,): count for zone, count in zip(record.zones, record.counts, strict=True)}
    closed = {(zone, offer, outcome): number for (zone, offer, outcome), number in true.items()}
    return {
        (zone, made.offer, outcome): made.counts[len(OUTCOMES) * at + place]
        for made in release.offer_records(CORNER, period, closed, draws.getrandbits, "w")
        for at, zone in enumerate(("",) if terms.sums_zones else made.zones)
        for place, outcome in enumerate(OUTCOMES)
    }


ROWS: tuple[tuple[str, Terms], ...] = (
    ("epsilon_day = 1.0", Terms()),
    ("epsilon_day = 0.5", Terms(epsilon_millionths=500_000)),
    ("epsilon_day = 0.2", Terms(epsilon_millionths=200_000)),
    ("0.5, contacts_max = 1", Terms(epsilon_millionths=500_000, contacts_max=1)),
    ("1.0, by week", Terms(weekly=True)),
    ("1.0, by week and site", Terms(weekly=True, sums_zones=True)),
    ("0.2, by week and site", Terms(epsilon_millionths=200_000, weekly=True, sums_zones=True)),
)
COLUMNS = ((1, 1), (1, 3), (7, 1), (28, 1))


def main() -> None:
    """Print the table: measured and highest, as multiples of chance."""
    titles = "".join(f"{days} days, {gateways} gateways".rjust(24) for days, gateways in COLUMNS)
    lines = [f"{'':24}{titles}"]
    for title, terms in ROWS:
        cells = ""
        for days, gateways in COLUMNS:
            found = "-".rjust(24)
            if not terms.weekly or days >= 7:
                one = linked(terms, days, gateways)
                found = f"{one.times_chance:.2f} of {one.ceiling * CANDIDATES:.2f}".rjust(24)
            cells += found
        lines.append(f"{title:24}{cells}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

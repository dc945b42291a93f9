"""Five attackers who hold only what leaves, against exact counts and against the records; and what each learns.

The street is drawn: 40 people over one day, most cells with one person, as in the simulated week. The exact counts show that the attacks
work; the records are those of a real release.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

import pytest

from gateway.core.privacy import release
from gateway.core.privacy.audit import epsilon
from gateway.core.privacy.contribution import first
from gateway.core.privacy.tables import Catalogue, Period, Terms
from gateway.core.records import OUTCOMES
from tests.core.privacy_linking import CANDIDATES, ceiling, linked

ZONES = tuple(f"zone-{number}" for number in range(8))
OFFERS = tuple(f"offer-{number}" for number in range(8))
CORNER = Catalogue("gw-t", ZONES[:3], dict.fromkeys(OFFERS[:2], ZONES[:3]))
STREET = Catalogue("gw-t", ZONES, dict.fromkeys(OFFERS, ZONES))
DAY = Period(0, 0, Terms(window_ms=86_400_000))
TERMS = Terms()
PEOPLE, TRIALS = 40, 400
SENT = [outcome for outcome in OUTCOMES if not outcome.startswith("held_out")]
ACCEPTED = ("accepted", "accepted_came", "redeemed")

Cell = tuple[str, str, str]
"""Zone, offer, outcome."""
Counts = Mapping[Cell, int]


class Contact(NamedTuple):
    """One offer to one person, with its hour and its final outcome."""

    person: int
    hour: int
    zone: str
    offer: str
    outcome: str

    @property
    def cell(self) -> Cell:
        """The cell of the table of offers."""
        return self.zone, self.offer, self.outcome


def day(seed: int, people: int = PEOPLE) -> list[Contact]:
    """One to six contacts of each person."""
    draws = random.Random(seed)  # noqa: S311 - repeatable
    return [
        Contact(person, draws.randrange(9, 21), draws.choice(ZONES), draws.choice(OFFERS), draws.choice(SENT))
        for person in range(people)
        for _ in range(draws.randint(1, 6))
    ]


def bounded(contacts: list[Contact]) -> list[Contact]:
    numbers = first([one.person for one in contacts], {}, TERMS.contacts_max)
    return [one for one, number in zip(contacts, numbers, strict=True) if number is not None]


def exact(contacts: list[Contact]) -> Counter[Cell]:
    return Counter(one.cell for one in contacts)


def released(contacts: list[Contact], seed: int, catalogue: Catalogue = STREET) -> dict[Cell, int]:
    """The table of offers as it leaves."""
    entropy = random.Random(seed).getrandbits  # noqa: S311 - repeatable
    made = release.offer_records(catalogue, DAY, exact(bounded(contacts)), entropy, "w")
    return {
        (zone, record.offer, outcome): record.counts[len(OUTCOMES) * at + place]
        for record in made
        for at, zone in enumerate(record.zones)
        for place, outcome in enumerate(OUTCOMES)
    }


# --- all but one are known ---------------------------------------------------------------------------------------


def reconstructed(seen: Counts, others: list[Contact]) -> Counter[Cell]:
    """What is left of the numbers when all other people are taken away."""
    known = exact(bounded(others))
    return Counter({cell: number - known[cell] for cell, number in seen.items() if number != known[cell]})


def share_reconstructed(table: Callable[[list[Contact]], Counts]) -> float:
    """Share of people whose whole day comes out without an error."""
    contacts = day(1)
    seen, right = table(contacts), 0
    for person in range(PEOPLE):
        own = bounded([one for one in contacts if one.person == person])
        right += reconstructed(seen, [one for one in contacts if one.person != person]) == exact(own)
    return right / PEOPLE


def test_exact_counts_give_away_every_day_to_all_but_one() -> None:
    assert share_reconstructed(lambda contacts: exact(bounded(contacts))) == 1.0


def test_records_give_away_no_day_to_all_but_one() -> None:
    assert share_reconstructed(lambda contacts: released(contacts, 2)) == 0.0


def advantage(table: Callable[[list[Contact], int], Counts]) -> float:
    """True-positive rate less false-positive rate of the best test of whether one known day is in the numbers.

    The attacker knows all other people and the day itself, and adds up what the numbers have beyond the others in its cells: with
    discrete Laplace noise the likelihood ratio depends on nothing else.
    """
    others = [one for one in day(3) if one.person]
    own = [Contact(0, 12, "zone-0", "offer-0", "redeemed")] * TERMS.contacts_max
    known = exact(bounded(others))
    scores: dict[bool, list[int]] = {False: [], True: []}
    for trial in range(TRIALS):
        for is_in in (False, True):
            seen = table(others + own if is_in else others, 2 * trial + is_in)
            scores[is_in].append(sum(seen.get(cell, 0) - known[cell] for cell in {one.cell for one in own}))
    return max(
        sum(score >= limit for score in scores[True]) / TRIALS - sum(score >= limit for score in scores[False]) / TRIALS
        for limit in range(-40, 41)
    )


def test_the_advantage_of_all_but_one_is_within_what_epsilon_allows() -> None:
    """Of a test between two inputs within epsilon, the advantage is at most (e^eps - 1) / (e^eps + 1); exact counts give 1."""
    table_epsilon = epsilon(TERMS) / 2
    most = math.tanh(table_epsilon / 2)
    assert advantage(lambda contacts, _: exact(bounded(contacts))) == 1.0
    found = advantage(lambda contacts, seed: released(contacts, seed, CORNER))
    assert 0.5 * most <= found <= most + 3 * math.sqrt(0.5 / TRIALS)


# --- bystanders, and cells of one person --------------------------------------------------------------------------


def test_a_bystander_learns_answers_from_exact_hours_and_not_from_records() -> None:
    """Who saw one offer looks whether all, or none, of that zone, offer and hour were accepted."""
    contacts = day(4)
    by_hour = Counter((one.hour, *one.cell[:2]) for one in contacts)
    accepted = Counter((one.hour, *one.cell[:2]) for one in contacts if one.outcome in ACCEPTED)
    certain = sum(accepted[key] in (0, by_hour[key]) for key in ((one.hour, *one.cell[:2]) for one in contacts))
    assert certain / len(contacts) > 0.57
    assert Counter(by_hour.values())[1] / len(by_hour) > 0.76, "most exact cells hold one contact"
    seen, right, guessed = released(contacts, 5), 0, 0
    for one in bounded(contacts):
        here = {outcome: seen[one.zone, one.offer, outcome] for outcome in SENT}
        guess = max(here, key=here.__getitem__)
        guessed += 1
        right += guess in ACCEPTED if one.outcome in ACCEPTED else guess not in ACCEPTED
    without = max(0.5, 1 - len(ACCEPTED) / len(SENT))
    assert right / guessed <= without + 3 * math.sqrt(0.25 / guessed), "no better than chance"


def test_a_cell_of_ones_own_cannot_be_told_from_an_empty_one() -> None:
    """Whether a cell with a count of 0 or of 1 holds somebody: with the sharpest threshold, at most e^(1/scale) times as likely."""
    contacts = bounded(day(6))
    true = exact(contacts)
    ones, empty = [], []
    for trial in range(40):
        seen = released(contacts, 1_000 + trial)
        ones += [seen[cell] for cell in seen if true[cell] == 1]
        empty += [seen[cell] for cell in seen if true[cell] == 0]
    gap = max(sum(x >= t for x in ones) / len(ones) - sum(x >= t for x in empty) / len(empty) for t in range(-30, 31))
    most = math.tanh(0.5 / float(TERMS.scale("offers")))
    assert gap <= most + 3 * math.sqrt(0.25 / len(ones))
    assert sum(x > 0 for x in ones) / len(ones) < 0.6


# --- people who declined ------------------------------------------------------------------------------------------


def test_people_who_declined_are_in_no_difference_of_records() -> None:
    """Exact totals of all people, less the counts of those who consent, would be the people who declined. There are no such totals."""
    health = release.health_record(STREET, DAY, 7, "w")
    numbers = {name for name in health.__struct_fields__ if isinstance(getattr(health, name), int)}
    assert numbers == {"window_start_ms", "window_ms", "backlog", "demonstration"}


# --- linking days and gateways ------------------------------------------------------------------------------------


def test_a_linker_is_certain_with_exact_counts_and_bounded_with_records() -> None:
    """Chance is one in ten; one day of one gateway changes the odds by at most e to the power of epsilon."""
    assert linked(TERMS, trials=50, is_exact=True).share == 1.0
    for terms in (TERMS, Terms(epsilon_millionths=200_000)):
        found = linked(terms, trials=300)
        assert found.share <= found.ceiling + 3 * math.sqrt(found.ceiling * (1 - found.ceiling) / 300)


def test_a_small_epsilon_keeps_the_linker_of_a_day_within_a_fifth_of_chance() -> None:
    """At 0.2 a day the ceiling is 1.19 times chance; at 1.0 it is 2.32."""
    assert ceiling(Terms(epsilon_millionths=200_000), 1, 1) * CANDIDATES < 1.2
    assert ceiling(TERMS, 1, 1) * CANDIDATES == pytest.approx(2.32, abs=0.01)


def test_days_of_the_same_habit_add_up_and_weeks_more() -> None:
    """Epsilon holds for a day: steady habits add up over days, and a week without noise in between shows them more clearly.

    So the sheet states the ceilings for days, and the promise is not made for them.
    """
    by_day, by_week = linked(TERMS, 28, trials=25), linked(Terms(weekly=True), 28, trials=25)
    assert 0.2 < by_day.share < by_week.share <= by_week.ceiling


def test_no_two_records_of_days_or_gateways_share_an_id() -> None:
    """A linker has nothing but counts: names of records are drawn anew, and no field stays the same but gateway, zones and offers."""
    made = [
        record
        for gateway in ("gw-a", "gw-b")
        for name in ("w1", "w2")
        for record in release.offer_records(Catalogue(gateway, ZONES, {"offer-0": ZONES}), DAY, {}, random.Random(1).getrandbits, name)  # noqa: S311
    ]
    assert len({record.id for record in made}) == len(made)
    shared = {"gateway", "zones", "offer", "window_ms", "window_start_ms", "noise", "sums_zones"}
    assert {name for name in made[0].__struct_fields__ if getattr(made[0], name) == getattr(made[1], name)} - {"counts"} == shared

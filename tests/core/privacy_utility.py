"""Error of the questions of the dashboard on the records of simulated people, beside exact counts, and the choice of the terms.

`python -m tests.core.privacy_utility` prints the tables for a week of 40, 120, 1,000 and 5,000 people (seed 0; ten minutes), with the
default terms and with those of a small site, and `--choice` those by which bound, split and small-site settings were chosen (seed 1000,
put aside for that). Nothing is drawn: the error of a count is that of its noise, by its variance, and of the contacts above the bound,
counted.
"""

from __future__ import annotations

import argparse
import math
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from dashboard.estimates import Estimate, Share, combined, difference, share
from dashboard.figures import CELLS
from dashboard.joining import HELD_OUT, SENT
from gateway.core.privacy.laplace import variance
from tests.core.privacy_street import Street, bounded, street

WORLD, DAYS, SEED, CHOICE_SEED, CHOICE_PEOPLE = "street", 7, 0, 1_000, 1_200
SIZES = (40, 120, 1_000, 5_000)
HOURS = 24
OPEN_HOURS = 14  # of a day with contacts
ENOUGH = {"count": 0.10, "rate": 0.05, "lift": 0.10}
"""A question is answered if the error is at most a tenth of the count, or half of the interval at most five or ten points."""


class Choice(NamedTuple):
    """Contacts of a person and day that count, share of epsilon of the table of offers, and the shape of that table."""

    contacts: int = 4
    share: Fraction = Fraction(1, 2)
    sums_zones: bool = False
    weekly: bool = False
    is_exact: bool = False


EXACT_COUNTS = Choice(10_000, is_exact=True)
PRINTED = {
    "default terms": Choice(),
    'offers_by = "site"': Choice(sums_zones=True),
    'offers_every = "week"': Choice(weekly=True),
    'offers_by = "site", offers_every = "week"': Choice(sums_zones=True, weekly=True),
}


class Answer(NamedTuple):
    """A question with its error: of a count relative to it, or half of the interval of a rate."""

    question: str
    kind: str
    error: float


class Counted(NamedTuple):
    """Contacts of a week, counted once: bounded by offer and outcome, bounded and sent, and the true numbers sent by offer."""

    closed: Counter[tuple[str, str]]
    sent: int
    true: Counter[str]
    zones: int
    zones_of_offer: int

    def value(self, outcomes: Sequence[str], offer: str | None = None) -> int:
        """Bounded contacts with one of the outcomes, of one offer or of all."""
        return sum(number for (name, outcome), number in self.closed.items() if outcome in outcomes and offer in (None, name))


def counted(found: Street, contacts: int) -> Counted:
    """The contacts of a street, at most `contacts` of a person and day."""
    return Counted(
        Counter((one.offer, one.cell) for one in bounded(found.contacts, contacts, table="offers")),
        len(bounded(found.contacts, contacts, table="hours")),
        Counter(one.offer for one in found.contacts if one.consents and one.is_sent),
        len(found.catalogue.zones),
        max(map(len, found.catalogue.offers.values())),
    )


def answers(made: Counted, choice: Choice, scale: float = 1.0) -> list[Answer]:
    """The errors of a week with `scale` times as many people."""
    hours = 0.0 if choice.is_exact else variance(Fraction(choice.contacts) / (1 - choice.share))
    cell = 0.0 if choice.is_exact else variance(Fraction(choice.contacts) / choice.share)
    cells = (1 if choice.sums_zones else made.zones_of_offer) * (1 if choice.weekly else DAYS)  # for each outcome of an offer, in a week
    offers = list(made.true)

    def of(outcomes: Sequence[str], offer: str | None = None) -> Estimate:
        noise = len(outcomes) * cells * cell * (len(offers) if offer is None else 1)
        return Estimate(scale * made.value(outcomes, offer), noise)

    weeks = [(of(SENT, offer), scale * made.true[offer]) for offer in offers]
    days = [(Estimate(one.value / DAYS, math.inf if choice.weekly else one.variance / DAYS), truth / DAYS) for one, truth in weeks]
    site, true_sent, sent = of(SENT), scale * made.true.total(), scale * made.sent
    if hours and cell:
        site = combined(Estimate(sent, made.zones * HOURS * DAYS * hours), site)
    open_hours = made.zones * DAYS * OPEN_HOURS
    came, held_came = share(of(CELLS["came"]), of(SENT)), share(of(("held_out_came",)), of(HELD_OUT))
    rates = [_half(share(of(CELLS["accepted"], offer), of(SENT, offer))) for offer in offers]
    return [
        Answer("sent, a zone and hour", "count", _relative(Estimate(sent / open_hours, hours), true_sent / open_hours)),
        Answer("sent, an offer and day", "count", _mean([_relative(*one) for one in days])),
        Answer("sent, an offer and week", "count", _mean([_relative(*one) for one in weeks])),
        Answer("sent, the site and week", "count", _relative(site, true_sent)),
        Answer("accept rate, an offer and week", "rate", _mean(rates)),
        Answer("accept rate, the site and week", "rate", _half(share(of(CELLS["accepted"]), of(SENT)))),
        Answer("lift, the site and week", "lift", _half(difference(came, held_came))),
    ]


def _relative(estimate: Estimate, truth: float) -> float:
    """Root mean square error relative to the truth: noise, and what the bound cuts off."""
    return math.sqrt(estimate.variance + (estimate.value - truth) ** 2) / truth if truth else math.inf


def _half(found: Share | None) -> float:
    return math.inf if found is None else found.margin


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.inf


def needed(made: Counted, choice: Choice, people: int, question: int) -> str:
    """The least number of people, of two significant digits, from which on a question is answered; "none" above ten millions."""
    sizes = [figure * 10**digits for digits in range(6) for figure in range(10, 100)]

    def is_answered(size: int) -> bool:
        answer = answers(made, choice, size / people)[question]
        return answer.error <= ENOUGH[answer.kind]

    at = bisect_left(sizes, True, key=is_answered)  # noqa: FBT003 - the errors fall with the number of people
    return f"{sizes[at]:,}" if at < len(sizes) else "none"


def by_size(streets: Sequence[tuple[int, Street]], choice: Choice) -> list[str]:
    """Errors by size and question, those of exact counts behind a bar, and the size from which on a question is answered."""
    noised = [answers(counted(one, choice.contacts), choice) for _, one in streets]
    exact = [answers(counted(one, EXACT_COUNTS.contacts), EXACT_COUNTS) for _, one in streets]
    people, most = streets[-1][0], counted(streets[-1][1], choice.contacts)
    rows = [f"{'question':32}" + "".join(f"{size:>16,}" for size, _ in streets) + f"{'people needed':>16}"]
    for at, answer in enumerate(noised[-1]):
        text = "".join(f"{_number(one[at].error)} | {_number(other[at].error)}".rjust(16) for one, other in zip(noised, exact, strict=True))
        rows.append(f"{answer.question:32}{text}{needed(most, choice, people, at):>16}")
    return rows


def _number(value: float) -> str:
    return "-" if math.isinf(value) or value > 9.99 else f"{value:.2f}"


def by_choice(found: Street, people: int) -> list[str]:
    """People needed for each question, by choice."""
    choices = [Choice(contacts, part) for contacts in (1, 2, 3, 4, 6, 8) for part in (Fraction(1, 2), Fraction(2, 3), Fraction(4, 5))]
    choices += [Choice(4, Fraction(1, 2), sums_zones=True), Choice(4, Fraction(1, 2), weekly=True), Choice(4, Fraction(1, 2), True, True)]  # noqa: FBT003
    titles = [answer.question for answer in answers(counted(found, 1), Choice())]
    rows = ["people needed, by contacts of a person and day and share of epsilon of the table of offers", ""]
    rows += [f"{number}: {title}" for number, title in enumerate(titles, 1)]
    rows += ["", f"{'':30}" + "".join(f"{number:>10}" for number in range(1, len(titles) + 1))]
    for choice in choices:
        made = counted(found, choice.contacts)
        shape = (" site" if choice.sums_zones else "") + (" week" if choice.weekly else "")
        sizes = [needed(made, choice, people, at).rjust(10) for at in range(len(titles))]
        rows.append(f"{choice.contacts} contacts, {choice.share}{shape}".ljust(30) + "".join(sizes))
    return rows


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="error of the questions of the dashboard on simulated records")
    parser.add_argument("--choice", action="store_true", help="the tables by which the terms were chosen")
    if parser.parse_args().choice:
        lines = by_choice(street(WORLD, CHOICE_PEOPLE, DAYS, CHOICE_SEED), CHOICE_PEOPLE)
    else:
        streets = [(people, street(WORLD, people, DAYS, SEED)) for people in SIZES]
        lines = [line for title, choice in PRINTED.items() for line in (title, *by_size(streets, choice), "")]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

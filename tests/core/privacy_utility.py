"""Error that the noise adds to the questions of the dashboard, by its variance, for the choices of tables, bounds and outcomes.

`python -m tests.core.privacy_utility` prints it. The street has 10 zones and 20 offers, each offer in 2 zones, and each person 2 contacts
a day. The error is the standard deviation of the noise; a question can be answered from the number of people at which it is a tenth.
"""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import NamedTuple

from gateway.core.privacy.laplace import variance
from gateway.core.privacy.tables import Terms
from gateway.core.records import OUTCOMES

ZONES, OFFERS, ZONES_OF_OFFER, HOURS, CONTACTS_OF_DAY = 10, 20, 2, 24, 2.0
SENT_CELLS = sum(not outcome.startswith("held_out") for outcome in OUTCOMES)
ACCEPTED_CELLS, ACCEPTED_SHARE = 3, 0.1


class Question(NamedTuple):
    """A question, the share of a day's contacts that it counts, and the number of noised counts that it adds up."""

    title: str
    share: float
    cells: int


QUESTIONS = (
    Question("sent, of a zone in an hour", 1 / ZONES / 12, 1),
    Question("sent, of an offer on a day", 1 / OFFERS, SENT_CELLS * ZONES_OF_OFFER),
    Question("accepted, of an offer on a day", ACCEPTED_SHARE / OFFERS, ACCEPTED_CELLS * ZONES_OF_OFFER),
    Question("sent, of the site on a day", 1.0, HOURS * ZONES),
    Question("accepted, of the site on a day", ACCEPTED_SHARE, ACCEPTED_CELLS * ZONES_OF_OFFER * OFFERS),
)


def error(cells: int, scale: Fraction) -> float:
    """Standard deviation of the sum of `cells` noised counts."""
    return math.sqrt(cells * variance(scale))


def needed(question: Question, noise: float, days: int = 1) -> int:
    """People from which the error is at most a tenth of the count, over `days`."""
    return math.ceil(10 * noise / math.sqrt(days) / (question.share * CONTACTS_OF_DAY))


def main() -> None:
    """Print the table."""
    terms = Terms()
    lines = [f"epsilon 1 a day, {terms.contacts_max} contacts, scale {terms.scale}"]
    lines += [f"{'question':32} {'error':>10} {'people, a day':>14} {'people, a week':>15}"]
    for question in QUESTIONS:
        noise = error(question.cells, terms.scale)
        lines += [f"{question.title:32} {noise:10.1f} {needed(question, noise):14,} {needed(question, noise, days=7):15,}"]
    lines += ["", "error of the accepted of an offer on a day, by contacts_max and share of epsilon of the table `offers`"]
    accepted = QUESTIONS[2]
    for contacts in (1, 2, 4, 8):
        errors = [error(accepted.cells, Fraction(contacts) / share) for share in (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4))]
        lines += [f"{contacts:2} contacts: " + "  ".join(f"{one:6.1f}" for one in errors) + "  (1/4, 1/2, 3/4)"]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

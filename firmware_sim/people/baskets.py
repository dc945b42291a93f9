"""Baskets: the articles and the amount of one purchase, as the till registers it."""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

from firmware_sim.scenario import Taste

AMOUNT_SPREAD = 0.3  # of a sale without articles: log-normal around the kind's usual amount
LINES = (1, 2, 3)
LINES_SHARES = (0.55, 0.3, 0.15)
TWO_PIECES_SHARE = 0.15


class Line(NamedTuple):
    """One article of a basket: its code, pieces, and the amount of the line in minor units."""

    code: str
    quantity: int
    amount_minor: int


class Basket(NamedTuple):
    """Lines (none if the till names no articles) and the whole amount in minor units."""

    lines: tuple[Line, ...]
    amount_minor: int


def fill(taste: Taste, draws: Random) -> Basket:
    """A random basket of a kind of place."""
    if not taste.items:
        return Basket((), max(10, round(taste.amount_minor * math.exp(draws.gauss(0.0, AMOUNT_SPREAD)) / 10) * 10))
    number = min(draws.choices(LINES, LINES_SHARES)[0], len(taste.items))
    pieces = [(code, 2 if draws.random() < TWO_PIECES_SHARE else 1) for code in draws.sample(sorted(taste.items), number)]
    lines = tuple(Line(code, count, count * taste.items[code]) for code, count in pieces)
    return Basket(lines, sum(line.amount_minor for line in lines))

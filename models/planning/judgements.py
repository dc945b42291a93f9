"""Comparisons of a judge as a person writes them: a number, a phrase of Saaty's scale, or three numbers "low middle high".

Saaty's scale (1980): equally 1, moderately 3, strongly 5, very strongly 7, extremely 9; the even numbers lie between and are written as
"moderately to strongly". A phrase with "less" is the reciprocal. A phrase is vague, so it becomes the triangular number of its neighbours
on the scale: "moderately more important" is (2, 3, 4), "moderately less important" (1/4, 1/3, 1/2). "Equally important" is exactly 1, and
the ends of the scale are kept: "extremely" is (8, 9, 9). A number is crisp: low, middle and high are equal.
"""

from __future__ import annotations

import difflib
import math
import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.planning.sheets import Sheet, parse_number, read_cells

_DEGREES = ("equal", "moderate", "strong", "very strong", "extreme")  # 1, 3, 5, 7, 9
_SYNONYMS = {"weak": 2, "slight": 2, "moderate plus": 4, "strong plus": 6, "very very strong": 8}  # Saaty's names of even numbers
SCALE = {
    **{degree: 2 * place + 1 for place, degree in enumerate(_DEGREES)},
    **{f"{low} to {high}": 2 * place + 2 for place, (low, high) in enumerate(pairwise(_DEGREES))},
    **_SYNONYMS,
}
_SCALE_MAX = 9.0
_ADVERB = re.compile(r"\b(equal|weak|slight|moderate|strong|extreme)l?y\b")
_PHRASE = re.compile(r"(.*?)(?: (more|less))?(?: important| preferred)?")


class Triangle(NamedTuple):
    """Triangular number: possible from `low` to `high`, most of all `middle`."""

    low: float
    middle: float
    high: float


class Judgements(NamedTuple):
    """Comparisons of one judge: three sheets of the same rows and columns, NaN where a cell is empty."""

    low: Sheet
    middle: Sheet
    high: Sheet


def read_judgements(path: Path) -> Judgements:
    """Comparisons in a CSV file whose first column and header name the criteria.

    Raises PlanningError, naming line and column, if a cell is neither a number nor a phrase nor three ascending numbers, or as
    `read_sheet` does.
    """
    rows, columns, cells = read_cells(path, judgement)
    parts = np.moveaxis(np.array(cells, dtype=np.float64), 2, 0)
    return Judgements(*(Sheet(rows, columns, part) for part in parts))


def judgement(text: str) -> Triangle:
    """Triangular number of the text of a cell; all NaN if it is empty. Raises ValueError if the text cannot be read."""
    if not text:
        return Triangle(math.nan, math.nan, math.nan)
    if any(sign.isalpha() for sign in text):
        return _phrase(text)
    parts = [parse_number(part) for part in text.split()]
    if len(parts) == 1:
        return Triangle(parts[0], parts[0], parts[0])
    if len(parts) != 3 or parts != sorted(parts) or parts[0] <= 0:
        raise ValueError(f"holds {text[:40]!r}; a triangular number is three ascending positive numbers, such as 2 3 4")
    return Triangle(*parts)


def _phrase(text: str) -> Triangle:
    """Triangular number of a phrase such as "very strongly less important"."""
    plain = _ADVERB.sub(r"\1", " ".join(re.split(r"[,\s-]+", text.lower())))
    match = _PHRASE.fullmatch(plain)
    assert match, "both groups may be empty"
    degree, direction = match.groups()
    if degree not in SCALE or (degree == "equal" and direction):
        near = difflib.get_close_matches(degree, SCALE, 1)
        hint = f"; do you mean {near[0]!r}?" if near and degree not in SCALE else ""
        raise ValueError(
            f"holds {text[:60]!r}, which is no judgement{hint} (equally, moderately, strongly, very strongly, extremely; more or less "
            "important; or a number)"
        )
    value = float(SCALE[degree])
    low, high = (value, value) if degree == "equal" else (value - 1, min(value + 1, _SCALE_MAX))
    return Triangle(1 / high, 1 / value, 1 / low) if direction == "less" else Triangle(low, value, high)

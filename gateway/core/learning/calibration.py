"""Calibration of a score: Platt's line through decayed counts of answers by bin of the score, pooled with wider models.

probability = logistic(offset + slope * score). The line of a model is drawn to that of the next wider one, and the widest to (0, 1), which
leaves the score as it is, with the weight of LINE_ROWS rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from gateway.core.learned import SCORE_EDGES

LINE_ROWS = 5.0  # weight of the wider line, as precision of each of its two numbers
STEPS, HALVINGS = 6, 8  # of Newton's method: it starts at the wider line, so few are needed
HALF_BIN = (SCORE_EDGES[1] - SCORE_EDGES[0]) / 2
CENTRES = (SCORE_EDGES[0] - HALF_BIN, *(edge + HALF_BIN for edge in SCORE_EDGES))
SLOPE_MIN = 0.05  # a score never counts against itself


class Line(NamedTuple):
    """Log-odds of the answer by score."""

    offset: float = 0.0
    slope: float = 1.0

    def probability(self, score: float) -> float:
        """The calibrated probability."""
        return logistic(self.offset + self.slope * score)


def fitted(levels: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Line:
    """The line for (taken, refused) by bin of the score, from the narrowest model to the widest."""
    line = Line()
    for taken, refused in reversed(levels):
        line = _newton(taken, refused, line)
    return line


def _newton(taken: Sequence[float], refused: Sequence[float], wider: Line) -> Line:
    """Newton's method; a step is halved until it improves the fit, because far scores make a full one overshoot without bound."""
    bins = [(centre, right, right + wrong) for centre, right, wrong in zip(CENTRES, taken, refused, strict=True) if right + wrong]
    line, misfit = wider, _misfit(bins, wider, wider)
    for _ in range(STEPS if bins else 0):
        step_a, step_b = _step(bins, line, wider)
        for halved in range(HALVINGS):
            tried = Line(line.offset + step_a * 0.5**halved, line.slope + step_b * 0.5**halved)
            after = _misfit(bins, tried, wider)
            if after < misfit:
                line, misfit = tried, after
                break
        else:
            break
    return Line(line.offset, max(line.slope, SLOPE_MIN))


def _step(bins: Sequence[tuple[float, float, float]], line: Line, wider: Line) -> tuple[float, float]:
    """Newton's step of offset and slope."""
    gradient_a, gradient_b = LINE_ROWS * (wider.offset - line.offset), LINE_ROWS * (wider.slope - line.slope)
    curve_aa = curve_bb = LINE_ROWS
    curve_ab = 0.0
    for centre, right, rows in bins:
        share = line.probability(centre)
        gradient_a += right - rows * share
        gradient_b += (right - rows * share) * centre
        curve = rows * share * (1.0 - share)
        curve_aa += curve
        curve_ab += curve * centre
        curve_bb += curve * centre * centre
    scale = curve_aa * curve_bb - curve_ab * curve_ab
    return (curve_bb * gradient_a - curve_ab * gradient_b) / scale, (curve_aa * gradient_b - curve_ab * gradient_a) / scale


def _misfit(bins: Sequence[tuple[float, float, float]], line: Line, wider: Line) -> float:
    """Negative log-likelihood of the answers, and the distance from the wider line."""
    found = LINE_ROWS / 2 * ((line.offset - wider.offset) ** 2 + (line.slope - wider.slope) ** 2)
    for centre, right, rows in bins:
        odds = line.offset + line.slope * centre
        found += rows * (max(odds, 0.0) + math.log1p(math.exp(-abs(odds)))) - right * odds
    return found


def logistic(log_odds: float) -> float:
    """Probability from log-odds."""
    return 1.0 / (1.0 + math.exp(-log_odds)) if log_odds >= 0.0 else 1.0 - 1.0 / (1.0 + math.exp(log_odds))

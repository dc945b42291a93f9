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
STEPS = 6  # of Newton's method: it starts at the wider line, so few are needed
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
    offset, slope = wider
    bins = [(centre, right, right + wrong) for centre, right, wrong in zip(CENTRES, taken, refused, strict=True) if right + wrong]
    for _ in range(STEPS if bins else 0):
        gradient_a, gradient_b = LINE_ROWS * (wider.offset - offset), LINE_ROWS * (wider.slope - slope)
        curve_aa = curve_bb = LINE_ROWS
        curve_ab = 0.0
        for centre, right, rows in bins:
            share = logistic(offset + slope * centre)
            gradient_a += right - rows * share
            gradient_b += (right - rows * share) * centre
            curve = rows * share * (1.0 - share)
            curve_aa += curve
            curve_ab += curve * centre
            curve_bb += curve * centre * centre
        scale = curve_aa * curve_bb - curve_ab * curve_ab
        offset += (curve_bb * gradient_a - curve_ab * gradient_b) / scale
        slope += (curve_aa * gradient_b - curve_ab * gradient_a) / scale
    return Line(offset, max(slope, SLOPE_MIN))


def logistic(log_odds: float) -> float:
    """Probability from log-odds."""
    return 1.0 / (1.0 + math.exp(-log_odds)) if log_odds >= 0.0 else 1.0 - 1.0 / (1.0 + math.exp(log_odds))

"""The price of losing an offer: the margin that a person would still have brought through it.

A refused offer is closed to the person for the policy's refusal period. So a message costs more than attention: with the probability
(1 - propensity) x P(dismissed, not accepted) it ends the offer's prospects with this person. Those are the value of waiting for the better
moments. With the time left they grow by

    d prospects / d time = moments x E[max(0, propensity x worth - cost - P(dismissed) x prospects)]

from 0 at the end of the offer or of the refusal period. The log-odds of a moment are those of the person's level and a deviation from it;
levels are kept by person and category, the distribution of deviations by offer. A moment near the shop has a higher propensity, but often a
higher P(purchase without the offer) as well, and so a lower worth: the line through both is kept by offer. Optimal stopping with recall of
none: McCall (1970), Quarterly Journal of Economics 84, with a failed attempt in place of an accepted wage.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

DEVIATIONS = tuple(step / 4 - 2.5 for step in range(21))  # log-odds
SPREAD_ROWS, SPREAD = 20.0, 0.6  # the start of a distribution: a normal one of this standard deviation, in rows
LEVEL_ROWS_MAX = 60.0  # moments that a person's level remembers
ROWS_MAX = 2_000.0  # moments that a distribution remembers
STEPS = tuple(2**step / 31 for step in range(5))  # shares of the time left, from its end on, as prospects rise fastest there

Floats = NDArray[np.float64]
TINY = 1e-12
AT: Floats = np.array(DEVIATIONS)[:, np.newaxis]
_START = np.exp(-0.5 * (AT[:, 0] / SPREAD) ** 2)
_START *= SPREAD_ROWS / _START.sum()


class Level(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Mean over moments, and their number."""

    mean: float = 0.0
    rows: float = 0.0

    def plus(self, value: float, rows_max: float = LEVEL_ROWS_MAX) -> Level:
        """With one more; the mean remembers the last `rows_max`."""
        rows = min(self.rows + 1.0, rows_max)
        return Level(self.mean + (value - self.mean) / rows, rows)


class Outlook(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The log-odds of an offer over all moments: the mean, and the rows of each of DEVIATIONS from the person's level.

    `anyway` is the mean of P(purchase without the offer), `product` that of its distance from the mean times the deviation, and `square`
    that of the deviation squared.
    """

    level: Level = Level()
    deviations: tuple[float, ...] = tuple(_START.tolist())
    anyway: Level = Level()
    product: Level = Level()
    square: Level = Level()

    @property
    def slope(self) -> float:
        """Rise of P(purchase without the offer) with the deviation, drawn to 0."""
        return self.product.mean * self.product.rows / (self.square.mean * self.square.rows + SPREAD_ROWS * SPREAD**2)

    def plus(self, log_odds: float, deviation: float, anyway: float) -> Outlook:
        """With one more moment."""
        at = min(max(round((deviation - DEVIATIONS[0]) * 4), 0), len(DEVIATIONS) - 1)
        total = sum(self.deviations)
        keep = 1.0 if total < ROWS_MAX else (ROWS_MAX - 1.0) / total
        counts = [rows * keep for rows in self.deviations]
        counts[at] += 1.0
        mean = self.anyway.plus(anyway, ROWS_MAX)
        product, square = (deviation * (anyway - mean.mean), deviation**2)
        return Outlook(
            self.level.plus(log_odds, ROWS_MAX),
            tuple(counts),
            mean,
            self.product.plus(product, ROWS_MAX),
            self.square.plus(square, ROWS_MAX),
        )


def prospects(
    deviations: Floats,
    levels: Floats,
    worths: Floats,
    moments: Floats,
    days: Floats,
    caps: Floats,
    *,
    cost_minor: float,
    dismissed: float,
) -> Floats:
    """Expected margin, (n,), of n offers over so many `days` with `moments` a day each, until they are dismissed; at least 0.

    `deviations` (DEVIATIONS, n) are shares of the moments, `levels` the person's usual log-odds, `worths` (DEVIATIONS, n) the margin of
    an accepted offer, `caps` the most messages a day, `cost_minor` the cost of a message, `dismissed` the probability that an offer that is
    not accepted is dismissed. The moments of a day are taken as a Poisson process, of which the first ones use up the cap.
    """
    rows, most = deviations * moments, np.maximum(caps, 1e-9)
    propensity = 1.0 / (1.0 + np.exp(-levels - AT))
    gain = propensity * worths - cost_minor
    lost = dismissed * (1.0 - propensity)
    sums, found = np.empty((3, *rows.shape)), np.zeros(len(levels))
    sums[0], sums[1], sums[2] = rows, rows * lost, rows * gain
    for step in STEPS:
        sent, missed, won = (sums * (gain > lost * found)).sum(axis=1)
        fitting = np.maximum(sent / most, TINY)
        held = np.expm1(-fitting) / fitting * (-step * days)
        ended = held * missed + TINY
        found += np.expm1(-ended) * (found - held * won / ended)
    return found


def log_odds(probability: Floats) -> Floats:
    """Log-odds of probabilities, which are not taken as surer than 1e-6."""
    sure = np.minimum(np.maximum(probability, 1e-6), 1.0 - 1e-6)
    found: Floats = np.log(sure / (1.0 - sure))
    return found

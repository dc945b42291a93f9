"""Measures of a ranking by forecast uplift.

No customer is observed both with and without the offer, so uplift is measured on groups: `uplift@k` is the rate of the treated
minus that of the untreated among the best share k by forecast. The Qini curve counts the additional outcomes of treating
the best share, for every share; the Qini figure is the area between it and the line of random treatment, per customer
(Radcliffe 2007).
"""

from __future__ import annotations

import numpy as np

from models.arrays import Floats, Ints


class UpliftRanking:
    """A ranking by forecast uplift (n,), sorted once, best first, and measured under weights (n,); ties are ordered by the seed."""

    def __init__(self, forecast: Floats, treated: Ints, outcome: Ints, seed: int) -> None:
        order = np.lexsort((np.random.default_rng(seed).permutation(len(forecast)), -forecast))
        self._order = order
        self._treated = treated[order].astype(np.float64)
        self._happened = outcome[order].astype(np.float64)

    def uplift_at(self, share: float, weights: Floats) -> float:
        """Rate of the treated minus that of the untreated within the best `share` of all rows."""
        ordered = weights[self._order]
        best = np.cumsum(ordered) <= share * ordered.sum() + 1e-9
        treated, control = ordered * self._treated * best, ordered * (1.0 - self._treated) * best
        return _rate(treated, self._happened) - _rate(control, self._happened)

    def qini(self, weights: Floats) -> float:
        """Area between the Qini curve and the line of random treatment, per customer, over the share of customers; NaN without treated."""
        ordered = weights[self._order]
        treated, control = ordered * self._treated, ordered * (1.0 - self._treated)
        many_t, many_c = np.cumsum(treated), np.cumsum(control)
        if not many_t[-1]:
            return float("nan")
        won_t, won_c = np.cumsum(treated * self._happened), np.cumsum(control * self._happened)
        brought = won_t - won_c * np.divide(many_t, many_c, out=np.zeros_like(many_t), where=many_c > 0)
        curve = np.concatenate(([0.0], brought)) / many_t[-1]
        shares = np.concatenate(([0.0], np.cumsum(ordered))) / ordered.sum()
        return float(np.trapezoid(curve, shares) - curve[-1] / 2)


def _rate(weights: Floats, outcome: Floats) -> float:
    total = float(weights.sum())
    return float((weights * outcome).sum()) / total if total else 0.0

"""BG/NBD: expected purchases and probability of being active, from frequency, recency and age of each subject.

While active, a subject buys at an individual rate (gamma-distributed over subjects); after each repeat purchase the subject becomes
inactive for good with an individual probability (beta-distributed). Frequency, recency and age are all that the model needs, and all that
is taken from the history. Likelihood, conditional expectation and P(active): Fader, Hardie, Lee, "Counting Your Customers the Easy Way",
Marketing Science 24 (2005), equations 6, 10 and 11; E[X(t)] is their equation 9.

Only a repeat purchase can end activity, so P(active) of a one-time buyer is 1 by construction, however long ago the purchase was. That
figure is not informative for one-time buyers, and the command `value` leaves it empty.

The implementation is our own: `lifetimes`, the usual package, is archived and does not run on current SciPy; its successor
`pymc-marketing` brings a probabilistic programming language of about 1 GB that needs a compiler. The likelihood is twenty lines, and the
published parameters of CDNOW are the test. The unit of time is that of the summary (weeks in the paper and in the command `value`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaincinv, betaln, expit, gammaln

from models.errors import ModelsError

Floats = NDArray[np.float64]

SUBJECTS_MIN = 50  # four parameters fitted to fewer subjects describe the sample, not the population
REPEATERS_MIN = 10
_LOG_BOUNDS = (-9.0, 12.0)
_P_MIN = 1e-12  # a smaller dropout probability counts as this one; avoids 0 / 0
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)  # on -1 to 1; relative error below 1e-5
_STARTS = ((0.0, 0.0, 0.0, 0.0), (-1.0, 1.0, -1.0, 0.5), (0.0, 2.0, -2.0, 1.0))


class ValuationError(ModelsError):
    """Input from which no value can be computed; the message names the reason."""


class RfmSummary(NamedTuple):
    """Purchase history of each subject up to the last day observed; three arrays (n,).

    `frequency` is the number of days with a purchase after the first one, `recency` the time from first to last purchase, `age` the time
    from the first purchase to the last day observed.
    """

    frequency: Floats
    recency: Floats
    age: Floats


class BgNbd(msgspec.Struct, frozen=True):
    """Fitted BG/NBD model: purchase rate ~ gamma(r, alpha), dropout probability ~ beta(a, b).

    `standard_errors` of r, alpha, a, b come from the curvature of the likelihood at its maximum; NaN where it is flat.
    """

    r: float
    alpha: float
    a: float
    b: float
    standard_errors: tuple[float, float, float, float]
    log_likelihood: float
    subjects: int

    @property
    def parameters(self) -> Floats:
        """r, alpha, a, b as an array (4,)."""
        return np.array((self.r, self.alpha, self.a, self.b))


def rfm_summary(table: pd.DataFrame) -> RfmSummary:
    """RFM summary from a table with columns frequency, recency and age.

    Raises ValuationError if a column is missing, a value is negative or not finite, or a row contradicts itself (recency above age;
    recency above 0 at frequency 0).
    """
    missing = [name for name in RfmSummary._fields if name not in table.columns]
    if missing:
        raise ValuationError(f"the summary lacks the columns {', '.join(missing)}")
    summary = RfmSummary(*(table[name].to_numpy(dtype=np.float64) for name in RfmSummary._fields))
    if not all(np.isfinite(column).all() and (column >= 0).all() for column in summary):
        raise ValuationError("the summary holds numbers that are missing or negative")
    if (summary.recency > summary.age + 1e-9).any():
        raise ValuationError("the summary holds subjects whose last purchase is later than the last day observed")
    if ((summary.frequency == 0) & (summary.recency > 0)).any():
        raise ValuationError("the summary has subjects with frequency 0 and a recency above 0")
    return summary


def fit_bg_nbd(summary: RfmSummary) -> BgNbd:
    """Maximum-likelihood model. Raises ValuationError if there are fewer than SUBJECTS_MIN subjects or REPEATERS_MIN repeat buyers."""
    subjects, repeaters = len(summary.frequency), int((summary.frequency > 0).sum())
    if subjects < SUBJECTS_MIN or repeaters < REPEATERS_MIN:
        raise ValuationError(
            f"{subjects} subjects with {repeaters} repeat buyers are too few: "
            f"at least {SUBJECTS_MIN} subjects and {REPEATERS_MIN} repeat buyers are needed"
        )
    scale = float(np.mean(summary.age)) or 1.0  # times near 1, which is where the starting points are
    rows, weights = np.unique(np.column_stack(summary), axis=0, return_counts=True)
    unique = RfmSummary(rows[:, 0], rows[:, 1] / scale, rows[:, 2] / scale)

    def loss(logs: Floats) -> float:
        return -float(weights @ log_likelihood(np.exp(logs), unique)) / subjects

    best = minimise(loss, _STARTS)
    parameters = np.exp(best) * (1.0, scale, 1.0, 1.0)
    standard_errors = parameters * log_standard_errors(lambda logs: subjects * loss(logs), best)
    r, alpha, a, b = (float(value) for value in parameters)
    likelihood = -loss(best) * subjects - float(summary.frequency.sum()) * float(np.log(scale))
    return BgNbd(
        r,
        alpha,
        a,
        b,
        (float(standard_errors[0]), float(standard_errors[1]), float(standard_errors[2]), float(standard_errors[3])),
        likelihood,
        subjects,
    )


def log_likelihood(parameters: Floats, summary: RfmSummary) -> Floats:
    """Log-likelihood of each subject, (n,), for the parameters r, alpha, a, b (equation 6)."""
    r, alpha, a, b = parameters
    x, recency, age = summary
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
    stays = -(r + x) * np.log(alpha + age)
    leaves = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + recency)
    total: Floats = common + np.where(x > 0, np.logaddexp(stays, leaves), stays)
    return total


def probability_alive(model: BgNbd, summary: RfmSummary) -> Floats:
    """P(active) of each subject at the end of the observation, (n,) (equation 11). Always 1, hence not informative, for one-time buyers."""
    x, recency, age = summary
    odds_gone = (
        np.log(model.a) - np.log(model.b + np.maximum(x, 1) - 1) + (model.r + x) * np.log((model.alpha + age) / (model.alpha + recency))
    )
    chance: Floats = np.where(x > 0, expit(-odds_gone), 1.0)
    return chance


def expected_purchases(model: BgNbd, summary: RfmSummary, span: float) -> Floats:
    """Expected number of days with a purchase in the next `span` units of time, (n,), given the history of each subject.

    Equation 10 contains a hypergeometric function that is undefined at a = 1 and overflows where dropout is very rare. Here the mean over
    purchase rates is taken in closed form, and the mean over dropout probabilities p, which given x are beta(a, b + x), by quadrature
    over their quantiles: the same number, stable for every parameter.
    """
    x, _, age = summary
    times, place = np.unique(x, return_inverse=True)
    pace = span / (model.alpha + age)
    total = np.zeros(len(x))
    for node, weight in zip((_NODES + 1.0) / 2.0, _WEIGHTS / 2.0, strict=True):
        p = np.maximum(betaincinv(model.a, model.b + times, node), _P_MIN)[place]
        total -= weight * np.expm1(-(model.r + x) * np.log1p(p * pace)) / p
    number: Floats = total * probability_alive(model, summary)
    return number


def minimise(loss: Callable[[Floats], float], starts: Sequence[Sequence[float]]) -> Floats:
    """Logarithms of the parameters that minimise `loss`: L-BFGS-B from each of `starts`, then Nelder-Mead from the best result.

    Both stay within bounds: where no subject drops out, or all buy at the same rate, the likelihood rises without end in some direction.
    """
    bounds = [_LOG_BOUNDS] * len(starts[0])
    tried = [minimize(loss, start, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500, "ftol": 1e-13}) for start in starts]
    best = min(tried, key=lambda found: float(found.fun))
    polished = minimize(loss, best.x, method="Nelder-Mead", bounds=bounds, options={"xatol": 1e-6, "fatol": 1e-12, "maxfev": 600})
    return np.asarray(polished.x if polished.fun <= best.fun else best.x, dtype=np.float64)


def log_standard_errors(loss: Callable[[Floats], float], top: Floats, step: float = 1e-3) -> Floats:
    """Standard errors of log-parameters at `top`, the minimum of `loss` (the negative total log-likelihood); NaN where it is flat.

    Derivatives are central differences with the given `step`.
    """
    size = len(top)
    moves = np.eye(size) * step
    curve = np.array(
        [
            [
                (loss(top + one + two) - loss(top + one - two) - loss(top - one + two) + loss(top - one - two)) / (4 * step**2)
                for two in moves
            ]
            for one in moves
        ]
    )
    if not np.isfinite(curve).all() or np.linalg.cond(curve) > 1e10:
        return np.full(size, np.nan)
    variances = np.diag(np.linalg.inv(curve))
    return np.sqrt(np.where(variances > 0, variances, np.nan))

"""How often a subject will still come: BG/NBD, from three numbers each.

While active, a subject buys at a rate of their own (gamma over subjects); after any purchase they may stop for ever, with a
chance of their own (beta). Frequency, recency and age are all that the model needs, and all that leaves the history.
Likelihood, expectation and P(active): Fader, Hardie, Lee, "Counting Your Customers the Easy Way", Marketing Science 24
(2005), equations 6, 10 and 11; E[X(t)] is their equation 9.

Why our own: `lifetimes`, which everybody used, is archived and does not follow SciPy any more; its successor
`pymc-marketing` brings a probabilistic language of about 1 GB that wants a compiler. The likelihood is twenty lines, and the
published parameters of CDNOW are the test. A unit of time is whatever the summary was made with (weeks, there and here).
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

SUBJECTS_MIN = 50  # four parameters from fewer people say more about these people than about others
REPEATERS_MIN = 10
_LOG_BOUNDS = (-9.0, 12.0)
_P_MIN = 1e-12  # who stops so rarely never does
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)  # on -1 to 1; errs by less than 1e-5 of the number
_STARTS = ((0.0, 0.0, 0.0, 0.0), (-1.0, 1.0, -1.0, 0.5), (0.0, 2.0, -2.0, 1.0))


class ValuationError(ModelsError):
    """Nothing can be valued from these rows; the text says why."""


class RfmSummary(NamedTuple):
    """Subjects by what they did until the last day observed: `frequency` days after the first, `recency`, `age`; each (n,)."""

    frequency: Floats
    recency: Floats
    age: Floats


class BgNbd(msgspec.Struct, frozen=True):
    """A fitted BG/NBD: purchases come with rate gamma(r, alpha), subjects stop with chance beta(a, b).

    `errors` are standard errors of r, alpha, a, b from the curvature of the likelihood at its top; NaN where it is flat.
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
        """r, alpha, a, b."""
        return np.array((self.r, self.alpha, self.a, self.b))


def rfm_summary(table: pd.DataFrame) -> RfmSummary:
    """The summary in a table with columns frequency, recency and age; `ValuationError` where it contradicts itself."""
    missing = [name for name in RfmSummary._fields if name not in table.columns]
    if missing:
        raise ValuationError(f"the summary lacks the columns {', '.join(missing)}")
    summary = RfmSummary(*(table[name].to_numpy(dtype=np.float64) for name in RfmSummary._fields))
    if not all(np.isfinite(column).all() and (column >= 0).all() for column in summary):
        raise ValuationError("the summary holds numbers that are missing or negative")
    if (summary.recency > summary.age + 1e-9).any():
        raise ValuationError("the summary holds subjects whose last purchase is later than the last day observed")
    if ((summary.frequency == 0) & (summary.recency > 0)).any():
        raise ValuationError("the summary holds subjects who came once and yet at two times")
    return summary


def fit_bg_nbd(summary: RfmSummary) -> BgNbd:
    """The parameters that make the summary most likely, or `ValuationError` where there is too little to tell."""
    subjects, repeaters = len(summary.frequency), int((summary.frequency > 0).sum())
    if subjects < SUBJECTS_MIN or repeaters < REPEATERS_MIN:
        raise ValuationError(
            f"{subjects} subjects of whom {repeaters} came again are too few: "
            f"{SUBJECTS_MIN} subjects and {REPEATERS_MIN} who came again are needed"
        )
    scale = float(np.mean(summary.age)) or 1.0  # time near 1: the search then starts where the answer is
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
    """Of each subject, (n,)."""
    r, alpha, a, b = parameters
    x, recency, age = summary
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
    stays = -(r + x) * np.log(alpha + age)
    leaves = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + recency)
    total: Floats = common + np.where(x > 0, np.logaddexp(stays, leaves), stays)
    return total


def probability_alive(model: BgNbd, summary: RfmSummary) -> Floats:
    """P(still coming) of each subject, (n,); 1 where nobody had an occasion to stop."""
    x, recency, age = summary
    odds_gone = (
        np.log(model.a) - np.log(model.b + np.maximum(x, 1) - 1) + (model.r + x) * np.log((model.alpha + age) / (model.alpha + recency))
    )
    chance: Floats = np.where(x > 0, expit(-odds_gone), 1.0)
    return chance


def expected_purchases(model: BgNbd, summary: RfmSummary, span: float) -> Floats:
    """How many days with a purchase each subject will have in the next `span` units, (n,).

    Equation 10 writes this with a hypergeometric function that is undefined at a = 1 and overflows where nobody stops. Here
    the mean over rates is taken in closed form and the mean over chances of stopping, p, which given x are
    beta(a, b + x), by quadrature over their quantiles: the same number, and sound for every parameter.
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
    """Where `loss` is least, searched from several starts and then polished; logarithms of parameters, kept inside bounds.

    The bounds matter where nobody stops, or everybody buys alike: the likelihood then rises for ever in some direction.
    """
    bounds = [_LOG_BOUNDS] * len(starts[0])
    tried = [minimize(loss, start, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500, "ftol": 1e-13}) for start in starts]
    best = min(tried, key=lambda found: float(found.fun))
    polished = minimize(loss, best.x, method="Nelder-Mead", bounds=bounds, options={"xatol": 1e-6, "fatol": 1e-12, "maxfev": 600})
    return np.asarray(polished.x if polished.fun <= best.fun else best.x, dtype=np.float64)


def log_standard_errors(loss: Callable[[Floats], float], top: Floats, step: float = 1e-3) -> Floats:
    """Standard errors of logarithms of parameters where `loss`, minus the whole log-likelihood, is least; NaN where it is flat."""
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

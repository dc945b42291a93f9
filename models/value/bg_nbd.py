"""BG/NBD and MBG/NBD: expected purchases and probability of being active, from frequency, recency and age of each subject.

While active, a subject buys at an individual rate (gamma-distributed over subjects); after each purchase the subject becomes inactive for
good with an individual probability (beta-distributed). Frequency, recency and age are all that the models need, and all that is taken from
the history. BG/NBD: Fader, Hardie, Lee, "Counting Your Customers the Easy Way", Marketing Science 24 (2005), equations 6, 10 and 11.
In it only a repeat purchase can end activity, so P(active) of a one-time buyer is 1 by construction, however long ago the purchase was.
MBG/NBD lets the first purchase end it as well: Batislam, Denizel, Filiztekin, "Empirical validation and comparison of models for customer
base analysis", International Journal of Research in Marketing 24 (2007); Hoppe, Wagner, "Customer base analysis: the case for a central
variant of the Betageometric/NBD model", Marketing - Journal of Research and Management 3 (2007). `forecasts` chooses between the two.

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
from scipy.stats import nbinom

from models.errors import ModelsError

Floats = NDArray[np.float64]

SUBJECTS_MIN = 50  # four parameters fitted to fewer subjects describe the sample, not the population
REPEATERS_MIN = 10
PURCHASES_MAX = 10_000  # highest end of an interval
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
    """Fitted model: purchase rate ~ gamma(r, alpha), dropout probability ~ beta(a, b); `modified` is MBG/NBD, else BG/NBD.

    `standard_errors` of r, alpha, a, b come from the curvature of the likelihood at its maximum; NaN where it is flat.
    """

    r: float
    alpha: float
    a: float
    b: float
    standard_errors: tuple[float, float, float, float]
    log_likelihood: float
    subjects: int
    modified: bool = False

    @property
    def name(self) -> str:
        """BG/NBD or MBG/NBD."""
        return "MBG/NBD" if self.modified else "BG/NBD"

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


def fit_bg_nbd(summary: RfmSummary, *, modified: bool = False) -> BgNbd:
    """Maximum-likelihood BG/NBD, or MBG/NBD if `modified`.

    Raises ValuationError if there are fewer than SUBJECTS_MIN subjects or REPEATERS_MIN repeat buyers.
    """
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
        return -float(weights @ log_likelihood(np.exp(logs), unique, modified=modified)) / subjects

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
        modified,
    )


def log_likelihood(parameters: Floats, summary: RfmSummary, *, modified: bool = False) -> Floats:
    """Log-likelihood of each subject, (n,), for the parameters r, alpha, a, b (BG/NBD: equation 6)."""
    r, alpha, a, b = parameters
    x, recency, age = summary
    survived = b + x + modified  # b and the purchases after which the subject stayed active
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, survived) - betaln(a, b)
    stays = -(r + x) * np.log(alpha + age)
    leaves = np.log(a) - np.log(np.maximum(survived - 1, _P_MIN)) - (r + x) * np.log(alpha + recency)
    may_leave = modified or x > 0
    total: Floats = common + np.where(may_leave, np.logaddexp(stays, leaves), stays)
    return total


def probability_alive(model: BgNbd, summary: RfmSummary) -> Floats:
    """P(active) of each subject at the end of the observation, (n,) (BG/NBD: equation 11, always 1 for one-time buyers)."""
    x, recency, age = summary
    survived = np.maximum(model.b + x + model.modified - 1, _P_MIN)
    odds_gone = np.log(model.a) - np.log(survived) + (model.r + x) * np.log((model.alpha + age) / (model.alpha + recency))
    chance: Floats = np.where(model.modified or x > 0, expit(-odds_gone), 1.0)
    return chance


def expected_purchases(model: BgNbd, summary: RfmSummary, span: float) -> Floats:
    """Expected number of days with a purchase in the next `span` units of time, (n,), given the history of each subject.

    The published equation contains a hypergeometric function that is undefined at a = 1 and overflows where dropout is very rare. Here the
    mean over purchase rates is taken in closed form, and the mean over dropout probabilities p, which given x and activity are
    beta(a, b + x), or beta(a, b + x + 1) for MBG/NBD, by quadrature over quantiles: the same number, stable for every parameter.
    """
    x, _, age = summary
    times, place = np.unique(x, return_inverse=True)
    pace = span / (model.alpha + age)
    total = np.zeros(len(x))
    for node, weight in zip((_NODES + 1.0) / 2.0, _WEIGHTS / 2.0, strict=True):
        p = np.maximum(betaincinv(model.a, model.b + times + model.modified, node), _P_MIN)[place]
        total -= weight * np.expm1(-(model.r + x) * np.log1p(p * pace)) / p
    number: Floats = total * probability_alive(model, summary)
    return number


def at_least(model: BgNbd, summary: RfmSummary, span: float, purchases: Floats) -> Floats:
    """P(at least `purchases` (n,), each 0 or more, in the next `span`), (n,).

    A subject that is active makes k purchases if the rate alone gives k (negative binomial, given the history) and the first k - 1 of them
    did not end the activity; rate and dropout are independent, given history and activity.
    """
    x, _, age = summary
    many = nbinom.sf(purchases - 1, model.r + x, (model.alpha + age) / (model.alpha + age + span))
    survived = model.b + x + model.modified
    stays = np.exp(betaln(model.a, survived + np.maximum(purchases - 1, 0)) - betaln(model.a, survived))
    chance: Floats = np.where(purchases > 0, probability_alive(model, summary) * many * stays, 1.0)
    return chance


def purchase_interval(model: BgNbd, summary: RfmSummary, span: float, level: float = 0.9) -> tuple[Floats, Floats]:
    """Lowest and highest number of purchases in the next `span` at `level`, (n,) each: the quantiles of the forecast's distribution.

    A number of purchases is whole, so an interval holds at least `level`. The fitted parameters count as known.
    """
    tail = (1.0 - level) / 2.0
    bounds = (np.zeros(len(summary.frequency)), np.zeros(len(summary.frequency)))
    for bound, beyond in zip(bounds, (1.0 - tail, tail), strict=True):
        left = np.arange(len(bound))
        for count in range(PURCHASES_MAX):
            part = RfmSummary(*(column[left] for column in summary))
            left = left[at_least(model, part, span, np.full(len(left), count + 1.0)) > beyond]
            if not len(left):
                break
            bound[left] = count + 1
    return bounds


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

"""Checks of importance weights: whether a log supports an estimate of another policy.

If two policies hardly overlap, a few rows dominate any estimate, and choices that the log never made are missing from it. Every check is
one row of CHECKS, with the reason for which a log is refused. Counted are

- the effective sample size (ESS), the number of equally weighted rows with the same variance, and its share of the log;
- the mean weight, which is one if the logged probabilities are correct and every choice of the other policy can be in the log. It
  varies by chance, so it is refused if its 95 % interval lies beyond the bounds;
- the missing mass: the probability with which the other policy makes choices that the log could not make. Rows with a logged probability
  below THIN_COUNT / n stand for choices of which the whole log is expected to have fewer than THIN_COUNT, and count in
  full, because an outcome cannot be estimated from so few. Choices without rows lower the mean weight by the missing mass;
- Pareto k-hat, the shape of the tail of the weights.

Effective sample size: Kong 1992.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from gateway.core.measure.pareto import k_hat
from gateway.core.measure.rates import Floats

ESS_MIN = 200.0
ESS_SHARE_MIN = 0.02
WEIGHT_MEAN_MIN, WEIGHT_MEAN_MAX = 0.9, 1.1
THIN_COUNT = 3
MISSING_MAX = 0.05
K_HAT_MAX = 0.7
_Z = 1.96


class Support(NamedTuple):
    """Figures of the weights of a log; `thin` and `unseen` are shares of the other policy's choices."""

    rows: int
    ess: float
    weight_mean: float
    weight_error: float
    weight_max: float
    p_select_min: float
    thin: float
    unseen: float
    k_hat: float

    @property
    def missing(self) -> float:
        """The missing mass: thin and unseen choices, or one less the upper end of the mean weight's 95 % interval."""
        return max(min(1.0, self.thin + self.unseen), 1.0 - self.weight_mean - _Z * self.weight_error)


class Check(NamedTuple):
    """One check: its name, whether support passes it, and the reason if not."""

    name: str
    passes: Callable[[Support], bool]
    reason: Callable[[Support], str]


CHECKS: tuple[Check, ...] = (
    Check(
        "effective sample size",
        lambda of: of.ess >= ESS_MIN,
        lambda of: f"effective sample size {of.ess:.4g} is below {ESS_MIN:.0f}",
    ),
    Check(
        "share of the rows",
        lambda of: of.ess >= ESS_SHARE_MIN * of.rows,
        lambda of: f"effective sample size is {of.ess / of.rows:.2%} of the rows, below {ESS_SHARE_MIN:.0%}",
    ),
    Check(
        "mean weight",
        lambda of: of.weight_mean + _Z * of.weight_error >= WEIGHT_MEAN_MIN and of.weight_mean - _Z * of.weight_error <= WEIGHT_MEAN_MAX,
        lambda of: (
            f"mean weight {of.weight_mean:.4g} is outside {WEIGHT_MEAN_MIN} to {WEIGHT_MEAN_MAX} by more than chance (standard error "
            f"{of.weight_error:.2g}): the logged probabilities are wrong, or choices of the other policy are not in the log"
        ),
    ),
    Check(
        "missing mass",
        lambda of: of.missing <= MISSING_MAX,
        lambda of: (
            f"the log could not make {of.missing:.1%} of the other policy's choices, above {MISSING_MAX:.0%} (smallest p_select "
            f"{of.p_select_min:.2g}, floor {THIN_COUNT / of.rows:.2g})"
        ),
    ),
    Check(
        "Pareto k-hat",
        lambda of: of.k_hat <= K_HAT_MAX,
        lambda of: f"Pareto k-hat {of.k_hat:.2f} is above {K_HAT_MAX}: a few rows decide the estimate",
    ),
)


class Overlap(msgspec.Struct, frozen=True):
    """Figures of the checks; `refused` has a reason for each check that fails."""

    rows: int
    ess: float
    weight_mean: float
    weight_max: float
    missing: float
    k_hat: float
    refused: tuple[str, ...]


def overlap(weights: Floats, p_select: Floats, unseen: float = 0.0) -> Overlap:
    """Check the weights (n,) of rows with the logged probabilities of the choices, `p_select` (n,).

    `unseen` is the share of the other policy's choices, if known, of which the log has fewer than THIN_COUNT rows.
    """
    of = support(weights, p_select, unseen)
    return Overlap(
        rows=of.rows,
        ess=of.ess,
        weight_mean=of.weight_mean,
        weight_max=of.weight_max,
        missing=max(0.0, of.missing),
        k_hat=of.k_hat,
        refused=tuple(check.reason(of) for check in CHECKS if not check.passes(of)),
    )


def support(weights: Floats, p_select: Floats, unseen: float = 0.0) -> Support:
    """The figures that are checked, for weights and logged probabilities (n,)."""
    rows, total = len(weights), float(weights.sum())
    return Support(
        rows=rows,
        ess=total**2 / float((weights**2).sum()) if total else 0.0,
        weight_mean=total / rows,
        weight_error=float(weights.std()) / rows**0.5,
        weight_max=float(weights.max()),
        p_select_min=float(p_select.min()),
        thin=float(weights[p_select < THIN_COUNT / rows].sum()) / total if total else 0.0,
        unseen=unseen,
        k_hat=k_hat(weights),
    )

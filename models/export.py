"""A fitted estimator as ONNX, with a parity check by the gateway's own scorer.

`models/propensity/conversion.py` writes the ONNX model. Two sets of rows are compared with the native model: random
situations, which are stored with the probabilities beside the model so that a gateway can repeat the check, and extreme
rows full of unknown, infinite and huge values.

The stored rows are drawn from a seed; no row of the training set leaves the workstation.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from gateway.adapters.bundle import MODEL, MODEL_BYTES_MAX, PARITY, parity_bytes
from gateway.adapters.onnx_scorer import OnnxScorer
from gateway.core import features, limits
from gateway.core.bundle import ModelEntry
from gateway.core.features import KINDS, Heading, Situation, Weather
from models.errors import ModelsError
from models.propensity.conversion import entry_of, to_onnx
from models.propensity.estimators import Fitted

PARITY_ROWS = 1_024
UNKNOWN = 0.2  # share of synthetic situations in which one source is unknown
_TIMED_CALLS = 2_000
_EXTREMES = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-30, -1.0, 0.5, 77.0], np.float32)


class ExportError(ModelsError):
    """The model cannot be exported; the message names the reason."""


class Exported(NamedTuple):
    """A model ready for a bundle: parity rows (n, k), probabilities (n,), the largest difference, medians in µs a call."""

    model: bytes
    entry: ModelEntry
    rows: NDArray[np.float32]
    expected: NDArray[np.float32]
    parity_worst: float
    batch_1_us: float
    batch_64_us: float

    def save(self, folder: Path) -> None:
        """Write the model and its parity rows into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL).write_bytes(self.model)
        (folder / PARITY).write_bytes(parity_bytes(self.rows, self.expected))


def export(fitted: Fitted, seed: int, bytes_max: int = MODEL_BYTES_MAX) -> Exported:
    """The estimator as ONNX, compared with the native model on synthetic and extreme rows.

    Raises ExportError if the model has more than `bytes_max` bytes, ScorerError if a gateway would refuse it or a probability
    differs by more than 1e-5.
    """
    model = to_onnx(fitted, len(features.FEATURES))
    if len(model) > bytes_max:
        raise ExportError(f"the model has {len(model)} bytes, at most {bytes_max} are allowed: use fewer rounds or less depth")
    entry = entry_of(model)
    rows = features.matrix(synthetic(seed, PARITY_ROWS))
    expected = fitted.propensity(rows).astype(np.float32)
    extreme = extreme_rows(rows, seed)
    scorer = OnnxScorer(model, entry)
    worst_of_extreme = scorer.check_parity(extreme, fitted.propensity(extreme).astype(np.float32))
    return Exported(
        model=model,
        entry=entry,
        rows=rows,
        expected=expected,
        parity_worst=max(scorer.check_parity(rows, expected), worst_of_extreme),
        batch_1_us=_median_us(lambda: scorer.score(rows[:1])),
        batch_64_us=_median_us(lambda: scorer.score(rows[: limits.OFFERS_MAX])),
    )


def synthetic(seed: int, count: int) -> list[Situation]:
    """Random situations over the ranges of the features: half with round values, each source unknown at times."""
    draws = np.random.default_rng(seed)
    return [_drawn(draws) for _ in range(count)]


def extreme_rows(rows: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """A copy of the rows (n, k) with a fourth of the values unknown, infinite or huge; the first rows hold one such value only."""
    draws = np.random.default_rng(seed)
    extreme = np.where(draws.random(rows.shape) < 0.25, draws.choice(_EXTREMES, rows.shape), rows)
    extreme[: len(_EXTREMES)] = _EXTREMES[:, np.newaxis]
    return extreme.astype(np.float32)


def _drawn(draws: np.random.Generator) -> Situation:
    headings, weathers, kinds = get_args(Heading), get_args(Weather), (*KINDS, "other")
    round_values = draws.random() < 0.5  # common in offers and clocks, and splits lie between round values
    unknown = draws.random(3) < UNKNOWN
    unknown_kinds = draws.random(len(KINDS)) < UNKNOWN
    visits = draws.choice([0.0, 0.5, 2.0, 6.0, 10.0], len(KINDS)) if round_values else draws.uniform(0.0, 15.0, len(KINDS))
    return Situation(
        hour=float(draws.integers(24)) if round_values else draws.uniform(0.0, 24.0),
        heading=headings[draws.integers(len(headings))],
        weather=None if unknown[0] else weathers[draws.integers(len(weathers))],
        temperature_c=None if unknown[1] else float(draws.integers(-15, 40)) if round_values else draws.uniform(-15.0, 40.0),
        offer_kind=kinds[draws.integers(len(kinds))],
        expiry_hours=float(draws.choice([0.5, 1.0, 2.0, 4.0, 24.0, 168.0])) if round_values else draws.uniform(0.1, 200.0),
        travel_min=float(draws.choice([0.0, 1.0, 5.0, 10.0, 15.0, 20.0, 25.0])) if round_values else draws.uniform(0.0, 45.0),
        visits_month={} if unknown[2] else {kind: float(visits[at]) for at, kind in enumerate(KINDS) if not unknown_kinds[at]},
        **_around(draws),
    )


def _around(draws: np.random.Generator) -> dict[str, float | None]:
    """Random values of a zone. The parity rows show whether a model without zone data depends on zone values."""
    tops = {"noise_dba": 110.0, "pm2_5_ug_m3": 150.0, "crowd_per_hour": 5_000.0, "context_age_min": 180.0}
    return {name: None if draws.random() < UNKNOWN else float(draws.uniform(0.0, top)) for name, top in tops.items()}


def _median_us(call: Callable[[], object]) -> float:
    times: list[int] = []
    for _ in range(_TIMED_CALLS):
        start = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - start)
    return round(float(np.median(times)) / 1_000.0, 1)

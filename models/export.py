"""A fitted estimator as ONNX, with a parity check by the gateway's own scorer.

`models/propensity/conversion.py` writes the ONNX model. Two sets of rows are compared with the native model: random
rows, which are stored with the probabilities beside the model so that a gateway can repeat the check, and extreme
rows full of unknown, infinite and huge values.

The stored rows are drawn from a seed; no row of the training set leaves the workstation.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.adapters.bundle import MODEL, MODEL_BYTES_MAX, PARITY, SCHEMA, Parity, parity_bytes
from gateway.adapters.onnx_scorer import OnnxScorer
from gateway.core.attributes.schema import schema_bytes
from gateway.core.bundle import ModelEntry
from models.errors import ModelsError
from models.inputs import Inputs
from models.propensity.conversion import entry_of, to_onnx
from models.propensity.estimators import Fitted

PARITY_ROWS = 1_024
UNKNOWN = 0.2  # share of synthetic rows in which an attribute of the person or place is unknown
BATCH_ROWS = 64
_TIMED_CALLS = 2_000
_EXTREMES = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-30, -1.0, 0.5, 77.0], np.float32)


class ExportError(ModelsError):
    """The model cannot be exported; the message names the reason."""


class Exported(NamedTuple):
    """A model ready for a bundle: parity rows (n, k), probabilities (n,), the largest difference, median µs of processor time a call."""

    model: bytes
    inputs: Inputs
    entry: ModelEntry
    rows: NDArray[np.float32]
    expected: NDArray[np.float32]
    parity_worst: float
    batch_1_us: float
    batch_64_us: float

    def save(self, folder: Path) -> None:
        """Write the model, its parity rows and its schema into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL).write_bytes(self.model)
        (folder / PARITY).write_bytes(parity_bytes(Parity(self.rows, self.expected)))
        (folder / SCHEMA).write_bytes(schema_bytes(self.inputs.schema))


def export(fitted: Fitted, inputs: Inputs, seed: int, bytes_max: int = MODEL_BYTES_MAX) -> Exported:
    """The estimator as ONNX, compared with the native model on synthetic and extreme rows.

    Raises ExportError if the model has more than `bytes_max` bytes, ScorerError if a gateway would refuse it or a probability
    differs by more than 1e-5.
    """
    model = to_onnx(fitted, len(inputs.columns))
    if len(model) > bytes_max:
        raise ExportError(f"the model has {len(model)} bytes, at most {bytes_max} are allowed: use fewer rounds or less depth")
    entry = entry_of(model, inputs.columns)
    rows = inputs.drawn(seed, PARITY_ROWS, UNKNOWN)
    expected = fitted.propensity(rows).astype(np.float32)
    extreme = extreme_rows(rows, seed)
    scorer = OnnxScorer(model, entry)
    worst_of_extreme = scorer.check_parity(extreme, fitted.propensity(extreme).astype(np.float32))
    return Exported(
        model=model,
        inputs=inputs,
        entry=entry,
        rows=rows,
        expected=expected,
        parity_worst=max(scorer.check_parity(rows, expected), worst_of_extreme),
        batch_1_us=call_us(lambda: scorer.score(rows[:1])),
        batch_64_us=call_us(lambda: scorer.score(rows[:BATCH_ROWS])),
    )


def extreme_rows(rows: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """A copy of the rows (n, k) with a fourth of the values unknown, infinite or huge; the first rows hold one such value only."""
    draws = np.random.default_rng(seed)
    extreme = np.where(draws.random(rows.shape) < 0.25, draws.choice(_EXTREMES, rows.shape), rows)
    extreme[: len(_EXTREMES)] = _EXTREMES[:, np.newaxis]
    return extreme.astype(np.float32)


def call_us(call: Callable[[], object]) -> float:
    """Median processor time of a call, in microseconds."""
    times: list[int] = []
    for _ in range(_TIMED_CALLS):
        start = time.process_time_ns()
        call()
        times.append(time.process_time_ns() - start)
    return round(float(np.median(times)) / 1_000.0, 1)

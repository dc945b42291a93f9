"""The check of a new model: what it costs is measured before the gateway loads it."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.adapters.onnx_scorer import OnnxScorer, ScorerError
from gateway.core.bundle import LoadableModel
from gateway.runtime.model_check import check_model, processor_s
from tests.kit.graphs import entry_for, named_model, slow_model, wide_model

COLUMNS = ("visits", "spent", "hour")
ROWS = np.random.default_rng(3).uniform(0, 20, (8, len(COLUMNS))).astype(np.float32)


def loadable(model: bytes) -> LoadableModel:
    """A model with the answers that it gives itself."""
    entry = entry_for(model, COLUMNS)
    return LoadableModel(model, entry, ROWS, OnnxScorer(model, entry).score(ROWS))


def test_a_small_product_at_each_call_is_within_the_budget() -> None:
    check_model(loadable(slow_model(len(COLUMNS), 16, 2)))


def test_a_model_that_is_slower_than_its_budget_is_refused() -> None:
    """Products of matrices of 1,024 rows and columns take tens of milliseconds: a file of 16 kB, and right answers."""
    slow = loadable(slow_model(len(COLUMNS), 1_024, 3))
    assert len(slow.onnx) < 16_384
    with pytest.raises(ScorerError, match=r"^over_budget: a call with 64 rows takes [0-9.]+ ms of processor time, at most 10 are allowed"):
        check_model(slow)


def test_a_model_that_unfolds_in_memory_is_refused() -> None:
    """40,000 numbers a row are 10 MB in a call that is timed, and 82 MB in the largest call."""
    check_model(loadable(wide_model(len(COLUMNS), 4_000)))
    with pytest.raises(ScorerError, match=r"^over_budget: it takes [0-9]+ bytes of memory, at most 67108864 are allowed"):
        check_model(loadable(wide_model(len(COLUMNS), 40_000)))


def test_a_pipeline_with_named_inputs_passes() -> None:
    model, entry = named_model()
    rows = np.array([[1, 1, 0, 0, 0], [3, 0, 0, 1, 1], [np.nan] * 5], np.float32)
    check_model(LoadableModel(model, entry, rows, OnnxScorer(model, entry).score(rows)))


def test_a_slow_machine_has_more_time_and_a_fast_one_no_less() -> None:
    assert [processor_s(import_s) for import_s in (0.3, 3.0, 12.0)] == [30.0, 30.0, 120.0]

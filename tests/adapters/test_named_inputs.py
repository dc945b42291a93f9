"""Models with one input an attribute: rows are split into numbers and texts, and unknown stays unknown."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from gateway.adapters.onnx_scorer import OnnxScorer, ScorerError
from gateway.core import limits
from gateway.core.bundle import ModelEntry, NamedInput
from tests.kit.graphs import AGES, NAMED, NAMED_COLUMNS, named_model

NAN = np.nan


def sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


@pytest.mark.parametrize(
    ("row", "sum_of_weights"),
    [
        ([2.0, 1.0, 0.0, 0.0, 1.0], 0.4 + 1.0 + 0.5),
        ([2.0, 0.0, 1.0, 0.0, 0.0], 0.4 + 2.0),
        ([0.0, 0.0, 0.0, 1.0, 1.0], 3.0 + 0.5),
        ([NAN, 0.0, 0.0, 1.0, 1.0], 0.1 + 3.0 + 0.5),  # unknown visits reach the model as NaN
        ([2.0, NAN, NAN, NAN, 1.0], 0.4 + 0.5),  # an unknown category is none of the values
        ([2.0, 0.0, 0.0, 0.0, 1.0], 0.4 + 0.5),  # as is a value that the model does not list
    ],
)
def test_each_attribute_reaches_its_own_input(row: list[float], sum_of_weights: float) -> None:
    scorer = OnnxScorer(*named_model())
    assert scorer.score(np.array([row], np.float32))[0] == pytest.approx(sigmoid(sum_of_weights), abs=1e-6)


def test_a_batch_scores_as_its_rows_alone() -> None:
    scorer, draws = OnnxScorer(*named_model()), np.random.default_rng(5)
    rows = np.zeros((limits.SCORE_ROWS_MAX, len(NAMED_COLUMNS)), np.float32)
    rows[:, 0], rows[:, 4] = draws.integers(0, 5, len(rows)), draws.integers(0, 2, len(rows))
    ages = draws.integers(0, len(AGES) + 1, len(rows))
    rows[np.arange(len(rows)), np.minimum(ages, len(AGES) - 1) + 1] = ages < len(AGES)
    together = scorer.score(rows)
    assert len(np.unique(together)) > 20
    assert together.tolist() == pytest.approx([float(scorer.score(row[np.newaxis])[0]) for row in rows], abs=1e-6)
    assert scorer.score(rows[::2]).tolist() == together[::2].tolist()  # rows need not be contiguous


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((NamedInput("visit"), *NAMED[1:]), r"its input 'visit' is absent, in the manifest tensor\(float\)"),
        ((*NAMED[:2], NamedInput("member", ("yes",))), r"its input 'member' is tensor\(float\) .* in the manifest tensor\(string\)"),
        (NAMED[:2], r"its input 'member' is tensor\(float\) of shape \(n, 1\), in the manifest absent"),
    ],
)
def test_inputs_must_be_those_that_were_signed(inputs: tuple[NamedInput, ...], message: str) -> None:
    model, entry = named_model()
    columns = tuple(column for one in inputs for column in one.columns)
    with pytest.raises(ScorerError, match=message):
        OnnxScorer(model, msgspec.structs.replace(entry, inputs=inputs, columns=columns))


def test_a_manifest_has_exactly_one_form() -> None:
    _, entry = named_model()
    table = msgspec.to_builtins(entry)
    assert msgspec.convert(table, ModelEntry) == entry
    with pytest.raises(msgspec.ValidationError, match="either one input of all columns or named inputs"):
        msgspec.convert(table | {"input": "rows"}, ModelEntry)
    with pytest.raises(msgspec.ValidationError, match="either one input"):
        msgspec.convert(table | {"inputs": []}, ModelEntry)
    with pytest.raises(msgspec.ValidationError, match="not those of its inputs"):
        msgspec.convert(table | {"columns": [*NAMED_COLUMNS[1:], NAMED_COLUMNS[0]]}, ModelEntry)

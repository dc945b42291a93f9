"""The scorer believes no model: neither its bytes, nor its answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from gateway.adapters.bundle import open_bundle, read_public_keys
from gateway.adapters.onnx_graph import operators
from gateway.adapters.onnx_scorer import OnnxScorer, ScorerError, load_scorer
from gateway.core import limits
from gateway.core.bundle import LoadableModel, ModelEntry
from tests.kit.attributes import COLUMNS

WIDTH = len(COLUMNS)
DEMO = Path(__file__).resolve().parents[2] / "deploy" / "worlds" / "street"


def onnx(nodes: list[Any], constants: dict[str, NDArray[Any]], width: int = WIDTH, kind: int = TensorProto.FLOAT) -> bytes:
    """A model `rows` -> `propensity` of these nodes."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info("propensity", kind, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    return content


def linear(weight: float, bias: float) -> bytes:
    """`bias + weight * hour`, with nothing that keeps it within 0..1."""
    weights = np.zeros((WIDTH, 1), np.float32)
    weights[0] = weight
    node = helper.make_node("Gemm", ["rows", "weights", "bias"], ["propensity"])
    return onnx([node], {"weights": weights, "bias": np.array([bias], np.float32)})


def scorer(model: bytes) -> OnnxScorer:
    return OnnxScorer(model, ModelEntry(input="rows", output="propensity", opset=17, ops=tuple(sorted(operators(model))), columns=COLUMNS))


def rows(hours: list[float]) -> NDArray[np.float32]:
    made = np.zeros((len(hours), WIDTH), np.float32)
    made[:, 0] = hours
    return made


def test_scores_are_one_probability_a_row() -> None:
    scores = scorer(linear(0.01, 0.1)).score(rows([0, 10, 20]))
    assert scores.tolist() == pytest.approx([0.1, 0.2, 0.3], abs=1e-6)
    assert scores.dtype == np.dtype("<f4")
    assert scores.shape == (3,)


def test_no_candidates_need_no_model() -> None:
    assert scorer(linear(0.01, 0.1)).score(rows([])).shape == (0,)


def test_of_two_columns_the_second_is_read() -> None:
    both = onnx(
        [helper.make_node("Gemm", ["rows", "weights", "bias"], ["propensity"])],
        {"weights": np.zeros((WIDTH, 2), np.float32), "bias": np.array([0.25, 0.75], np.float32)},
    )
    assert scorer(both).score(rows([1, 2])).tolist() == [0.75, 0.75]


@pytest.mark.parametrize(("weight", "bias"), [(np.nan, 0.0), (np.inf, 0.0), (0.1, 0.0), (-0.1, 0.0)])
def test_what_is_no_probability_never_leaves_the_scorer(weight: float, bias: float) -> None:
    model = scorer(linear(weight, bias))
    with pytest.raises(ScorerError, match="bad_scores: a score is not a probability"):
        model.score(rows([1, 2, 15]))


def test_one_bad_answer_spoils_the_batch() -> None:
    """Zero by zero is NaN in the middle row only."""
    nodes = [
        helper.make_node("Gather", ["rows", "first"], ["hour"], axis=1),
        helper.make_node("Div", ["hour", "hour"], ["propensity"]),
    ]
    model = scorer(onnx(nodes, {"first": np.array([0], np.int64)}))
    assert model.score(rows([1, 2])).tolist() == [1, 1]
    with pytest.raises(ScorerError, match="bad_scores"):
        model.score(rows([1, 0, 2]))


def test_a_model_that_answers_beside_the_question() -> None:
    wide = scorer(onnx([helper.make_node("Sigmoid", ["rows"], ["propensity"])], {}))
    with pytest.raises(ScorerError, match="of shape"):
        wide.score(rows([1, 2]))
    cast = scorer(onnx([helper.make_node("Cast", ["rows"], ["propensity"], to=TensorProto.INT64)], {}, kind=TensorProto.INT64))
    with pytest.raises(ScorerError, match="int64"):
        cast.score(rows([1, 2]))


@pytest.mark.parametrize(
    "question",
    [np.zeros((1, WIDTH), np.float64), np.zeros((1, WIDTH + 1), np.float32), np.zeros((limits.SCORE_ROWS_MAX + 1, WIDTH), np.float32)],
)
def test_a_wrong_question_is_refused(question: NDArray[Any]) -> None:
    with pytest.raises(ScorerError, match="bad_scores: the rows are"):
        scorer(linear(0.0, 0.5)).score(question)


def test_a_model_that_fails_while_running() -> None:
    broken = scorer(onnx([helper.make_node("Gather", ["rows", "far"], ["propensity"], axis=1)], {"far": np.array([WIDTH + 5], np.int64)}))
    with pytest.raises(ScorerError, match="bad_scores: the model failed"):
        broken.score(rows([1]))


def test_parity_is_measured_over_all_batches() -> None:
    model = scorer(linear(0.01, 0.1))
    asked = rows([float(number % 24) for number in range(3 * limits.SCORE_ROWS_MAX + 5)])
    expected = (0.1 + 0.01 * asked[:, 0]).astype(np.float32)
    assert model.check_parity(asked, expected) < 1e-6
    expected[-1] += 2e-5
    with pytest.raises(ScorerError, match="parity_differs"):
        model.check_parity(asked, expected)
    assert model.check_parity(asked, expected, tolerance=1e-4) == pytest.approx(2e-5, abs=1e-6)


def loadable(model: bytes, asked: NDArray[np.float32], expected: NDArray[np.float32]) -> LoadableModel:
    entry = ModelEntry(input="rows", output="propensity", opset=17, ops=tuple(sorted(operators(model))), columns=COLUMNS)
    return LoadableModel(model, entry, asked, expected)


def test_a_model_that_says_the_same_to_everybody_is_not_loaded() -> None:
    same = np.full(3, 0.5, np.float32)
    with pytest.raises(ScorerError, match="gives every row the same score"):
        load_scorer(loadable(linear(0.0, 0.5), rows([1, 2, 3]), same))
    asked = rows([1, 2, 3])
    assert load_scorer(loadable(linear(0.1, 0.0), asked, asked[:, 0] / np.float32(10))).score(asked).tolist() == pytest.approx(
        [0.1, 0.2, 0.3]
    )


def test_operators_off_the_list_are_refused() -> None:
    looping = onnx([helper.make_node("RandomUniformLike", ["rows"], ["propensity"])], {})
    with pytest.raises(ScorerError, match="not allowed: RandomUniformLike"):
        scorer(looping)
    foreign = onnx([helper.make_node("Sigmoid", ["rows"], ["propensity"], domain="com.example")], {})
    with pytest.raises(ScorerError, match=r"not allowed: com\.example\.Sigmoid"):
        scorer(foreign)


def test_operators_must_be_those_that_were_signed() -> None:
    with pytest.raises(ScorerError, match="differ from those in the manifest"):
        OnnxScorer(linear(0.0, 0.5), ModelEntry(input="rows", output="propensity", opset=17, ops=("Sigmoid",), columns=COLUMNS))


@pytest.mark.parametrize("entry", [{"input": "columns"}, {"output": "label"}])
def test_the_ends_must_be_those_that_were_signed(entry: dict[str, str]) -> None:
    names = {"input": "rows", "output": "propensity"} | entry
    with pytest.raises(ScorerError, match="model_broken"):
        OnnxScorer(linear(0.0, 0.5), ModelEntry(input=names["input"], output=names["output"], opset=17, ops=("Gemm",), columns=COLUMNS))


def test_a_model_of_another_width_is_refused() -> None:
    with pytest.raises(
        ScorerError, match=r"its input .rows. is tensor\(float\) of shape \(n, 26\), in the manifest tensor\(float\) of shape \(n, 25\)"
    ):
        scorer(onnx([helper.make_node("Sigmoid", ["rows"], ["propensity"])], {}, width=WIDTH + 1))


def test_damaged_models_are_refused_or_caught_by_parity() -> None:
    """300 flipped bits in a model that nothing signs: each ends as a ScorerError or changes no answer."""
    draws = np.random.default_rng(4)
    model, asked = linear(0.01, 0.1), rows([float(hour) for hour in range(24)])
    expected = scorer(model).score(asked)
    ends = {"refused": 0, "harmless": 0}
    for _ in range(300):
        content = bytearray(model)
        content[int(draws.integers(len(content)))] ^= 1 << int(draws.integers(8))
        try:
            OnnxScorer(
                bytes(content), ModelEntry(input="rows", output="propensity", opset=17, ops=("Gemm",), columns=COLUMNS)
            ).check_parity(asked, expected)
        except ScorerError:
            ends["refused"] += 1
        else:
            ends["harmless"] += 1
    assert ends["refused"] > 50
    assert ends["harmless"] > 0  # else the loop would only show that everything is refused


def test_the_demo_bundle_opens_and_answers() -> None:
    opened = open_bundle(DEMO / "street.bundle", read_public_keys(DEMO / "bundle.pub"), 1_798_761_600_000)
    model = load_scorer(opened.model)
    assert len(opened.model.rows) >= 1_000
    assert np.isnan(opened.model.rows).any(axis=0).sum() >= 10  # unknown values are among the parity rows
    assert model.check_parity(opened.model.rows, opened.model.expected) <= 1e-5
    nothing_known = np.full((1, opened.model.rows.shape[1]), np.nan, np.float32)
    assert 0 < model.score(nothing_known)[0] < 1
    assert (DEMO / "street.bundle").stat().st_size < 600_000
    assert {offer.id for offer in opened.campaign.offers} >= {"flat-white", "noodle-bowl", "first-pint", "market-dinner"}

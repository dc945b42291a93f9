"""Files that cannot be the model of a bundle: each is refused by name, and its sound twin is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from gateway.adapters.onnx_graph import operators
from models.imported.encoders import encoded
from models.imported.errors import ImportedError
from models.imported.importing import Imported, import_model
from tests.kit.graphs import FLOAT, STRING
from tests.models.imported.museum import SCHEMA, TICKETS, written

SUM = [
    helper.make_node("Imputer", ["visits"], ["known"], domain="ai.onnx.ml", imputed_value_floats=[1.0], replaced_value_float=float("nan"))
]
SCORE = [*SUM, helper.make_node("Mul", ["known", "weight"], ["sum"]), helper.make_node("Sigmoid", ["sum"], ["chance"])]
Shapes = Mapping[str, tuple[int, list[int | None]]]
Constants = Mapping[str, NDArray[Any]]
WEIGHT = {"weight": np.array([[0.1]], np.float32)}


def model(
    nodes: Sequence[Any] = SCORE,
    inputs: Shapes | None = None,
    outputs: Sequence[str] = ("chance",),
    constants: Constants | None = None,
) -> ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "mine",
        [helper.make_tensor_value_info(name, *kind) for name, kind in (inputs or {"visits": (FLOAT, [None, 1])}).items()],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in (WEIGHT if constants is None else constants).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8)


def imported(made: ModelProto, folder: Path, **options: Any) -> Imported:
    return import_model(written(made, folder), SCHEMA, seed=0, **options)


def refusal(made: ModelProto, folder: Path, **options: Any) -> str:
    with pytest.raises(ImportedError) as refused:
        imported(made, folder, **options)
    return str(refused.value)


def test_the_sound_twin_is_imported(tmp_path: Path) -> None:
    assert imported(model(), tmp_path).model.entry.columns == ("visits",)


# --- inputs ---------------------------------------------------------------------------------------


def test_inputs_that_fit_no_attribute_are_named_with_the_nearest(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("OneHotEncoder", ["tickets"], ["codes"], domain="ai.onnx.ml", cats_strings=list(TICKETS), zeros=1),
        helper.make_node("Reshape", ["codes", "shape"], ["code"]),
        helper.make_node("Concat", ["code", "visit", "ticket", "income"], ["joined"], axis=1),
        helper.make_node("MatMul", ["joined", "weights"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["chance"]),
    ]
    inputs: Shapes = {"tickets": (STRING, [None, 1])} | dict.fromkeys(("visit", "ticket", "income"), (FLOAT, [None, 1]))
    constants: Constants = {"weights": np.ones((6, 1), np.float32), "shape": np.array([-1, 3], np.int64)}
    assert refusal(model(nodes, inputs, constants=constants), tmp_path).splitlines() == [
        "no attribute is declared for its input 'tickets' of texts; did you mean 'ticket'?",
        "no attribute is declared for its input 'visit'; did you mean 'visits'?",
        "its input 'ticket' takes numbers, and the schema declares a category of day, year, school: train with texts",
        "no attribute is declared for its input 'income'; known: ticket, visits, hour, member, weekday",
    ]


def test_texts_for_a_number_are_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("LabelEncoder", ["visits"], ["code"], domain="ai.onnx.ml", keys_strings=["1"], values_floats=[0.9]),
        helper.make_node("Clip", ["code", "low"], ["chance"]),
    ]
    made = model(nodes, {"visits": (STRING, [None, 1])}, constants={"low": np.array(0.1, np.float32)})
    assert refusal(made, tmp_path) == "its input 'visits' takes texts, and the schema declares a number: train with float32"


@pytest.mark.parametrize(
    ("kind", "shape", "message"),
    [
        (FLOAT, [1, 1], "its input 'visits' takes exactly 1 rows: export with a free number of rows"),
        (FLOAT, [None], "its input 'visits' has 1 dimensions: rows and columns are needed"),
        (TensorProto.FLOAT16, [None, 1], "its input 'visits' has type FLOAT16: use float32"),
        (TensorProto.INT64, [None, 1], "its input 'visits' is int64, which has no value for unknown, and 'visits' may be unknown"),
        (TensorProto.BOOL, [None, 1], "its input 'visits' is bool, which has no value for unknown"),
    ],
)
def test_inputs_of_another_type_or_shape_are_refused(kind: int, shape: list[int | None], message: str, tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["visits"], ["known"], to=FLOAT), *SCORE[1:]]
    assert message in refusal(model(nodes, {"visits": (kind, shape)}), tmp_path)


def test_whole_numbers_hold_an_attribute_that_is_always_known(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["weekday"], ["known"], to=FLOAT), *SCORE[1:]]
    made = imported(model(nodes, {"weekday": (TensorProto.INT64, [None, 1])}), tmp_path)
    assert made.scores(np.array([[2.0], [5.0]], np.float32)).tolist() == pytest.approx([1 / (1 + np.exp(-0.2)), 1 / (1 + np.exp(-0.5))])


@pytest.mark.parametrize("through", ["alone", "joined"])
def test_categories_of_an_encoder_are_compared_with_the_schema(through: str, tmp_path: Path) -> None:
    """Several columns of texts are joined first, and each encoder picks its own."""
    picked = "ticket" if through == "alone" else "one"
    nodes = [
        *([] if through == "alone" else [helper.make_node("Concat", ["ticket", "ticket"], ["texts"], axis=1)]),
        *([] if through == "alone" else [helper.make_node("Gather", ["texts", "second"], ["one"], axis=1)]),
        helper.make_node("OneHotEncoder", [picked], ["codes"], domain="ai.onnx.ml", cats_strings=["day", "yearly", ""], zeros=1),
        helper.make_node("Reshape", ["codes", "shape"], ["code"]),
        helper.make_node("MatMul", ["code", "weights"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["chance"]),
    ]
    constants: Constants = {
        "weights": np.array([[1], [2], [0]], np.float32),
        "shape": np.array([-1, 3], np.int64),
        "second": np.array([1], np.int64),
    }
    made = model(nodes, {"ticket": (STRING, [None, 1])}, constants=constants)
    assert list(encoded(made)) == [("ticket", ["day", "yearly", ""])]
    assert refusal(made, tmp_path) == ("its encoder of 'ticket' knows 'yearly', which the schema does not declare; did you mean 'year'?")
    for node in made.graph.node:
        if node.op_type == "OneHotEncoder":
            node.attribute[0].strings[1] = b"year"
    assert imported(made, tmp_path).model.entry.columns == ("ticket_day", "ticket_year", "ticket_school")


# --- outputs --------------------------------------------------------------------------------------


def test_an_output_outside_0_to_1_is_refused(tmp_path: Path) -> None:
    assert "its output is not a probability (" in refusal(model(SCORE[:2], outputs=["sum"]), tmp_path)


def test_an_output_that_is_unknown_with_its_input_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Sigmoid", ["visits"], ["chance"])]
    assert "rows: visits may be unknown, so add an imputer" in refusal(model(nodes), tmp_path)


def test_one_probability_for_all_rows_is_refused(tmp_path: Path) -> None:
    constants = {"weight": np.array([[0.0]], np.float32)}
    assert "gives all 1024 drawn rows the same probability, 0.5" in refusal(model(constants=constants), tmp_path)


def test_an_output_of_another_shape_is_refused(tmp_path: Path) -> None:
    three = [*SCORE[:2], helper.make_node("Concat", ["sum"] * 3, ["sums"], axis=1), helper.make_node("Softmax", ["sums"], ["chance"])]
    assert "for 512 rows its output has shape (512, 3)" in refusal(model(three), tmp_path)
    summed = [*SUM, helper.make_node("ReduceSum", ["known"], ["chance"], keepdims=0)]
    assert "its output has shape ()" in refusal(model(summed, constants={}), tmp_path)


def test_of_several_outputs_one_is_named(tmp_path: Path) -> None:
    nodes = [*SCORE, helper.make_node("Neg", ["sum"], ["other"])]
    made = model(nodes, outputs=["other", "chance"])
    assert "it has several outputs of numbers (other, chance): choose one with --output" in refusal(made, tmp_path)
    assert imported(made, tmp_path, output="chance").model.entry.output == "chance"
    assert "no output of probabilities called 'chances'; did you mean 'chance'?" in refusal(made, tmp_path, output="chances")


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0, 1, 2], "it has the classes 0, 1, 2: a model of a bundle has two"), ([1, 2], "which of its classes 1, 2 is the positive one")],
)
def test_other_classes_than_not_taken_and_taken_are_refused(labels: list[int], message: str, tmp_path: Path) -> None:
    classifier = helper.make_node(
        "LinearClassifier",
        ["known"],
        ["label", "chance"],
        domain="ai.onnx.ml",
        coefficients=[0.1] * len(labels),
        intercepts=[0.0] * len(labels),
        classlabels_ints=labels,
        post_transform="SOFTMAX",
    )
    assert message in refusal(model([*SUM, classifier], constants={}), tmp_path)


def test_labels_alone_are_no_probability(tmp_path: Path) -> None:
    made = model([*SCORE[:2], helper.make_node("Cast", ["sum"], ["label"], to=TensorProto.INT64)], outputs=["label"])
    made.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    assert "none of its outputs (label) is a probability" in refusal(made, tmp_path)


# --- parts that unfold ------------------------------------------------------------------------------


def test_other_files_are_refused(tmp_path: Path) -> None:
    for content in (b"", b"a,b\n1,2\n", bytes(range(256))):
        (tmp_path / "mine.onnx").write_bytes(content)
        with pytest.raises(ImportedError, match="is not an ONNX file"):
            import_model(tmp_path / "mine.onnx", SCHEMA, seed=0)


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    onnx.save_model(model(), str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(ImportedError, match="its tensor 'weight' is in another file: export with all weights inside"):
        import_model(path, SCHEMA, seed=0)


def test_sparse_tensors_subgraphs_functions_and_training_are_refused(tmp_path: Path) -> None:
    sparse = model(constants={})
    values, at = numpy_helper.from_array(np.ones(1, np.float32), "weight"), numpy_helper.from_array(np.zeros(1, np.int64), "at")
    sparse.graph.sparse_initializer.append(helper.make_sparse_tensor(values, at, [1, 1]))
    assert "its tensor 'weight' is sparse: store it as a dense initializer" in refusal(sparse, tmp_path)
    inner = helper.make_graph([helper.make_node("Identity", ["visits"], ["x"])], "inner", [], [helper.make_tensor_value_info("x", 1, None)])
    looped = model([*SCORE, helper.make_node("If", ["visits"], ["y"], name="choice", then_branch=inner, else_branch=inner)])
    assert "its node If 'choice' holds a subgraph" in refusal(looped, tmp_path)
    with_function = model()
    with_function.functions.add(name="Gelu", domain="mine")
    assert "it holds the function 'Gelu': export the model with functions inlined" in refusal(with_function, tmp_path)
    trained = model()
    trained.training_info.add()
    assert "training steps" in refusal(trained, tmp_path)


def folding(size: int) -> ModelProto:
    """A weight that is the sum of an outer product of two vectors of `size`."""
    nodes = [
        helper.make_node("MatMul", ["tall", "wide"], ["square"], name="outer"),
        helper.make_node("ReduceSum", ["square"], ["weight"]),
        *SCORE,
    ]
    tall = np.full((size, 1), 0.1 / size, np.float32)
    return model(nodes, constants={"tall": tall, "wide": np.full((1, size), 1 / size, np.float32)})


def test_constants_count_with_their_folded_size(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a node MatMul computes from constants only"):
        operators(folding(10).SerializeToString())
    made = imported(folding(10), tmp_path)
    assert operators(made.model.onnx) == {"Mul", "Sigmoid", "ai.onnx.ml.Imputer"}
    assert made.parity_worst < 1e-6
    message = "its node MatMul 'outer' computes a constant of 4000000 values, at most 1048576 are allowed: make the model smaller"
    assert refusal(folding(2_000), tmp_path) == message


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    nodes = [*SUM, helper.make_node("MatMul", ["known", "wide"], ["many"]), helper.make_node("MatMul", ["many", "tall"], ["sum"]), SCORE[2]]
    constants = {"wide": np.ones((1, 140_000), np.float32), "tall": np.zeros((140_000, 1), np.float32)}
    assert "bytes, at most 1048576 are allowed: use fewer trees" in refusal(model(nodes, constants=constants), tmp_path)


def test_a_model_above_the_stated_budget_is_refused(tmp_path: Path) -> None:
    assert "µs of processor time, the budget is 1: use fewer trees" in refusal(model(), tmp_path, budget_us=1.0)

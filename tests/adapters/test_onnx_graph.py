"""Models are read from their bytes before ONNX Runtime loads them; each refused part stands beside an accepted one."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import AttributeProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, helper, numpy_helper

from gateway.adapters.onnx_graph import OPS_ALLOWED, GraphError, operators
from gateway.core import limits

IDENTITY = helper.make_node("Identity", ["rows"], ["propensity"])


def model(*nodes: NodeProto, initializers: tuple[TensorProto, ...] = (), sparse: tuple[SparseTensorProto, ...] = ()) -> ModelProto:
    graph = helper.make_graph(list(nodes) or [IDENTITY], "test", [], [], list(initializers), sparse_initializer=list(sparse))
    return helper.make_model(graph)


def refusal(made: ModelProto) -> str:
    with pytest.raises(GraphError) as refused:
        operators(made.SerializeToString())
    return str(refused.value)


def sparse(rows: int) -> SparseTensorProto:
    """A tensor of rows * rows values, one of them in the file."""
    return helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(1, np.float32), "s"), numpy_helper.from_array(np.zeros(1, np.int64), "at"), [rows, rows]
    )


def tensor(*shape: int, name: str = "weights") -> TensorProto:
    """A tensor that states this shape and holds no values."""
    return TensorProto(name=name, data_type=TensorProto.FLOAT, dims=list(shape))


def test_operators_carry_their_domain() -> None:
    scaled = helper.make_node("Scaler", ["rows"], ["scaled"], domain="ai.onnx.ml", scale=[1.0], offset=[0.0])
    assert operators(model(scaled, IDENTITY).SerializeToString()) == {"ai.onnx.ml.Scaler", "Identity"}
    assert {"ai.onnx.ml.Scaler", "Identity"} <= OPS_ALLOWED


@pytest.mark.parametrize("operator", ["If", "Loop", "Scan"])
def test_subgraphs_are_refused(operator: str) -> None:
    inner = helper.make_graph([IDENTITY], "inner", [], [helper.make_tensor_value_info("propensity", 1, None)])
    assert f"a node {operator} holds a subgraph" in refusal(model(helper.make_node(operator, ["rows"], ["propensity"], body=inner)))
    listed = helper.make_node(operator, ["rows"], ["propensity"])
    listed.attribute.append(AttributeProto(name="bodies", type=AttributeProto.GRAPHS, graphs=[inner]))
    assert "subgraph" in refusal(model(listed))


@pytest.mark.parametrize("part", ["initializer", "attribute"])
def test_data_outside_the_file_is_refused(part: str) -> None:
    outside = TensorProto(data_type=TensorProto.FLOAT, dims=[1], name="bias", data_location=TensorProto.EXTERNAL)
    entry = outside.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    node = helper.make_node("Identity", ["rows"], ["propensity"])
    if part == "attribute":
        node.attribute.append(helper.make_attribute("value", outside))
    assert "tensor 'bias' refers to data outside" in refusal(model(node, initializers=(outside,) if part == "initializer" else ()))


def test_functions_and_training_steps_are_refused() -> None:
    with_function = model()
    with_function.functions.add(name="Sigmoid", domain="")
    assert "functions" in refusal(with_function)
    trained = model()
    trained.training_info.add()
    assert "training steps" in refusal(trained)


def test_sparse_tensors_are_refused_wherever_they_are() -> None:
    assert "sparse tensor" in refusal(model(sparse=(sparse(1_000_000),)))
    constant = helper.make_node("Constant", [], ["c"], sparse_value=sparse(1_000_000))
    assert "a node Constant holds a sparse tensor" in refusal(model(constant, IDENTITY))
    many = helper.make_node("Identity", ["rows"], ["propensity"])
    many.attribute.append(AttributeProto(name="all", type=AttributeProto.SPARSE_TENSORS, sparse_tensors=[sparse(2)]))
    assert "sparse tensor" in refusal(model(many))
    assert operators(model(initializers=(numpy_helper.from_array(np.zeros((2, 2), np.float32), "dense"),)).SerializeToString())


def test_tensors_count_as_their_shape_states() -> None:
    most = limits.MODEL_VALUES_MAX
    assert operators(model(initializers=(tensor(most // 2, 2),)).SerializeToString()) == {"Identity"}
    assert "over 1048576 values (with 'weights' of shape [1048577]" in refusal(model(initializers=(tensor(most + 1),)))
    assert "values" in refusal(model(initializers=(tensor(2**20, 2**20),)))
    assert "values" in refusal(model(initializers=(tensor(-1),)))  # a negative dimension is a huge number in the file
    together = tuple(tensor(most // 4, name=str(number)) for number in range(5))
    assert "with '4' of shape" in refusal(model(initializers=together))
    constant = helper.make_node("Cast", ["rows"], ["propensity"], to=1)
    constant.attribute.append(helper.make_attribute("value", tensor(most + 1)))
    assert "values" in refusal(model(constant))


def test_packed_dimensions_count_too() -> None:
    """Protobuf readers accept repeated numbers in one field."""
    plain = model(initializers=(tensor(2**10, 2**12),)).SerializeToString()
    (at,) = (at for at in range(len(plain)) if plain[at : at + 6] == b"\x08\x80\x08\x08\x80\x20")
    packed = plain[:at] + b"\x0a\x04\x80\x08\x80\x20" + plain[at + 6 :]
    assert ModelProto.FromString(packed).graph.initializer[0].dims == [2**10, 2**12]
    with pytest.raises(GraphError, match=r"of shape \[1024, 4096\]"):
        operators(packed)


def test_nodes_that_compute_from_constants_only_are_refused() -> None:
    """An outer product of two small tensors would be a large one after loading."""
    tall, wide = tensor(100_000, 1, name="tall"), tensor(1, 100_000, name="wide")
    folded = helper.make_node("MatMul", ["tall", "wide"], ["square"])
    assert "a node MatMul computes from constants only (tall, wide)" in refusal(model(folded, IDENTITY, initializers=(tall, wide)))
    partly = helper.make_node("MatMul", ["rows", "wide"], ["propensity"])
    assert operators(model(partly, initializers=(tall, wide)).SerializeToString()) == {"MatMul"}


@pytest.mark.parametrize("content", [b"", b"\x00", b"\x3a", b"\x3a\xff\xff\xff\xff\x0f", b"\xff" * 64, b"not a model at all", b"\x38\x01"])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(GraphError, match="not an ONNX model"):
        operators(content)

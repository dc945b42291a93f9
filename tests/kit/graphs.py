"""ONNX models for tests, written node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from gateway.adapters.onnx_graph import operators
from gateway.core.bundle import ModelEntry, NamedInput

FLOAT, STRING = TensorProto.FLOAT, TensorProto.STRING


def graph_bytes(
    nodes: Sequence[Any],
    constants: Mapping[str, NDArray[Any]],
    inputs: Mapping[str, tuple[int, int]],
    output: str = "propensity",
    kind: int = FLOAT,
) -> bytes:
    """A model of these nodes; `inputs` maps a name to its element type and width."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, element, [None, width]) for name, (element, width) in inputs.items()],
        [helper.make_tensor_value_info(output, kind, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    return content


def entry_for(onnx: bytes, columns: tuple[str, ...]) -> ModelEntry:
    """The entry of a model `rows` -> `propensity`."""
    return ModelEntry(input="rows", output="propensity", opset=17, ops=tuple(sorted(operators(onnx))), columns=columns)


AGES = ("child", "adult", "senior")
NAMED = (NamedInput("visits"), NamedInput("age_band", AGES), NamedInput("member"))
NAMED_COLUMNS = tuple(column for one in NAMED for column in one.columns)


def named_model() -> tuple[bytes, ModelEntry]:
    """A pipeline of three named inputs, of the form that skl2onnx writes: each column has its own weight, and 0.1 for unknown visits."""
    weights = np.array([[0.2], [1.0], [2.0], [3.0], [0.5]], np.float32)
    nodes = [
        helper.make_node("OneHotEncoder", ["age_band"], ["ages"], domain="ai.onnx.ml", cats_strings=list(AGES), zeros=1),
        helper.make_node("Reshape", ["ages", "shape"], ["age"]),
        helper.make_node("Concat", ["visits", "age", "member"], ["joined"], axis=1),
        helper.make_node(
            "Imputer",
            ["joined"],
            ["filled"],
            domain="ai.onnx.ml",
            imputed_value_floats=[0.5, 0, 0, 0, 0],
            replaced_value_float=float("nan"),
        ),
        helper.make_node("MatMul", ["filled", "weights"], ["sums"]),
        helper.make_node("Sigmoid", ["sums"], ["propensity"]),
    ]
    inputs = {"visits": (FLOAT, 1), "age_band": (STRING, 1), "member": (FLOAT, 1)}
    model = graph_bytes(nodes, {"weights": weights, "shape": np.array([-1, len(AGES)], np.int64)}, inputs)
    ops = tuple(sorted(operators(model)))
    return model, ModelEntry(inputs=NAMED, output="propensity", opset=17, ops=ops, columns=NAMED_COLUMNS)


def slow_model(columns: int, size: int, products: int) -> bytes:
    """A model `rows` -> `propensity` that multiplies square matrices of `size`, unfolded from its rows, `products` times a call."""
    nodes = [
        helper.make_node("IsNaN", ["rows"], ["unknown"]),
        helper.make_node("Where", ["unknown", "zeros", "rows"], ["known"]),
        helper.make_node("MatMul", ["known", "pick"], ["first"]),
        helper.make_node("Gather", ["first", "zero"], ["one"], axis=0),
        helper.make_node("Clip", ["one", "low", "high"], ["bounded"]),
        helper.make_node("Add", ["tall", "bounded"], ["taller"]),
        helper.make_node("MatMul", ["taller", "wide"], ["product_0"]),
        *(helper.make_node("MatMul", [f"product_{n}"] * 2, [f"product_{n + 1}"]) for n in range(products)),
        helper.make_node("MatMul", [f"product_{products}", "tall"], ["folded"]),
        helper.make_node("Gather", ["folded", "zero"], ["small"], axis=0),
        helper.make_node("Mul", ["small", "nothing"], ["none"]),
        helper.make_node("Add", ["first", "none"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["propensity"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "zeros": np.zeros((1, columns), np.float32),
        "pick": np.eye(columns, 1, dtype=np.float32) * np.float32(1e-3),
        "zero": np.array([0], np.int64),
        "low": np.array(-1, np.float32),
        "high": np.array(1, np.float32),
        "tall": np.full((size, 1), 1e-3, np.float32),
        "wide": np.full((1, size), 1e-3, np.float32),
        "nothing": np.zeros((1, 1), np.float32),
    }
    return graph_bytes(nodes, constants, {"rows": (FLOAT, columns)})


def wide_model(columns: int, width: int) -> bytes:
    """A model `rows` -> `propensity` that keeps `width` numbers a row in memory."""
    nodes = [
        helper.make_node(
            "Imputer", ["rows"], ["known"], domain="ai.onnx.ml", imputed_value_floats=[0.0], replaced_value_float=float("nan")
        ),
        helper.make_node("Clip", ["known", "low", "high"], ["bounded"]),
        helper.make_node("MatMul", ["bounded", "pick"], ["first"]),
        helper.make_node("MatMul", ["first", "wide"], ["unfolded"]),
        helper.make_node("MatMul", ["unfolded", "tall"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["propensity"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "low": np.array(-100, np.float32),
        "high": np.array(100, np.float32),
        "pick": np.eye(columns, 1, dtype=np.float32) / np.float32(100),
        "wide": np.full((1, width), 1e-2, np.float32),
        "tall": np.full((width, 1), 1e-2, np.float32),
    }
    return graph_bytes(nodes, constants, {"rows": (FLOAT, columns)})

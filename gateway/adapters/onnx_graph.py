"""Reads an ONNX model from its bytes, without a library, and refuses each part that ONNX Runtime should not load.

Allowed are nodes of OPS_ALLOWED and tensors that are in the file as large as in memory. Refused are subgraphs, functions, training steps,
data outside the file, and everything that unfolds at load: sparse tensors, tensors of more values than bytes, and nodes that compute from
constants only. Field numbers: onnx.proto3 of the ONNX project.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from gateway.core import limits

# Elementwise arithmetic, linear algebra, encoders and tree ensembles: the parts of tabular models that skl2onnx, onnxmltools and
# PyTorch export. No operator loops, branches, draws random numbers or sizes its output by the values of its input.
OPS_ALLOWED = frozenset(
    {"Abs", "Add", "And", "Div", "Equal", "Erf", "Exp", "Greater", "GreaterOrEqual", "IsNaN", "Less", "LessOrEqual", "Log"}
    | {"Max", "Min", "Mul", "Neg", "Not", "Or", "Pow", "Sqrt", "Sub", "Sum", "Where"}
    | {"Clip", "Elu", "LeakyRelu", "Relu", "Sigmoid", "Softmax", "Softplus", "Tanh", "BatchNormalization", "LayerNormalization"}
    | {"ArgMin", "Cast", "Concat", "Flatten", "Gather", "Gemm", "Identity", "MatMul", "ReduceLogSumExp", "ReduceMean"}
    | {"ReduceSum", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"}
    | {"ai.onnx.ml.ArrayFeatureExtractor", "ai.onnx.ml.Imputer", "ai.onnx.ml.LabelEncoder", "ai.onnx.ml.LinearClassifier"}
    | {"ai.onnx.ml.LinearRegressor", "ai.onnx.ml.Normalizer", "ai.onnx.ml.OneHotEncoder", "ai.onnx.ml.Scaler"}
    | {"ai.onnx.ml.TreeEnsemble", "ai.onnx.ml.TreeEnsembleClassifier", "ai.onnx.ml.TreeEnsembleRegressor"}
)


class GraphError(ValueError):
    """The model is not loaded; the text names the part and the reason."""


def operators(onnx: bytes) -> set[str]:
    """The operators of a model as `domain.Op` (`Op` in the standard domain).

    Raises GraphError for bytes that are not an ONNX model, and for functions, training steps, subgraphs, external data, sparse tensors,
    nodes that only compute constants, and tensors of more than MODEL_VALUES_MAX values together.
    """
    reader = _Reader()
    for field, value in _fields(memoryview(onnx)):
        if field == 20:
            raise GraphError("it holds training steps: export it for inference")
        if field == 25:
            raise GraphError("it holds functions: export it with functions inlined")
        if field == 7:
            reader.read_graph(_nested(value))
    if not reader.ops:
        raise GraphError("it is not an ONNX model")
    return reader.ops


def is_message(content: bytes) -> bool:
    """Whether bytes are fields of a protobuf message, as those of every ONNX file are."""
    try:
        return sum(1 for _ in _fields(memoryview(content))) > 0
    except GraphError:
        return False


class _Reader:
    """Operators, names of constants, and number of tensor values found so far."""

    def __init__(self) -> None:
        self.ops: set[str] = set()
        self._constants: set[str] = set()
        self._values = 0

    def read_graph(self, graph: memoryview) -> None:
        nodes: list[memoryview] = []
        for field, value in _fields(graph):
            if field == 15:
                raise GraphError("it holds a sparse tensor: store the tensor as a dense initializer")
            if field == 5:
                self._constants.add(self._tensor(_nested(value)))
            elif field == 1:
                nodes.append(_nested(value))
        for node in nodes:
            self._node(node)

    def _node(self, node: memoryview) -> None:
        name = domain = ""
        inputs: list[str] = []
        attributes: list[memoryview] = []
        for field, value in _fields(node):
            if field == 1:
                inputs.append(_text(value))
            elif field == 4:
                name = _text(value)
            elif field == 5:
                attributes.append(_nested(value))
            elif field == 7:
                domain = _text(value)
        operator = f"{domain}.{name}" if domain else name
        for attribute in attributes:
            self._attribute(operator, attribute)
        named = [one for one in inputs if one]
        if named and self._constants.issuperset(named):
            raise GraphError(f"a node {operator} computes from constants only ({', '.join(named)[:80]}): fold constants before the export")
        self.ops.add(operator)

    def _attribute(self, operator: str, attribute: memoryview) -> None:
        for field, content in _fields(attribute):
            if field in {6, 11}:  # g, graphs
                raise GraphError(f"a node {operator} holds a subgraph: a model may neither loop nor branch")
            if field in {22, 23}:  # sparse_tensor, sparse_tensors
                raise GraphError(f"a node {operator} holds a sparse tensor: store the tensor as a dense initializer")
            if field in {5, 10}:  # t, tensors
                self._tensor(_nested(content))

    def _tensor(self, tensor: memoryview) -> str:
        """The name of a tensor, after its values are counted as its shape states them."""
        name, dims = "", [1]
        for field, value in _fields(tensor):
            if field in {13, 14}:  # external_data, data_location
                raise GraphError(f"its tensor {name!r} refers to data outside the model file: export it with all weights inside")
            if field == 1:
                dims += [value] if isinstance(value, int) else _packed(value)
            elif field == 8:
                name = _text(value)
        self._values += math.prod(dims)
        if self._values > limits.MODEL_VALUES_MAX:
            raise GraphError(f"its tensors hold over {limits.MODEL_VALUES_MAX} values (with {name!r} of shape {dims[1:]}): make it smaller")
        return name


def _text(value: int | memoryview) -> str:
    return str(_nested(value), "utf-8", "replace")


def _nested(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise GraphError("it is not an ONNX model")
    return value


def _packed(content: memoryview) -> list[int]:
    numbers: list[int] = []
    at = 0
    while at < len(content):
        number, at = _varint(content, at)
        numbers.append(number)
    return numbers


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a protobuf message; values of fixed size as their bytes. Raises GraphError."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if wire == 2:
            size, at = _varint(message, at)
        else:
            size = {1: 8, 5: 4}.get(wire, len(message) + 1)  # other wire types do not exist
        if at + size > len(message):
            raise GraphError("it is not an ONNX model")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise GraphError("it is not an ONNX model")

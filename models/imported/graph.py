"""Reads an ONNX file, and rewrites its graph into the form that a gateway loads.

Exporters write more than a gateway accepts: a ZipMap behind the probabilities, a predicted label beside it, inputs of other number types,
constants that are computed from constants. `cut` keeps the nodes before one tensor, `fold` replaces computed constants by values, and
`with_float_inputs` puts a Cast behind every input of another number type. No probability is changed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper, shape_inference

from gateway.adapters import onnx_graph
from gateway.core import limits
from models.imported.errors import ImportedError
from models.imported.session import Session

OPSET = 17  # of a model without operators of the standard domain, before a Cast is added


def read_model(path: Path) -> ModelProto:
    """The model in an ONNX file. Raises ImportedError for other files, and for parts that no gateway loads."""
    content = path.read_bytes()
    if not onnx_graph.is_message(content):
        raise ImportedError(f"{path} is not an ONNX file")
    model = onnx.load_from_string(content)
    if not model.graph.node:
        raise ImportedError(f"{path} is not an ONNX file: it has no graph")
    if faults := list(_faults(model)):
        raise ImportedError("\n".join(f"{path}: {fault}" for fault in faults))
    return model


def _faults(model: ModelProto) -> Iterator[str]:
    for function in model.functions:
        yield f"it holds the function {function.name!r}: export the model with functions inlined"
    if model.training_info:
        yield "it holds training steps: export the model for inference"
    for sparse in model.graph.sparse_initializer:
        yield f"its tensor {sparse.values.name!r} is sparse: store it as a dense initializer"
    for tensor in _tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            yield f"its tensor {tensor.name!r} is in another file: export with all weights inside (torch.onnx.export: external_data=False)"
    for node in model.graph.node:
        kinds = {attribute.type for attribute in node.attribute}
        if kinds & {AttributeProto.GRAPH, AttributeProto.GRAPHS}:
            yield f"its node {_title(node)} holds a subgraph: a model on a gateway may neither loop nor branch"
        if kinds & {AttributeProto.SPARSE_TENSOR, AttributeProto.SPARSE_TENSORS}:
            yield f"its node {_title(node)} holds a sparse tensor: store it as a dense initializer"


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                yield attribute.t
            yield from attribute.tensors


def _title(node: NodeProto) -> str:
    return f"{node.op_type} {node.name!r}" if node.name else node.op_type


def operator_of(node: NodeProto) -> str:
    """The operator as the manifest lists it: `domain.Op`, or `Op` in the standard domain."""
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def attribute(node: NodeProto, name: str) -> list[int | float | str]:
    """A list attribute of a node, texts decoded; empty if it is absent."""
    found = next((one for one in node.attribute if one.name == name), None)
    values = helper.get_attribute_value(found) if found is not None else []
    return [value.decode() if isinstance(value, bytes) else value for value in values]


def producer(graph: GraphProto, tensor: str) -> NodeProto | None:
    """The node that computes a tensor, or None for an input or initializer."""
    return next((node for node in graph.node if tensor in node.output), None)


def cut(model: ModelProto, tensor: str) -> None:
    """Keep the nodes, initializers and inputs that `tensor` needs, and make it the only output."""
    graph = model.graph
    needed, kept = {tensor}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    kept.reverse()
    initial = [one for one in graph.initializer if one.name in needed]
    stored = {one.name for one in initial}
    inputs = [one for one in graph.input if one.name in needed and one.name not in stored]
    for field, values in (("node", kept), ("initializer", initial), ("input", inputs), ("value_info", [])):
        graph.ClearField(field)
        getattr(graph, field).extend(values)
    graph.ClearField("output")
    graph.output.append(ValueInfoProto(name=tensor))  # its type is found by `with_float_output`


def fold(model: ModelProto) -> None:
    """Replace every node that computes from constants only by an initializer with its result.

    Raises ImportedError if a result has more than MODEL_VALUES_MAX values, before it is computed, or if no node is left.
    """
    known = _inferred(model)
    constants = {one.name: one for one in model.graph.initializer}
    kept: list[NodeProto] = []
    for node in model.graph.node:
        if all(name in constants for name in node.input if name):
            constants |= _computed(model, node, constants, [known[name] for name in node.output if name in known])
        else:
            kept.append(node)
    if not kept:
        raise ImportedError("its output does not depend on any input: export the fitted model with its inputs")
    stored = {name for node in kept for name in node.input} & set(constants)
    graph = model.graph
    graph.ClearField("node")
    graph.node.extend(kept)
    graph.ClearField("initializer")
    graph.initializer.extend(constants[name] for name in sorted(stored))


def _inferred(model: ModelProto) -> dict[str, ValueInfoProto]:
    """Types and shapes of the tensors between the nodes, where these can be inferred."""
    try:
        inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    except shape_inference.InferenceError as error:
        raise ImportedError(f"its shapes contradict each other ({str(error)[:160]})") from error
    return {one.name: one for one in (*inferred.value_info, *inferred.output)}


def _computed(
    model: ModelProto, node: NodeProto, constants: Mapping[str, TensorProto], outputs: Sequence[ValueInfoProto]
) -> dict[str, TensorProto]:
    for one in outputs:
        values = math.prod(dim.dim_value for dim in one.type.tensor_type.shape.dim)
        if values > limits.MODEL_VALUES_MAX:
            raise ImportedError(
                f"its node {_title(node)} computes a constant of {values} values, at most {limits.MODEL_VALUES_MAX} are allowed: "
                "make the model smaller"
            )
    used = [constants[name] for name in node.input if name]
    alone = helper.make_graph([node], "constant", [], list(outputs), used)
    session = Session(helper.make_model(alone, opset_imports=model.opset_import, ir_version=model.ir_version).SerializeToString())
    names = [one.name for one in outputs]
    return {name: numpy_helper.from_array(value, name) for name, value in zip(names, session.run(names, {}), strict=True)}


def with_float_inputs(model: ModelProto) -> None:
    """Make every input of another number type float32, with a Cast to its own type behind it."""
    graph = model.graph
    for one in graph.input:
        kind = one.type.tensor_type.elem_type
        if kind in {TensorProto.FLOAT, TensorProto.STRING}:
            continue
        typed = f"{one.name}_typed"
        for node in graph.node:
            for at, name in enumerate(node.input):
                if name == one.name:
                    node.input[at] = typed
        graph.node.insert(0, helper.make_node("Cast", [one.name], [typed], to=kind))
        one.type.tensor_type.elem_type = TensorProto.FLOAT
        _import_standard(model)


def with_float_output(model: ModelProto) -> None:
    """Make the output float32, with a Cast if it is double."""
    (output,) = model.graph.output
    name = output.name
    if name in (known := _inferred(model)) and known[name].type.tensor_type.elem_type == TensorProto.DOUBLE:
        name = f"{output.name}_float"
        model.graph.node.append(helper.make_node("Cast", [output.name], [name], to=TensorProto.FLOAT))
        _import_standard(model)
    output.CopyFrom(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))


def _import_standard(model: ModelProto) -> None:
    if all(one.domain not in {"", "ai.onnx"} for one in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", OPSET))

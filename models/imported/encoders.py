"""Categories that are visible in a model's encoders, compared with the values that the schema declares.

A text goes from its input through Concat, Gather and Reshape to a OneHotEncoder or LabelEncoder. A category that the schema lacks can never
occur on a gateway, and is most often a spelling of a declared one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from gateway.core.nearest import nearest
from models.imported.graph import attribute
from models.imported.matching import Matched, kind_of

_KEPT = {"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}


def unknown_categories(model: ModelProto, matched: Matched) -> Iterator[str]:
    """A line for each category of an encoder that its attribute does not have; the empty text stands for unknown."""
    values = {one.name: one.values for one in matched.inputs}
    for name, categories in encoded(model):
        for category in categories:
            if category and category not in values[name]:
                yield f"its encoder of {name!r} knows {category!r}, which the schema does not declare{nearest(category, values[name])}"


def encoded(model: ModelProto) -> Iterator[tuple[str, list[str]]]:
    """(input of texts, categories of its encoder) for each encoder of one such input."""
    constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    sources: dict[str, list[str]] = {one.name: [one.name] for one in model.graph.input if kind_of(one) == TensorProto.STRING}
    for node in model.graph.node:
        found = _sources(node, sources, constants)
        if len(found) == 1:
            categories = [str(one) for name in ("cats_strings", "keys_strings") for one in attribute(node, name)]
            if categories:
                yield found[0], categories
        if node.op_type in {*_KEPT, "Concat", "Gather", "ArrayFeatureExtractor", "LabelEncoder"}:
            sources[node.output[0]] = found


def _sources(node: NodeProto, sources: dict[str, list[str]], constants: Mapping[str, NDArray[Any]]) -> list[str]:
    """The inputs that the columns of a node's first input, or of all inputs of a Concat, come from."""
    if node.op_type == "Concat":
        parts = [sources.get(name, []) for name in node.input]
        return [source for part in parts for source in part] if all(parts) else []
    found = sources.get(node.input[0], []) if node.input else []
    if node.op_type in {"Gather", "ArrayFeatureExtractor"} and found:
        picked = _picked(constants.get(node.input[1]))
        return [found[at] for at in picked if at < len(found)]
    return found


def _picked(index: NDArray[Any] | None) -> list[int]:
    return [] if index is None else [int(at) for at in index.ravel()]

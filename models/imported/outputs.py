"""Finds the output that is the probability of the positive class, in the forms of skl2onnx, onnxmltools and PyTorch.

Classifiers write a predicted label and probabilities (n, 2), the latter also as one mapping of labels a row (ZipMap); networks write one
sigmoid column. Of two columns the second is the positive class, so the labels in the file must be in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

from gateway.core.nearest import nearest
from models.imported.errors import ImportedError
from models.imported.graph import attribute, producer

_FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE}
_LABELS = ("classlabels_int64s", "classlabels_ints", "classlabels_strings")
_TEXTS = {("0", "1"), ("false", "true"), ("no", "yes"), ("n", "y")}


class Probability(NamedTuple):
    """The graph's output, the tensor that holds the probability before a ZipMap, and the ZipMap's label of the positive class."""

    output: str
    tensor: str
    label: int | str | None


def find_probability(model: ModelProto, wanted: str | None) -> Probability:
    """The probability of the positive class; `wanted` names the output where there are several.

    Raises ImportedError if there is none or more than one, or if the classes are not two in the order negative, positive.
    """
    found = [one for output in model.graph.output if (one := _probability(model, output)) is not None]
    names = [one.output for one in found]
    if wanted is not None:
        if wanted not in names:
            raise ImportedError(f"it has no output of probabilities called {wanted!r}{nearest(wanted, names)}")
        found = [one for one in found if one.output == wanted]
    elif len(found) > 1:
        found = [one for one in found if "prob" in one.output.lower()] or found
    if len(found) > 1:
        raise ImportedError(f"it has several outputs of numbers ({', '.join(one.output for one in found)}): choose one with --output")
    if not found:
        outputs = ", ".join(one.name for one in model.graph.output)
        raise ImportedError(f"none of its outputs ({outputs}) is a probability: export a classifier with predict_proba, or a sigmoid")
    return found[0]


def _probability(model: ModelProto, output: ValueInfoProto) -> Probability | None:
    node = producer(model.graph, output.name)
    if node is not None and node.op_type == "ZipMap":
        labels = _labels(node)
        _check_labels(labels)
        return Probability(output.name, node.input[0], labels[-1])
    kind = output.type.tensor_type.elem_type
    if not output.type.HasField("tensor_type") or kind not in _FLOATS:
        return None
    return Probability(output.name, output.name, None)


def check_classes(model: ModelProto) -> None:
    """Raises ImportedError if a classifier in the graph has other classes than a negative and a positive one, in this order."""
    for node in model.graph.node:
        if labels := _labels(node):
            _check_labels(labels)


def _labels(node: NodeProto) -> Sequence[int | str]:
    return [label for name in _LABELS for label in attribute(node, name) if not isinstance(label, float)]


def _check_labels(labels: Sequence[int | str]) -> None:
    listed = ", ".join(map(repr, labels))
    if len(labels) != 2:
        raise ImportedError(f"it has the classes {listed}: a model of a bundle has two, 0 (not taken) and 1 (taken)")
    low, high = labels
    ordered = tuple(str(label).casefold() for label in labels) in _TEXTS if isinstance(low, str) else (low, high) in {(0, 1), (-1, 1)}
    if not ordered:
        raise ImportedError(f"which of its classes {listed} is the positive one is not known: train with outcomes 0 and 1")

"""Fitted estimators as ONNX, by skl2onnx: its own converter for boosted trees, custom converters for all other parts.

Boosting is converted as a regressor of log-odds, (n, 1), because a calibration follows: TreeEnsembleClassifier returns two
columns and is a third slower in ONNX Runtime. The other parts are not scikit-learn's, or skl2onnx's graph has operators that
a gateway refuses (`OPS_ALLOWED`): a linear model on filled columns and flags needs Concat, a network Concat, ArgMax and
Reshape. A first layer therefore multiplies columns and flags by separate weights and adds the products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from onnx import ModelProto, TensorProto, checker
from skl2onnx import to_onnx as convert
from skl2onnx import update_registered_converter, update_registered_parser
from skl2onnx.algebra.onnx_ops import (
    OnnxCast,
    OnnxClip,
    OnnxGemm,
    OnnxImputer,
    OnnxIsNaN,
    OnnxRelu,
    OnnxScaler,
    OnnxSigmoid,
    OnnxSub,
    OnnxTanh,
    OnnxTreeEnsembleRegressor_3,
)
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingClassifier

from gateway.adapters.onnx_graph import OPS_ALLOWED, operators
from gateway.core.bundle import ModelEntry
from models.propensity.base import Classifier
from models.propensity.boosting import Boosting
from models.propensity.calibration import Isotonic, Sigmoid
from models.propensity.chaid import Chaid
from models.propensity.estimators import Fitted
from models.propensity.hybrid import Hybrid
from models.propensity.logistic import Logistic
from models.propensity.mlp import Mlp, OutputLayer
from models.propensity.naive_bayes import NaiveBayes
from models.propensity.per_parameter import PerParameter
from models.propensity.preprocessing import DEVIATIONS_MAX, FirstLayer
from models.propensity.trees import TreeSum

INPUT, OUTPUT = "rows", "propensity"
OPSET, OPSET_ML = 17, 3  # what ONNX Runtime has read since 1.14; nothing newer is needed

Converter = Callable[[Any, Any, list[Any]], Any]
"""Input variable, part and output variables in; the last operator of the graph out."""


def to_onnx(fitted: Fitted, columns: int) -> bytes:
    """The estimator with its calibration: rows float32 (n, columns) in, the probability float32 (n, 1) out.

    The same estimator gives the same bytes. Raises RuntimeError if a converter writes an operator that a gateway refuses.
    """
    model: ModelProto = convert(
        fitted,
        name=OUTPUT,
        initial_types=[(INPUT, FloatTensorType([None, columns]))],
        target_opset={"": OPSET, "ai.onnx.ml": OPSET_ML},
        white_op={operator.rpartition(".")[2] for operator in OPS_ALLOWED},
    )
    slim(model)
    checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def entry_of(model: bytes, columns: tuple[str, ...]) -> ModelEntry:
    """The manifest's entry for a model that `to_onnx` wrote, with the names of its columns."""
    return ModelEntry(input=INPUT, output=OUTPUT, opset=OPSET, ops=tuple(sorted(operators(model))), columns=columns)


def slim(model: ModelProto) -> None:
    """Remove optional fields that no runtime needs: names of nodes, and hit rates, an eighth of a boosted model's bytes."""
    for node in model.graph.node:
        node.ClearField("name")
        for attribute in [attribute for attribute in node.attribute if attribute.name == "nodes_hitrates"]:
            node.attribute.remove(attribute)


# --- the chain of parts -------------------------------------------------------------------------
_ALIASES: dict[type, str] = {HistGradientBoostingClassifier: "SklearnHistGradientBoostingRegressor"}


def _parse(scope: Any, fitted: Fitted, inputs: list[Any], custom_parsers: object = None) -> list[Any]:  # noqa: ARG001
    """Declare an operator for each part; its input is the output of the previous part."""
    parts = fitted.parts()
    for number, part in enumerate(parts, start=1):
        operator = scope.declare_local_operator(_ALIASES[type(part)], part)
        operator.inputs = inputs
        inputs = [scope.declare_local_variable(OUTPUT if number == len(parts) else "part", FloatTensorType())]
        operator.outputs.extend(inputs)
    return inputs


def _register(kind: type, convert: Converter) -> None:
    _ALIASES[kind] = f"Wayside{kind.__name__}"

    def shape(operator: Any) -> None:
        part = operator.raw_operator
        operator.outputs[0].type = FloatTensorType([None, part.weights.shape[1] if isinstance(part, FirstLayer) else 1])

    def converter(scope: Any, operator: Any, container: Any) -> None:
        convert(operator.inputs[0], operator.raw_operator, operator.outputs[:1]).add_to(scope, container)

    update_registered_converter(kind, _ALIASES[kind], shape, converter)


def _convert_first_layer(rows: Any, part: FirstLayer, output: list[Any]) -> Any:
    """Unused columns are scaled by 0, because selecting columns (Gather) takes longer than all other operators together."""
    columns, prepared = rows.type.shape[1], part.preprocessor
    mean, scale, unknown = (np.zeros(columns, np.float32) for _ in range(3))
    mean[prepared.used], scale[prepared.used], unknown[prepared.used] = prepared.mean, prepared.scale, prepared.unknown
    scaled = OnnxScaler(rows, offset=mean, scale=scale, op_version=1)
    filled = OnnxImputer(scaled, imputed_value_floats=unknown, replaced_value_float=float("nan"), op_version=1)
    bounded = OnnxClip(filled, _float(-DEVIATIONS_MAX), _float(DEVIATIONS_MAX), op_version=OPSET)
    weights, of_flags = np.zeros((2, columns, part.weights.shape[1]))
    weights[prepared.used], of_flags[prepared.flagged] = np.split(part.weights, [len(prepared.used)])
    if not len(prepared.flagged):
        return OnnxGemm(bounded, _float(weights), _float(part.bias), op_version=OPSET, output_names=output)
    known = OnnxGemm(bounded, _float(weights), _float(part.bias), op_version=OPSET)
    flags = OnnxCast(OnnxIsNaN(rows, op_version=OPSET), to=TensorProto.FLOAT, op_version=OPSET)
    return OnnxGemm(flags, _float(of_flags), known, op_version=OPSET, output_names=output)


def _convert_output_layer(hidden: Any, part: OutputLayer, output: list[Any]) -> Any:
    bent = OnnxTanh(hidden, op_version=OPSET)
    return OnnxGemm(bent, _float(part.weights), _float(part.bias), op_version=OPSET, output_names=output)


def _convert_trees(rows: Any, part: TreeSum, output: list[Any]) -> Any:
    """`only_unknown` is written as `value < -inf`: no number is below it, and an unknown value follows its flag."""
    leaf = part.leaf
    return OnnxTreeEnsembleRegressor_3(
        rows,
        n_targets=1,
        aggregate_function="SUM",
        post_transform="NONE",  # for a single target ONNX Runtime 1.32 ignores LOGISTIC
        base_values=[part.base],
        nodes_treeids=part.tree.tolist(),
        nodes_nodeids=part.node.tolist(),
        nodes_modes=np.where(leaf, "LEAF", np.where(part.only_unknown, "BRANCH_LT", "BRANCH_LEQ")).tolist(),
        nodes_featureids=np.where(leaf, 0, part.column).tolist(),
        nodes_values=np.where(leaf, np.float32(0), np.where(part.only_unknown, np.float32(-np.inf), part.split)).tolist(),
        nodes_truenodeids=np.where(leaf, 0, part.yes).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, part.no).tolist(),
        nodes_missing_value_tracks_true=np.where(leaf, 0, part.unknown_yes).astype(int).tolist(),
        target_treeids=part.tree[leaf].tolist(),
        target_nodeids=part.node[leaf].tolist(),
        target_ids=[0] * int(leaf.sum()),
        target_weights=part.weight[leaf].tolist(),
        op_version=OPSET_ML,
        output_names=output,
    )


def _convert_sigmoid(log_odds: Any, part: Sigmoid, output: list[Any]) -> Any:
    line = OnnxGemm(log_odds, _float([[part.slope]]), _float([part.intercept]), op_version=OPSET)
    return OnnxSigmoid(line, op_version=OPSET, output_names=output)


def _convert_isotonic(log_odds: Any, part: Isotonic, output: list[Any]) -> Any:
    """The line is a sum of hinges, one where each of its pieces begins; a single knot is a line without slope."""
    starts = part.x[: max(1, len(part.x) - 1)]
    bends = np.diff(np.diff(part.y) / np.diff(part.x), prepend=0.0) if len(part.x) > 1 else np.zeros(1)
    bounded = OnnxClip(log_odds, _float(part.x[0]), _float(part.x[-1]), op_version=OPSET)
    hinges = OnnxRelu(OnnxSub(bounded, _float(starts), op_version=OPSET), op_version=OPSET)
    line = OnnxGemm(hinges, _float(bends[:, np.newaxis]), _float(part.y[:1]), op_version=OPSET)
    return OnnxSigmoid(line, op_version=OPSET, output_names=output)


def _float(values: ArrayLike) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def _parse_classifier(scope: Any, model: Classifier, inputs: list[Any], custom_parsers: object = None) -> list[Any]:
    """An estimator at the end of a pipeline: its log-odds, then the probability."""
    return _parse(scope, Fitted(type(model).__name__, "", model, Sigmoid(1.0, 0.0)), inputs, custom_parsers)


_register(FirstLayer, _convert_first_layer)
_register(OutputLayer, _convert_output_layer)
_register(TreeSum, _convert_trees)
_register(Sigmoid, _convert_sigmoid)
_register(Isotonic, _convert_isotonic)
update_registered_parser(Fitted, _parse)
for _kind in (Boosting, Chaid, Hybrid, Logistic, Mlp, NaiveBayes, PerParameter):
    update_registered_parser(_kind, _parse_classifier)

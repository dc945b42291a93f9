"""A fitted learner as one ONNX model with two outputs: the probability with the offer (`treated`) and without it (`untreated`).

Each model of the learner is converted by itself, and the graphs are joined at the input. The effect of a learner without a
model of the treated is added to the untreated probability and cut off at 0 and 1, as the native learner does.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, checker, compose, helper, numpy_helper
from skl2onnx import to_onnx as convert
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingRegressor

from gateway.adapters.bundle import MODEL, PARITY, Parity, parity_bytes
from gateway.adapters.onnx_graph import OPS_ALLOWED
from gateway.adapters.onnx_scorer import OnnxScorer
from gateway.core.bundle import ModelEntry
from models.export import extreme_rows
from models.propensity.boosting import rounded_down
from models.propensity.conversion import INPUT, OPSET, OPSET_ML, entry_of, to_onnx
from models.propensity.estimators import Fitted
from models.uplift.learners import Model, Uplift

TREATED, UNTREATED = "treated", "untreated"
PARITY_ROWS = 1_024


class ExportedUplift(NamedTuple):
    """The model, its entry (output `treated`), synthetic rows (m, k), both probabilities (m,), and the largest difference."""

    model: bytes
    entry: ModelEntry
    rows: NDArray[np.float32]
    treated: NDArray[np.float32]
    untreated: NDArray[np.float32]
    parity_worst: float

    def save(self, folder: Path) -> None:
        """Write the model and the parity rows of both outputs into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL).write_bytes(self.model)
        (folder / PARITY).write_bytes(parity_bytes(Parity(self.rows, self.treated, self.untreated)))


def export_uplift(fitted: Uplift, columns: tuple[str, ...], rows: NDArray[np.float32], seed: int) -> ExportedUplift:
    """The learner as ONNX, compared with the native one on `rows` (m, k) and on extreme rows.

    Raises ScorerError if a gateway would refuse the model or a probability differs by more than 1e-5.
    """
    model = joined(fitted, len(columns))
    entry = msgspec.structs.replace(entry_of(model, columns), output=TREATED, untreated=UNTREATED)
    scorer = OnnxScorer(model, entry)
    worst = 0.0
    for asked in (rows, extreme_rows(rows, seed)):
        with_offer, without = (of.astype(np.float32) for of in fitted.probabilities(asked))
        worst = max(worst, scorer.check_parity(asked, with_offer), scorer.check_untreated(asked, without))
    treated, untreated = (of.astype(np.float32) for of in fitted.probabilities(rows))
    return ExportedUplift(model, entry, rows, treated, untreated, worst)


def joined(fitted: Uplift, columns: int) -> bytes:
    """The ONNX model of a learner, rows float32 (n, columns) in, `treated` and `untreated` float32 (n, 1) out."""
    models = [fitted.without, *((fitted.treated,) if fitted.treated else (term.model for term in fitted.terms))]
    parts = [_renamed(_converted(model, columns), f"m{number}_") for number, model in enumerate(models)]
    graph = parts[0].graph
    for part in parts[1:]:
        graph.node.extend(part.graph.node)
        graph.initializer.extend(part.graph.initializer)
    outputs = [part.graph.output[0].name for part in parts]
    with_offer = outputs[1] if fitted.treated else _sum(graph, fitted, outputs)
    graph.node.extend([helper.make_node("Identity", [name], [output]) for name, output in ((with_offer, TREATED), (outputs[0], UNTREATED))])
    del graph.output[:]
    graph.output.extend([helper.make_tensor_value_info(name, 1, [None, 1]) for name in (TREATED, UNTREATED)])
    whole = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)], ir_version=parts[0].ir_version
    )
    checker.check_model(whole)
    content: bytes = whole.SerializeToString(deterministic=True)
    return content


def _sum(graph: GraphProto, fitted: Uplift, outputs: list[str]) -> str:
    """Name of the sum of the untreated probability, the constant and the weighted terms, within 0 and 1."""
    numbers = {"constant": fitted.constant, "zero": 0.0, "one": 1.0} | {
        f"weight{number}": term.weight for number, term in enumerate(fitted.terms)
    }
    graph.initializer.extend([numpy_helper.from_array(np.array(value, np.float32), name) for name, value in numbers.items()])
    nodes = [helper.make_node("Add", [outputs[0], "constant"], ["sum0"])]
    for number, name in enumerate(outputs[1:]):
        nodes.append(helper.make_node("Mul", [name, f"weight{number}"], [f"term{number}"]))
        nodes.append(helper.make_node("Add", [f"sum{number}", f"term{number}"], [f"sum{number + 1}"]))
    nodes.append(helper.make_node("Clip", [f"sum{len(outputs) - 1}", "zero", "one"], ["within"]))
    graph.node.extend(nodes)
    return "within"


def _converted(model: Model, columns: int) -> ModelProto:
    if isinstance(model, Fitted):
        proto = ModelProto()
        proto.ParseFromString(to_onnx(model, columns))
        return proto
    return _regressor(model, columns)


def _regressor(model: HistGradientBoostingRegressor, columns: int) -> ModelProto:
    rounded = copy.deepcopy(model)
    for (predictor,) in rounded._predictors:  # noqa: SLF001 (scikit-learn has no public view of the nodes)
        predictor.nodes["num_threshold"] = rounded_down(predictor.nodes["num_threshold"])
    converted: ModelProto = convert(
        rounded,
        initial_types=[(INPUT, FloatTensorType([None, columns]))],
        target_opset={"": OPSET, "ai.onnx.ml": OPSET_ML},
        white_op={operator.rpartition(".")[2] for operator in OPS_ALLOWED},
    )
    return converted


def _renamed(model: ModelProto, prefix: str) -> ModelProto:
    """A copy in which all names but that of the input have the prefix."""
    named = compose.add_prefix(model, prefix, rename_inputs=False)
    for node in named.graph.node:
        node.input[:] = [INPUT if name == prefix + INPUT else name for name in node.input]
    return named

"""Writing a model as ONNX, node by node, from the few operators that a gateway lets in.

A converter would know none of our own families, and those it knows it rounds: scikit-learn compares a float32 value with
a split point in double precision, so a split that is rounded to the nearest float32 sends a value that lies exactly on it
the other way. Whoever writes the graph itself can round down, fold a calibration into it, and keep to the list of
operators that `gateway/adapters/onnx_scorer.py` allows. Every family has `emit(graph, rows)`, which adds its nodes and
names the log-odds; nothing here knows a family.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from gateway.adapters.onnx_scorer import operators
from gateway.core.bundle import ModelEntry

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.float32]

INPUT, OUTPUT = "rows", "propensity"
OPSET, OPSET_ML = 17, 3  # what ONNX Runtime has read since 1.14; nothing newer is needed
IR_VERSION = 8  # goes with opset 17


class Ensemble(NamedTuple):
    """Many trees as arrays over their nodes: row goes to `yes` where value <= split, or it is unknown and `unknown_yes` says so.

    Where `only_unknown` is set the node asks nothing else than whether the value is unknown. `weight` counts at leaves.
    """

    tree: Ints
    node: Ints
    leaf: NDArray[np.bool_]
    only_unknown: NDArray[np.bool_]
    column: Ints
    split: NDArray[np.float32]
    yes: Ints
    no: Ints
    unknown_yes: NDArray[np.bool_]
    weight: Floats


class Graph:
    """An ONNX graph that grows: each call adds something and gives its name."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    @property
    def columns(self) -> int:
        """How many columns a row has."""
        return self._columns

    def constant(self, values: Any, dtype: type[np.generic] = np.float32) -> str:
        """A tensor that is part of the model; numbers become float32 unless told otherwise."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype=dtype), name))
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """One operator on what stands there already."""
        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], domain=domain, **attributes))
        return name

    def trees(self, rows: str, ensemble: Ensemble, base: float) -> str:
        """The sum of all trees and `base`, (n, 1).

        "Only unknown" is written as `value < -inf`: no number is, and an unknown value follows its flag.
        """
        leaf, asks = ensemble.leaf, np.where(ensemble.only_unknown, "BRANCH_LT", "BRANCH_LEQ")
        return self.node(
            "TreeEnsembleRegressor",
            rows,
            domain="ai.onnx.ml",
            n_targets=1,
            aggregate_function="SUM",
            post_transform="NONE",  # for a single target ONNX Runtime 1.32 passes over LOGISTIC in silence
            base_values=[base],
            nodes_treeids=ensemble.tree.tolist(),
            nodes_nodeids=ensemble.node.tolist(),
            nodes_modes=np.where(leaf, "LEAF", asks).tolist(),
            nodes_featureids=np.where(leaf, 0, ensemble.column).tolist(),
            nodes_values=np.where(leaf, np.float32(0), np.where(ensemble.only_unknown, np.float32(-np.inf), ensemble.split)).tolist(),
            nodes_truenodeids=np.where(leaf, 0, ensemble.yes).tolist(),
            nodes_falsenodeids=np.where(leaf, 0, ensemble.no).tolist(),
            nodes_missing_value_tracks_true=np.where(leaf, 0, ensemble.unknown_yes).astype(int).tolist(),
            target_treeids=ensemble.tree[leaf].tolist(),
            target_nodeids=ensemble.node[leaf].tolist(),
            target_ids=[0] * int(leaf.sum()),
            target_weights=ensemble.weight[leaf].tolist(),
        )

    def finish(self, log_odds: str) -> bytes:
        """The whole model as bytes: rows float32 (n, columns) in, the probability float32 (n, 1) out. The same graph, the same bytes."""
        last = helper.make_node("Sigmoid", [log_odds], [OUTPUT])
        graph = helper.make_graph(
            [*self._nodes, last],
            "propensity",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, self._columns])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, 1])],
            initializer=self._constants,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)]
        model: ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="wayside")
        checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content


def entry_of(model: bytes) -> ModelEntry:
    """What the manifest says of a model that a `Graph` wrote."""
    return ModelEntry(input=INPUT, output=OUTPUT, opset=OPSET, ops=tuple(sorted(operators(model))))


def rounded_down(splits: Floats) -> NDArray[np.float32]:
    """The largest float32 not above each split: for float32 x, `x <= split` and `x <= rounded` then say the same."""
    nearest = splits.astype(np.float32)
    return np.where(nearest.astype(np.float64) > splits, np.nextafter(nearest, np.float32(-np.inf)), nearest)

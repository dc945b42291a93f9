"""The champion as ONNX, and the proof that it answers there as it does here.

The trees are written node by node, for two reasons. scikit-learn compares a float32 value with a split
point in double precision; a converter that rounds the split to the nearest float32 sends a value that lies exactly on
it the other way, so here it is rounded down, which keeps every comparison as it was. And the calibration is folded into the
leaves: no second place where a factor could be forgotten. (skl2onnx 1.20 does neither, and its
converter for these trees fails under the protobuf that onnx 1.23 brings.) Unknown values take the branch that training
gave them.

The rows that travel with a model for checking are drawn from a seed. Nobody's answers leave the workstation.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, checker, helper

from gateway.adapters.bundle import MODEL, MODEL_BYTES_MAX, PARITY, ModelEntry, parity_bytes
from gateway.adapters.onnx_scorer import OnnxScorer, operators
from gateway.core import features, limits
from gateway.core.features import KINDS, Heading, Situation, Weather
from models.training import Champion

INPUT, OUTPUT = "rows", "propensity"
OPSET, OPSET_ML = 17, 3  # what ONNX Runtime has read since 1.14; nothing newer is needed
IR_VERSION = 8  # goes with opset 17
PARITY_ROWS = 1_024
UNKNOWN = 0.2  # share of synthetic situations in which one source of knowledge is silent
_TIMED_CALLS = 2_000


class ExportError(RuntimeError):
    """The model cannot be shipped; the text says why."""


class Exported(NamedTuple):
    """A model ready for a bundle. `parity_worst` is the largest difference over the parity rows; times are medians a call."""

    model: bytes
    entry: ModelEntry
    rows: NDArray[np.float32]
    expected: NDArray[np.float32]
    parity_worst: float
    batch_1_us: float
    batch_64_us: float

    def save(self, folder: Path) -> None:
        """Write the model and its parity rows into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL).write_bytes(self.model)
        (folder / PARITY).write_bytes(parity_bytes(self.rows, self.expected))


def export(champion: Champion, seed: int, bytes_max: int = MODEL_BYTES_MAX) -> Exported:
    """The champion as ONNX, checked on synthetic rows; `ExportError` or `ScorerError` when it may not be shipped."""
    model = to_onnx(champion)
    if len(model) > bytes_max:
        raise ExportError(f"the model has {len(model)} bytes, at most {bytes_max} are allowed: use fewer rounds or less depth")
    entry = entry_of(model)
    rows = features.matrix(synthetic(seed, PARITY_ROWS))
    expected = champion.propensity(rows).astype(np.float32)
    scorer = OnnxScorer(model, entry)
    return Exported(
        model=model,
        entry=entry,
        rows=rows,
        expected=expected,
        parity_worst=scorer.check_parity(rows, expected),
        batch_1_us=_median_us(lambda: scorer.score(rows[:1])),
        batch_64_us=_median_us(lambda: scorer.score(rows[: limits.OFFERS_MAX])),
    )


def to_onnx(champion: Champion) -> bytes:
    """TreeEnsembleRegressor, then Sigmoid: rows float32 (n, len(FEATURES)) in, propensity float32 (n, 1) out.

    The ensemble's own `post_transform` LOGISTIC is not used: for a single target ONNX Runtime 1.32 passes over it in silence.
    """
    graph = helper.make_graph(
        [
            helper.make_node("TreeEnsembleRegressor", [INPUT], ["log_odds"], domain="ai.onnx.ml", **_ensemble(champion)),
            helper.make_node("Sigmoid", ["log_odds"], [OUTPUT]),
        ],
        "propensity",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, len(features.FEATURES)])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)]
    model: ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="wayside")
    checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def entry_of(model: bytes) -> ModelEntry:
    """What the manifest says of a model that `to_onnx` wrote."""
    return ModelEntry(input=INPUT, output=OUTPUT, opset=OPSET, ops=tuple(sorted(operators(model))))


def synthetic(seed: int, count: int) -> list[Situation]:
    """Situations drawn over the features' ranges, round and odd values alike, with everything that may be unknown unknown at times."""
    draws = np.random.default_rng(seed)
    return [_drawn(draws) for _ in range(count)]


def _drawn(draws: np.random.Generator) -> Situation:
    headings, weathers, kinds = get_args(Heading), get_args(Weather), (*KINDS, "other")
    round_values = draws.random() < 0.5  # splits lie between round values, offers and clocks are full of them
    silent = draws.random(3) < UNKNOWN
    untold = draws.random(len(KINDS)) < UNKNOWN
    visits = draws.choice([0.0, 0.5, 2.0, 6.0, 10.0], len(KINDS)) if round_values else draws.uniform(0.0, 15.0, len(KINDS))
    return Situation(
        hour=float(draws.integers(24)) if round_values else draws.uniform(0.0, 24.0),
        heading=headings[draws.integers(len(headings))],
        weather=None if silent[0] else weathers[draws.integers(len(weathers))],
        temperature_c=None if silent[1] else float(draws.integers(-15, 40)) if round_values else draws.uniform(-15.0, 40.0),
        offer_kind=kinds[draws.integers(len(kinds))],
        expiry_hours=float(draws.choice([0.5, 1.0, 2.0, 4.0, 24.0, 168.0])) if round_values else draws.uniform(0.1, 200.0),
        travel_min=float(draws.choice([0.0, 1.0, 5.0, 10.0, 15.0, 20.0, 25.0])) if round_values else draws.uniform(0.0, 45.0),
        visits_month={} if silent[2] else {kind: float(visits[at]) for at, kind in enumerate(KINDS) if not untold[at]},
        **_around(draws),
    )


def _around(draws: np.random.Generator) -> dict[str, float | None]:
    """What a gateway may know of a zone. A model that was taught without it is thereby shown to be indifferent to it."""
    tops = {"noise_dba": 110.0, "pm2_5_ug_m3": 150.0, "crowd_per_hour": 5_000.0, "context_age_min": 180.0}
    return {name: None if draws.random() < UNKNOWN else float(draws.uniform(0.0, top)) for name, top in tops.items()}


def _ensemble(champion: Champion) -> dict[str, Any]:
    """The attributes of the ONNX node, from scikit-learn's own arrays of tree nodes (it offers no public view of them)."""
    trees = [predictors[0].nodes for predictors in champion.trees._predictors]  # noqa: SLF001
    base = float(champion.trees._baseline_prediction.item())  # noqa: SLF001
    nodes = np.concatenate(trees)
    leaf = nodes["is_leaf"].astype(bool)
    tree_ids = np.repeat(np.arange(len(trees)), [len(tree) for tree in trees])
    node_ids = np.concatenate([np.arange(len(tree)) for tree in trees])
    return {
        "n_targets": 1,
        "aggregate_function": "SUM",
        "post_transform": "NONE",
        "base_values": [champion.slope * base + champion.intercept],
        "nodes_treeids": tree_ids.tolist(),
        "nodes_nodeids": node_ids.tolist(),
        "nodes_modes": ["LEAF" if end else "BRANCH_LEQ" for end in leaf],
        "nodes_featureids": np.where(leaf, 0, nodes["feature_idx"]).tolist(),
        "nodes_values": np.where(leaf, np.float32(0), _rounded_down(nodes["num_threshold"])).tolist(),
        "nodes_truenodeids": np.where(leaf, 0, nodes["left"]).tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, nodes["right"]).tolist(),
        "nodes_missing_value_tracks_true": np.where(leaf, 0, nodes["missing_go_to_left"]).tolist(),
        "target_treeids": tree_ids[leaf].tolist(),
        "target_nodeids": node_ids[leaf].tolist(),
        "target_ids": [0] * int(leaf.sum()),
        "target_weights": (champion.slope * nodes["value"][leaf]).tolist(),
    }


def _rounded_down(splits: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 not above each split: for float32 x, `x <= split` and `x <= rounded` then say the same."""
    nearest = splits.astype(np.float32)
    return np.where(nearest.astype(np.float64) > splits, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _median_us(call: Callable[[], object]) -> float:
    times: list[int] = []
    for _ in range(_TIMED_CALLS):
        start = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - start)
    return round(float(np.median(times)) / 1_000.0, 1)

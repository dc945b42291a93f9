"""Cost of named inputs beside one matrix: `python -m tests.adapters.input_cost`.

Two models with the same arithmetic on eight numbers and two categories: each an input of its own, joined in the graph, or one matrix.
Median processor time of CALLS calls on one thread.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from gateway.adapters.onnx_graph import operators
from gateway.adapters.onnx_scorer import OnnxScorer
from gateway.core.bundle import ModelEntry, NamedInput
from tests.kit.graphs import FLOAT, STRING, entry_for, graph_bytes

CALLS = 5_000
VALUES = (("day", "year", "school"), ("tour", "cafe"))
INPUTS = (*(NamedInput(f"x{at}") for at in range(8)), NamedInput("ticket", VALUES[0]), NamedInput("offer", VALUES[1]))
COLUMNS = tuple(column for one in INPUTS for column in one.columns)
WEIGHTS = np.linspace(-0.1, 0.1, len(COLUMNS), dtype=np.float32)[:, np.newaxis]
END = [helper.make_node("MatMul", ["joined", "weights"], ["sums"]), helper.make_node("Sigmoid", ["sums"], ["propensity"])]


def named() -> OnnxScorer:
    """The model with one input an attribute."""
    nodes, parts = [], []
    constants: dict[str, NDArray[np.float32] | NDArray[np.int64]] = {"weights": WEIGHTS}
    for one in INPUTS:
        parts.append(f"{one.name}_columns" if one.values else one.name)
        if one.values:
            constants[f"{one.name}_shape"] = np.array([-1, len(one.values)], np.int64)
            codes = [f"{one.name}_codes"]
            nodes.append(helper.make_node("OneHotEncoder", [one.name], codes, domain="ai.onnx.ml", cats_strings=list(one.values), zeros=1))
            nodes.append(helper.make_node("Reshape", [*codes, f"{one.name}_shape"], parts[-1:]))
    nodes.append(helper.make_node("Concat", parts, ["joined"], axis=1))
    inputs = {one.name: (STRING if one.values else FLOAT, 1) for one in INPUTS}
    model = graph_bytes([*nodes, *END], constants, inputs)
    entry = ModelEntry(inputs=INPUTS, output="propensity", opset=17, ops=tuple(sorted(operators(model))), columns=COLUMNS)
    return OnnxScorer(model, entry)


def matrix() -> OnnxScorer:
    """The model with one input."""
    nodes = [helper.make_node("Identity", ["rows"], ["joined"]), *END]
    model = graph_bytes(nodes, {"weights": WEIGHTS}, {"rows": (FLOAT, len(COLUMNS))})
    return OnnxScorer(model, entry_for(model, COLUMNS))


def rows(count: int) -> NDArray[np.float32]:
    """Random numbers, and one value of each category."""
    draws = np.random.default_rng(0)
    made = draws.normal(size=(count, len(COLUMNS))).astype(np.float32)
    made[:, 8:] = 0.0
    made[np.arange(count), 8 + draws.integers(0, 3, count)] = made[np.arange(count), 11 + draws.integers(0, 2, count)] = 1.0
    return made


def call_us(scorer: OnnxScorer, asked: NDArray[np.float32]) -> float:
    """Median processor time of a call in microseconds."""
    times = []
    for _ in range(CALLS):
        start = time.process_time_ns()
        scorer.score(asked)
        times.append(time.process_time_ns() - start)
    return float(np.median(times)) / 1_000


def main() -> None:
    """Print one line for each number of rows."""
    one, many = matrix(), named()
    for count in (1, 64, 512):
        asked = rows(count)
        assert np.allclose(one.score(asked), many.score(asked), atol=1e-6)
        both = call_us(one, asked), call_us(many, asked)
        sys.stdout.write(f"{count} rows: matrix {both[0]:.1f} us, {len(INPUTS)} named inputs {both[1]:.1f} us\n")


if __name__ == "__main__":
    main()

"""Scores feature rows with an ONNX model, and checks the model before and after.

A signed model is still data from outside. Before ONNX Runtime loads it, its operators must be on a list, without subgraphs and without
external data, so it can neither loop nor read files. It must answer its parity rows as it did where it was made, and every score must
be a probability. Scoring never changes the model.

ONNX Runtime runs on one thread: a row takes microseconds, so handing it to a second thread would take longer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gateway.core import limits
from gateway.core.bundle import LoadableModel, ModelEntry

# ONNX Runtime 1.29 and later send telemetry with an id of the machine unless this is set before they are imported
# (github.com/microsoft/onnxruntime/pull/27379). Only records may leave the gateway.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

PARITY_TOLERANCE = 1e-5

# Elementwise arithmetic, linear algebra and tree ensembles are enough for a tabular model. No operator loops, branches, draws random
# numbers or sizes its output by the values of its input.
OPS_ALLOWED = frozenset(
    {
        "Add",
        "Cast",
        "Clip",
        "Div",
        "Exp",
        "Gather",
        "Gemm",
        "Identity",
        "IsNaN",
        "MatMul",
        "Mul",
        "Neg",
        "Relu",
        "Sigmoid",
        "Softmax",
        "Sub",
        "Tanh",
    }
    | {"Where", "ai.onnx.ml.Imputer", "ai.onnx.ml.LinearClassifier", "ai.onnx.ml.LinearRegressor", "ai.onnx.ml.Scaler"}
    | {"ai.onnx.ml.TreeEnsemble", "ai.onnx.ml.TreeEnsembleClassifier", "ai.onnx.ml.TreeEnsembleRegressor"}
)

Reason = Literal["model_broken", "parity_differs", "bad_scores"]


class ScorerError(RuntimeError):
    """The model cannot be used (`model_broken`, `parity_differs`) or gave an invalid score (`bad_scores`)."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}; no offers are sent until a bundle with a working model is installed")
        self.reason: Reason = reason
        self.detail = detail


class OnnxScorer:
    """Scores feature rows with one ONNX model."""

    def __init__(self, onnx: bytes, entry: ModelEntry) -> None:
        """Load a model. Raises ScorerError("model_broken") if it is not an allowed model or differs from its entry in the manifest."""
        ops = operators(onnx)
        if unknown := sorted(ops - OPS_ALLOWED):
            raise ScorerError("model_broken", f"it uses operators that are not allowed: {', '.join(unknown)[:120]}")
        if ops != set(entry.ops):
            raise ScorerError("model_broken", "its operators differ from those in the manifest")
        self._faults = _runtime_faults()
        self._session = _session(onnx, self._faults)
        self._input, self._output, self.width = entry.input, entry.output, len(entry.columns)
        self._check_signature()

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability of acceptance, float32 (n,), for rows float32 (n, width) with n <= SCORE_ROWS_MAX.

        Raises ScorerError("bad_scores") for rows of another shape, if the model fails, or if any score is not within 0..1.
        """
        count = len(rows)
        if rows.dtype != np.float32 or rows.shape != (count, self.width) or count > limits.SCORE_ROWS_MAX:
            raise ScorerError("bad_scores", f"the rows are {rows.dtype} of shape {rows.shape}")
        if count == 0:
            return np.zeros(0, dtype=np.float32)
        try:
            answer = np.asarray(self._session.run([self._output], {self._input: rows})[0])
        except self._faults as error:
            raise ScorerError("bad_scores", f"the model failed ({str(error)[:120]})") from error
        if answer.dtype != np.float32 or answer.shape not in {(count,), (count, 1), (count, 2)}:
            raise ScorerError("bad_scores", f"for {count} rows it returned {answer.dtype} of shape {answer.shape}")
        # Of two columns the second is class 1, "accepts": classifiers order their classes 0, 1.
        scores: NDArray[np.float32] = answer.reshape(count, -1)[:, -1]
        if not bool(np.all((scores >= 0) & (scores <= 1))):  # also refuses NaN
            raise ScorerError("bad_scores", "a score is not a probability")
        return scores

    def check_parity(self, rows: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float = PARITY_TOLERANCE) -> float:
        """The largest absolute difference to the expected scores. Raises ScorerError("parity_differs") if it is above `tolerance`."""
        starts = range(0, len(rows), limits.SCORE_ROWS_MAX)
        scores = np.concatenate([self.score(rows[start : start + limits.SCORE_ROWS_MAX]) for start in starts])
        worst = float(np.max(np.abs(scores.astype(np.float64) - expected)))
        if not worst <= tolerance:
            raise ScorerError("parity_differs", f"scores differ by {worst:.2g} from the expected ones (at most {tolerance:g} is allowed)")
        return worst

    def _check_signature(self) -> None:
        """Compare names, types and shapes of input and output."""
        inputs = [(entry.name, entry.type, entry.shape[-1:]) for entry in self._session.get_inputs()]
        if inputs != [(self._input, "tensor(float)", [self.width])]:
            raise ScorerError("model_broken", f"its input is not {self._input!r} with float32 rows of {self.width} columns")
        if self._output not in [entry.name for entry in self._session.get_outputs()]:
            raise ScorerError("model_broken", f"it has no output {self._output!r}")


def load_scorer(model: LoadableModel) -> OnnxScorer:
    """The scorer of a model, after a check of its parity rows. Raises ScorerError, also for a model with one score for every row."""
    scorer = OnnxScorer(model.onnx, model.entry)
    if float(np.ptp(model.expected)) < PARITY_TOLERANCE:
        raise ScorerError("model_broken", "it gives every row the same score")
    scorer.check_parity(model.rows, model.expected)
    return scorer


def operators(onnx: bytes) -> set[str]:
    """The operators of an ONNX model as `domain.Op` (`Op` in the standard domain), parsed from its bytes without loading it.

    Raises ScorerError for bytes that are not an ONNX model, and for functions, training steps, subgraphs and external data.
    Field numbers: onnx.proto3 of the ONNX project.
    """
    ops: set[str] = set()
    for field, value in _fields(memoryview(onnx)):
        if field in {20, 25}:  # training_info, functions
            raise ScorerError("model_broken", "it holds functions or training steps")
        if field == 7:
            for part, content in _fields(_nested(value)):
                if part == 1:
                    ops.add(_operator(_nested(content)))
                elif part == 5:
                    _refuse_external(_nested(content))
    if not ops:
        raise ScorerError("model_broken", "it is not an ONNX model")
    return ops


def _operator(node: memoryview) -> str:
    name = domain = ""
    for field, value in _fields(node):
        if field == 4:
            name = str(_nested(value), "ascii", "replace")
        elif field == 7:
            domain = str(_nested(value), "ascii", "replace")
        elif field == 5:
            for part, content in _fields(_nested(value)):
                if part in {6, 11}:  # g, graphs
                    raise ScorerError("model_broken", "a node holds a subgraph")
                if part in {5, 10}:  # t, tensors
                    _refuse_external(_nested(content))
    return f"{domain}.{name}" if domain else name


def _refuse_external(tensor: memoryview) -> None:
    if any(field in {13, 14} for field, _ in _fields(tensor)):  # external_data, data_location
        raise ScorerError("model_broken", "it refers to data outside the bundle")


def _nested(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ScorerError("model_broken", "it is not an ONNX model")
    return value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a protobuf message; values of fixed size as their bytes. Raises ScorerError."""
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
            raise ScorerError("model_broken", "it is not an ONNX model")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise ScorerError("model_broken", "it is not an ONNX model")


def _runtime_faults() -> tuple[type[Exception], ...]:
    """The exceptions of ONNX Runtime: its own classes, which have no common parent, and standard ones."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415 (takes 104 ms, so only when a model is loaded)

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented", "NoSuchFile", "RuntimeException", "EPFail")
    return (*(getattr(state, name) for name in names), RuntimeError, ValueError)


def _session(onnx: bytes, faults: tuple[type[Exception], ...]) -> Any:
    import onnxruntime  # noqa: PLC0415 (as above)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # the caller logs a refused model once
    try:
        return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except faults as error:
        raise ScorerError("model_broken", f"ONNX Runtime refuses it ({str(error)[:160]})") from error

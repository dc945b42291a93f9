"""Asking the model how likely each candidate is to be accepted, and never believing what cannot be.

The model is data from outside, even when signed: it is looked at before ONNX Runtime sees it (operators on a list, no
external data, no subgraphs, so nothing can loop or read files), it must answer known rows as it did where it was
made, and every answer is checked to be a probability before a decision may use it. Scoring reads; it never learns.

One thread and no arena of workers: a row takes microseconds, so a second thread would cost more than it brings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.core import features, limits

# ONNX Runtime 1.29 and later keep an id of the machine and report to their makers unless told not to before they are loaded
# (github.com/microsoft/onnxruntime/pull/27379). From this house nothing leaves but records.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

PARITY_TOLERANCE = 1e-5

# Elementwise arithmetic, linear algebra and tree ensembles: enough for any tabular model, and nothing that loops,
# branches, draws numbers or sizes its output by its input's values.
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
    """The model cannot be used (`model_broken`, `parity_differs`) or gave an answer that is none (`bad_scores`)."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}; offers stay silent until a bundle with a sound model is installed")
        self.reason: Reason = reason
        self.detail = detail


class ModelFacts(Protocol):
    """What the manifest says of a model and the scorer holds the model to."""

    @property
    def input(self) -> str:
        """The input's name."""

    @property
    def output(self) -> str:
        """The output's name."""

    @property
    def ops(self) -> tuple[str, ...]:
        """The operators as `operators()` names them."""


class HasModel(Protocol):
    """The manifest as the scorer sees it."""

    @property
    def model(self) -> ModelFacts:
        """What it says of the model."""


class Loadable(Protocol):
    """An opened bundle as the scorer sees it: one adapter knows nothing of another, only of this shape."""

    @property
    def manifest(self) -> HasModel:
        """What was signed."""

    @property
    def model(self) -> bytes:
        """The ONNX model."""

    @property
    def rows(self) -> NDArray[np.float32]:
        """Parity rows, (n, len(FEATURES))."""

    @property
    def expected(self) -> NDArray[np.float32]:
        """Their answers, (n,)."""


class OnnxScorer:
    """`score()` on one ONNX model that takes feature rows. Construction raises `ScorerError("model_broken")`."""

    def __init__(self, model: bytes, facts: ModelFacts) -> None:
        ops = operators(model)
        if unknown := sorted(ops - OPS_ALLOWED):
            raise ScorerError("model_broken", f"it uses {', '.join(unknown)[:120]}, not on the list of operators")
        if ops != set(facts.ops):
            raise ScorerError("model_broken", "its operators are not those that the manifest names")
        self._faults = _runtime_faults()
        self._session = _session(model, self._faults)
        self._input, self._output = facts.input, facts.output
        self._check_ends()

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability of acceptance, float32 (n,), for feature rows float32 (n, len(FEATURES)) with n <= OFFERS_MAX.

        `ScorerError("bad_scores")` when the model fails or any answer is not a number within 0..1.
        """
        count = len(rows)
        if rows.dtype != np.float32 or rows.shape != (count, len(features.FEATURES)) or count > limits.OFFERS_MAX:
            raise ScorerError("bad_scores", f"asked with {rows.dtype} rows of the shape {rows.shape}")
        if count == 0:
            return np.zeros(0, dtype=np.float32)
        try:
            answer = np.asarray(self._session.run([self._output], {self._input: rows})[0])
        except self._faults as error:
            raise ScorerError("bad_scores", f"the model failed ({str(error)[:120]})") from error
        if answer.dtype != np.float32 or answer.shape not in {(count,), (count, 1), (count, 2)}:
            raise ScorerError("bad_scores", f"it answered {count} rows with {answer.dtype} of the shape {answer.shape}")
        # Of two columns the second is "accepts": the order in which classifiers name their classes 0 and 1.
        scores: NDArray[np.float32] = answer.reshape(count, -1)[:, -1]
        if not bool(np.all((scores >= 0) & (scores <= 1))):  # NaN is neither
            raise ScorerError("bad_scores", "an answer is not a probability")
        return scores

    def check_parity(self, rows: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float = PARITY_TOLERANCE) -> float:
        """The largest difference to the expected answers, or `ScorerError("parity_differs")` when it is over `tolerance`."""
        starts = range(0, len(rows), limits.OFFERS_MAX)
        scores = np.concatenate([self.score(rows[start : start + limits.OFFERS_MAX]) for start in starts])
        worst = float(np.max(np.abs(scores.astype(np.float64) - expected)))
        if not worst <= tolerance:
            raise ScorerError("parity_differs", f"answers differ by {worst:.2g} from those where it was made (at most {tolerance:g})")
        return worst

    def _check_ends(self) -> None:
        inputs = [(entry.name, entry.type, entry.shape[-1:]) for entry in self._session.get_inputs()]
        if inputs != [(self._input, "tensor(float)", [len(features.FEATURES)])]:
            raise ScorerError("model_broken", f"its input is not {self._input!r}: float32 rows of {len(features.FEATURES)} features")
        if self._output not in [entry.name for entry in self._session.get_outputs()]:
            raise ScorerError("model_broken", f"it has no output {self._output!r}")


def load_scorer(bundle: Loadable) -> OnnxScorer:
    """The scorer of an opened bundle, after it answered the bundle's parity rows as expected; else `ScorerError`."""
    scorer = OnnxScorer(bundle.model, bundle.manifest.model)
    if float(np.ptp(bundle.expected)) < PARITY_TOLERANCE:
        raise ScorerError("model_broken", "it answers every row alike")
    scorer.check_parity(bundle.rows, bundle.expected)
    return scorer


def operators(model: bytes) -> set[str]:
    """The operators of an ONNX model as `domain.Op` (`Op` in the standard domain), read off its bytes without running it.

    `ScorerError` for bytes that are no ONNX model, and for parts that none of ours has: functions, subgraphs, external
    data. Field numbers: onnx.proto3 of the ONNX project.
    """
    ops: set[str] = set()
    for field, value in _fields(memoryview(model)):
        if field in {20, 25}:  # training_info, functions
            raise ScorerError("model_broken", "it holds functions or training steps")
        if field == 7:
            for part, content in _fields(_nested(value)):
                if part == 1:
                    ops.add(_operator(_nested(content)))
                elif part == 5:
                    _refuse_external(_nested(content))
    if not ops:
        raise ScorerError("model_broken", "it is no ONNX model")
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
        raise ScorerError("model_broken", "it keeps data outside the bundle")


def _nested(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ScorerError("model_broken", "it is no ONNX model")
    return value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a protobuf message; fixed-size values come as their bytes."""
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
            size = {1: 8, 5: 4}.get(wire, len(message) + 1)  # any other wire type is none
        if at + size > len(message):
            raise ScorerError("model_broken", "it is no ONNX model")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise ScorerError("model_broken", "it is no ONNX model")


def _runtime_faults() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: classes of its own without a common parent, beside the standard ones."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415 (104 ms that only who scores should pay)

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented", "NoSuchFile", "RuntimeException", "EPFail")
    return (*(getattr(state, name) for name in names), RuntimeError, ValueError)


def _session(model: bytes, faults: tuple[type[Exception], ...]) -> Any:
    import onnxruntime  # noqa: PLC0415 (as above)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # a refused model is told once, by us
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except faults as error:
        raise ScorerError("model_broken", f"ONNX Runtime refuses it ({str(error)[:160]})") from error

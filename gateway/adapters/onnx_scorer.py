"""Scores feature rows with an ONNX model, and checks the model before and after.

A signed model is still data from outside. Before ONNX Runtime loads it, `onnx_graph` reads its operators and refuses everything that could
loop, read files or unfold. It must answer its parity rows as it did where it was made, and every score must be a probability. Scoring
never changes the model.

A model has one of two inputs: one float32 matrix (n, columns), or one input (n, 1) for each attribute. Rows are a matrix for both; for
the second form `_Feeds` splits it: a number or flag is a column as it is, a category the text of the column that holds 1, or an
empty text if it is unknown.

ONNX Runtime runs on one thread: a row takes microseconds, so handing it to a second thread would take longer.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.adapters import onnx_graph
from gateway.core import limits
from gateway.core.bundle import LoadableModel, ModelEntry
from gateway.core.refusal import Refusal

# ONNX Runtime 1.29 and later send telemetry with an id of the machine unless this is set before they are imported
# (github.com/microsoft/onnxruntime/pull/27379). Only records may leave the gateway.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

PARITY_TOLERANCE = 1e-5
ROUNDING = 1e-6  # by which a sum of float32 probabilities may leave 0..1
_UNKNOWN = ""  # of a category, in the form with named inputs

Reason = Literal["model_broken", "over_budget", "parity_differs", "bad_scores"]


class ScorerError(Refusal):
    """The model cannot be used (`model_broken`, `over_budget`, `parity_differs`) or gave an invalid score (`bad_scores`)."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}; no offers are sent until a bundle with a working model is installed")
        self.reason: Reason = reason
        self.detail = detail


class OnnxScorer:
    """Scores feature rows with one ONNX model."""

    def __init__(self, onnx: bytes, entry: ModelEntry) -> None:
        """Load a model. Raises ScorerError("model_broken") if it is not an allowed model or differs from its entry in the manifest."""
        try:
            ops = onnx_graph.operators(onnx)
        except onnx_graph.GraphError as error:
            raise ScorerError("model_broken", str(error)) from error
        if unknown := sorted(ops - onnx_graph.OPS_ALLOWED):
            raise ScorerError("model_broken", f"it uses operators that are not allowed: {', '.join(unknown)[:120]}")
        if ops != set(entry.ops):
            raise ScorerError("model_broken", "its operators differ from those in the manifest")
        self._faults = load_runtime()
        self._session = _session(onnx, self._faults)
        self._output, self._untreated, self.width = entry.output, entry.untreated, len(entry.columns)
        self._feeds = _Feeds(entry)
        self._check_signature()

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability of acceptance, float32 (n,), for rows float32 (n, width) with n <= SCORE_ROWS_MAX.

        Raises ScorerError("bad_scores") for rows of another shape, if the model fails, or if any score is not within 0..1.
        """
        return self._answers(rows, self._output)

    def untreated(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Probability of a purchase without the offer, as `score`; None of a model without it. Raises ScorerError("bad_scores")."""
        return None if self._untreated is None else self._answers(rows, self._untreated)

    def _answers(self, rows: NDArray[np.float32], output: str) -> NDArray[np.float32]:
        count = len(rows)
        if rows.dtype != np.float32 or rows.shape != (count, self.width) or count > limits.SCORE_ROWS_MAX:
            raise ScorerError("bad_scores", f"the rows are {rows.dtype} of shape {rows.shape}")
        if count == 0:
            return np.zeros(0, dtype=np.float32)
        try:
            answer = np.asarray(self._session.run([output], self._feeds.of(rows))[0])
        except self._faults as error:
            raise ScorerError("bad_scores", f"the model failed ({str(error)[:120]})") from error
        if answer.dtype != np.float32 or answer.shape not in {(count,), (count, 1), (count, 2)}:
            raise ScorerError("bad_scores", f"for {count} rows it returned {answer.dtype} of shape {answer.shape}")
        # Of two columns the second is class 1, "accepts": classifiers order their classes 0, 1.
        scores: NDArray[np.float32] = answer.reshape(count, -1)[:, -1]
        if not bool(np.all((scores >= 0) & (scores <= 1))):
            if not bool(np.all((scores >= -ROUNDING) & (scores <= 1 + ROUNDING))):  # also refuses NaN
                raise ScorerError("bad_scores", "a score is not a probability")
            scores = np.clip(scores, 0, 1)
        return scores

    def check_parity(self, rows: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float = PARITY_TOLERANCE) -> float:
        """The largest absolute difference to the expected scores. Raises ScorerError("parity_differs") if it is above `tolerance`."""
        starts = range(0, len(rows), limits.SCORE_ROWS_MAX)
        scores = np.concatenate([self.score(rows[start : start + limits.SCORE_ROWS_MAX]) for start in starts])
        return _difference("scores", scores, expected, tolerance)

    def check_untreated(self, rows: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
        """As `check_parity`, for the probabilities of a purchase without the offer, of a model that has them."""
        assert self._untreated is not None
        starts = range(0, len(rows), limits.SCORE_ROWS_MAX)
        found = np.concatenate([self._answers(rows[start : start + limits.SCORE_ROWS_MAX], self._untreated) for start in starts])
        return _difference(f"values of {self._untreated!r}", found, expected, PARITY_TOLERANCE)

    def _check_signature(self) -> None:
        """Compare names, types and shapes of inputs and output."""
        found = {one.name: (one.type, one.shape[1:]) for one in self._session.get_inputs()}
        due = self._feeds.signature
        for name in (*due, *found):
            if found.get(name) != due.get(name):
                here, there = (
                    f"{of[name][0]} of shape (n, {', '.join(map(str, of[name][1]))})" if name in of else "absent" for of in (found, due)
                )
                raise ScorerError("model_broken", f"its input {name!r} is {here}, in the manifest {there}")
        outputs = [entry.name for entry in self._session.get_outputs()]
        for name in (self._output, self._untreated):
            if name is not None and name not in outputs:
                raise ScorerError("model_broken", f"it has no output {name!r}")


class _Text(NamedTuple):
    """An input of texts: its name, its first column and the one after its last, and the text of each column and of unknown."""

    name: str
    start: int
    stop: int
    texts: NDArray[np.object_]


class _Feeds:
    """The inputs of a model as arrays for ONNX Runtime, worked out once for a model; `signature` are their types and widths by name."""

    def __init__(self, entry: ModelEntry) -> None:
        self._matrix = entry.input
        self._numbers: list[tuple[str, int]] = []
        self._texts: list[_Text] = []
        self.signature: dict[str, tuple[str, list[int]]] = {}
        if entry.input is not None:
            self.signature[entry.input] = ("tensor(float)", [len(entry.columns)])
        at = 0
        for one in entry.inputs:
            if one.values:
                self._texts.append(_Text(one.name, at, at + len(one.values), np.array([*one.values, _UNKNOWN], dtype=object)))
            else:
                self._numbers.append((one.name, at))
            self.signature[one.name] = ("tensor(string)" if one.values else "tensor(float)", [1])
            at += len(one.columns)

    def of(self, rows: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        """Arrays by input for rows float32 (n, columns)."""
        if self._matrix is not None:
            return {self._matrix: rows}
        columns = np.ascontiguousarray(rows.T)  # ONNX Runtime copies an input that is not contiguous
        feeds: dict[str, NDArray[Any]] = {name: columns[at].reshape(-1, 1) for name, at in self._numbers}
        for name, start, stop, texts in self._texts:
            holds = columns[start:stop] == 1.0
            feeds[name] = texts[np.where(holds.any(axis=0), holds.argmax(axis=0), stop - start)].reshape(-1, 1)
        return feeds


def _difference(name: str, found: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float) -> float:
    worst = float(np.max(np.abs(found.astype(np.float64) - expected)))
    if not worst <= tolerance:
        raise ScorerError("parity_differs", f"{name} differ by {worst:.2g} from the expected ones (at most {tolerance:g} is allowed)")
    return worst


def load_scorer(model: LoadableModel) -> OnnxScorer:
    """The scorer of a model, after a check of its parity rows. Raises ScorerError, also for a model with one score for every row."""
    scorer = OnnxScorer(model.onnx, model.entry)
    check_answers(scorer, model)
    return scorer


def check_answers(scorer: OnnxScorer, model: LoadableModel) -> None:
    """Compare all outputs on the parity rows.

    Raises ScorerError if they differ from the expected ones, all expected scores are the same, or those of the second output are missing.
    """
    if float(np.ptp(model.expected)) < PARITY_TOLERANCE:
        raise ScorerError("model_broken", "it gives every row the same score")
    scorer.check_parity(model.rows, model.expected)
    if (model.untreated is None) != (model.entry.untreated is None):
        raise ScorerError("model_broken", "parity.npz needs `untreated.npy` exactly if the manifest names an untreated output")
    if model.untreated is not None:
        scorer.check_untreated(model.rows, model.untreated)


def load_runtime() -> tuple[type[Exception], ...]:
    """Import ONNX Runtime; the exceptions that it raises: its own classes, which have no common parent, and standard ones."""
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

"""An ONNX model as its maker exported it, run by ONNX Runtime on one thread: the scores that the rewritten model must repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.adapters.onnx_scorer import load_runtime
from models.imported.errors import ImportedError


class Session:
    """A loaded model. Raises ImportedError if ONNX Runtime refuses it."""

    def __init__(self, onnx: bytes) -> None:
        self._faults = load_runtime()
        import onnxruntime  # noqa: PLC0415 - after `onnx_scorer` has switched off its telemetry

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session: Any = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        except self._faults as error:
            raise ImportedError(f"ONNX Runtime refuses the model ({' '.join(str(error).split())[:200]})") from error

    def run(self, outputs: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[Any]:
        """The outputs for arrays by input. Raises ImportedError if the model fails."""
        try:
            results: list[Any] = self._session.run(list(outputs), dict(feeds))
        except self._faults as error:
            raise ImportedError(f"the model fails on its inputs ({' '.join(str(error).split())[:200]})") from error
        return results


def positive(answer: Any, label: int | str | None, rows: int) -> NDArray[np.float64]:
    """The probability of the positive class, (rows,), in an answer of one or two columns or one mapping of labels a row.

    Raises ImportedError for an answer of another shape.
    """
    if isinstance(answer, list):
        return np.array([one[label] for one in answer], np.float64)
    found = np.asarray(answer, np.float64)
    if found.shape not in {(rows,), (rows, 1), (rows, 2)}:
        raise ImportedError(f"for {rows} rows its output has shape {found.shape}: one or two columns of probabilities are needed")
    return found.reshape(rows, -1)[:, -1]

"""Model check: a new model is loaded and run once in a process of its own, with bounded memory and time, before the gateway loads it.

A signature names the maker of a model; it does not prove that the runtime survives it. A model that crashes ONNX Runtime would crash
the gateway at every start. So another process meets it first: it scores the parity rows of the bundle, and then rows that are in no
bundle, with all values unknown, zero or far out of range.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import msgspec
import numpy as np

from gateway.adapters.onnx_scorer import PARITY_TOLERANCE, OnnxScorer, ScorerError, load_scorer
from gateway.core import limits
from gateway.core.bundle import LoadableModel, ModelEntry

OUT_OF_RANGE = 1e30  # above any value of a feature, and within float32


class CheckRequest(msgspec.Struct, frozen=True):
    """The model to check, as it is written to the other process: a `LoadableModel` with its arrays as float32 bytes."""

    onnx: bytes
    entry: ModelEntry
    rows: bytes
    expected: bytes


def check_model(model: LoadableModel) -> None:
    """Load the model and score with it in another process. Raises ScorerError if that process refuses it, dies or takes too long."""
    request = CheckRequest(model.onnx, model.entry, model.rows.tobytes(), model.expected.tobytes())
    command = [sys.executable, "-P", "-m", "gateway.runtime.model_check"]  # -P: nothing is imported from the current folder
    try:
        ended = subprocess.run(  # noqa: S603 - our own module
            command,
            input=msgspec.msgpack.encode(request),
            capture_output=True,
            env=_environment(),
            timeout=limits.MODEL_CHECK_S_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ScorerError("model_broken", f"the model check did not end within {limits.MODEL_CHECK_S_MAX} s") from None
    if ended.returncode == 1:  # the reason is on stdout, or the last line of a traceback on stderr
        reason = ended.stdout or ended.stderr.strip().rpartition(b"\n")[2]
        raise ScorerError("model_broken", f"the model check failed: {reason.decode(errors='replace')[:300]}")
    if ended.returncode != 0:
        raise ScorerError("model_broken", f"the process of the model check died (status {ended.returncode})")


def _environment() -> dict[str, str]:
    """The environment without the gateway's secrets, and with one OpenBLAS thread, because each thread reserves address space."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WAYSIDE_")}
    return kept | {"OPENBLAS_NUM_THREADS": "1"}


def main() -> int:
    """Check the `CheckRequest` on standard input; the exit code: 0, or 1 with the reason on standard output."""
    _limit_resources()
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=CheckRequest)
    rows = np.frombuffer(request.rows, dtype="<f4").reshape(-1, len(request.entry.columns))
    expected = np.frombuffer(request.expected, dtype="<f4")
    try:
        _check_extremes(load_scorer(LoadableModel(request.onnx, request.entry, rows, expected)))
    except ScorerError as error:
        sys.stdout.write(f"{error.reason}: {error.detail}")
        return 1
    return 0


def _check_extremes(scorer: OnnxScorer) -> None:
    """Score rows of extreme values, together and alone. Raises ScorerError if a score is no probability or depends on other rows."""
    extremes = np.array([np.nan, 0.0, -1.0, OUT_OF_RANGE, -OUT_OF_RANGE], dtype=np.float32)
    batch = np.repeat(extremes[:, None], scorer.width, axis=1)
    together, alone = scorer.score(batch), [float(scorer.score(batch[index : index + 1])[0]) for index in range(len(batch))]
    ordinary = slice(0, 3)  # rows out of range are left out: there rounding alone may change a score
    if not np.allclose(together[ordinary], alone[ordinary], rtol=0.0, atol=PARITY_TOLERANCE):
        raise ScorerError("model_broken", "its score of one row depends on the other rows")


def _limit_resources() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limits.MODEL_CHECK_BYTES_MAX, limits.MODEL_CHECK_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.MODEL_CHECK_S_MAX, limits.MODEL_CHECK_S_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main())

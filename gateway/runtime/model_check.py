"""A model's trial: it is loaded and asked in a process of its own, with little memory and little time, before it may be loaded here.

The signature says who made a model, not that it is harmless: a parser or a kernel of the runtime may still crash on it, and
a crash of the gateway would be one at every start. So the first process that meets a new model is one that may die. It answers
the bundle's own rows, and then rows that no bundle chose: nothing known, everything zero, everything far out of range.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.adapters.bundle import Bundle, ModelEntry
from gateway.adapters.onnx_scorer import PARITY_TOLERANCE, OnnxScorer, ScorerError, load_scorer
from gateway.core import features, limits

FAR = 1e30  # no feature is ever this large, and float32 still holds it


class _Manifest(msgspec.Struct, frozen=True):
    model: ModelEntry


class CheckRequest(msgspec.Struct, frozen=True):
    """What the trial is told: a model, what is said of it, and float32 rows with their answers as bytes."""

    model: bytes
    manifest: _Manifest
    rows: bytes
    expected: bytes


class _Loadable(msgspec.Struct, frozen=True, eq=False):
    """What `load_scorer` reads of a bundle."""

    model: bytes
    manifest: _Manifest
    rows: NDArray[np.float32]
    expected: NDArray[np.float32]


def check_model(bundle: Bundle) -> None:
    """Let another process load and ask the model. Raises ScorerError when it refuses, dies or does not come back."""
    question = CheckRequest(bundle.model, _Manifest(bundle.manifest.model), bundle.rows.tobytes(), bundle.expected.tobytes())
    try:
        ended = subprocess.run(
            [
                sys.executable,
                "-P",
                "-m",
                "gateway.runtime.model_check",
            ],  # -P: nothing is imported from the folder that somebody happens to stand in
            input=msgspec.msgpack.encode(question),
            capture_output=True,
            env=_environment(),
            timeout=limits.MODEL_CHECK_S_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ScorerError("model_broken", f"it did not answer within {limits.MODEL_CHECK_S_MAX} s when it was tried") from None
    if ended.returncode == 1:  # it has said why, or Python has, in its last line
        said = ended.stdout or ended.stderr.strip().rpartition(b"\n")[2]
        raise ScorerError("model_broken", f"its trial failed: {said.decode(errors='replace')[:300]}")
    if ended.returncode != 0:
        raise ScorerError("model_broken", f"the process that tried it died (status {ended.returncode})")


def _environment() -> dict[str, str]:
    """None of the gateway's secrets, and one thread: each would reserve address space."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("WAYSIDE_")}
    return ours | {"OPENBLAS_NUM_THREADS": "1"}


def main() -> int:
    """The trial itself: a Question on standard input; 0, or 1 and the reason on standard output."""
    _confine()
    question = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=CheckRequest)
    rows = np.frombuffer(question.rows, dtype="<f4").reshape(-1, len(features.FEATURES))
    expected = np.frombuffer(question.expected, dtype="<f4")
    try:
        scorer = load_scorer(_Loadable(question.model, question.manifest, rows, expected))
        _ask_the_unexpected(scorer)
    except ScorerError as error:
        sys.stdout.write(f"{error.reason}: {error.detail}")
        return 1
    return 0


def _ask_the_unexpected(scorer: OnnxScorer) -> None:
    """Any answer that is a probability will do; `score` refuses every other."""
    extremes = np.array([np.nan, 0.0, -1.0, FAR, -FAR], dtype=np.float32)
    batch = np.repeat(extremes[:, None], len(features.FEATURES), axis=1)
    together, alone = scorer.score(batch), [float(scorer.score(batch[place : place + 1])[0]) for place in range(len(batch))]
    ordinary = slice(0, 3)  # far out, rounding alone may turn an answer over
    if not np.allclose(together[ordinary], alone[ordinary], rtol=0.0, atol=PARITY_TOLERANCE):
        raise ScorerError("model_broken", "its answer to one row depends on the rows beside it")


def _confine() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limits.MODEL_CHECK_BYTES_MAX, limits.MODEL_CHECK_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.MODEL_CHECK_S_MAX, limits.MODEL_CHECK_S_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main())

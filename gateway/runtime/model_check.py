"""Model check: a new model is loaded and run in a process of its own, with bounded memory and time, before the gateway loads it.

A signature names the maker of a model; it does not prove that the runtime survives it. A model that crashes ONNX Runtime would crash
the gateway at every start. So another process meets it first: it scores the parity rows of the bundle, and then rows that are in no
bundle, with all values unknown, zero or far out of range.

A model that answers may still be too slow or too large for a gateway, because a few bytes of it can unfold into a large product at each
call. So the memory that it adds and the processor time of one call are measured, and both have a limit. Processor time does not depend on
the other programs of the machine.
"""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.adapters.onnx_scorer import PARITY_TOLERANCE, OnnxScorer, Reason, ScorerError, check_answers, load_runtime
from gateway.core import limits
from gateway.core.bundle import LoadableModel, ModelEntry

OUT_OF_RANGE = 1e30  # above any value of a feature, and within float32
CALL_ROWS = 64  # of the call that is timed: a decision seldom has more offers left after the gates
CALLS = 5  # the fastest counts, because the first ones also fill caches
IMPORT_S = 3.0  # processor time of importing the runtime on a Raspberry Pi
HOPELESS = 10  # times over the limit: no later call is that much faster


class CheckRequest(msgspec.Struct, frozen=True):
    """The model to check, as it is written to the other process: a `LoadableModel` with its arrays as float32 bytes."""

    onnx: bytes
    entry: ModelEntry
    rows: bytes
    expected: bytes
    untreated: bytes | None


class Refusal(msgspec.Struct, frozen=True):
    """Reason and detail of the ScorerError in the other process."""

    reason: Reason
    detail: str


def check_model(model: LoadableModel) -> None:
    """Load the model and score with it in another process. Raises ScorerError if that process refuses it, dies or takes too long."""
    untreated = None if model.untreated is None else model.untreated.tobytes()
    request = CheckRequest(model.onnx, model.entry, model.rows.tobytes(), model.expected.tobytes(), untreated)
    command = [sys.executable, "-P", "-m", "gateway.runtime.model_check"]  # -P: nothing is imported from the current folder
    try:
        ended = subprocess.run(  # noqa: S603 - our own module
            command,
            input=msgspec.msgpack.encode(request),
            capture_output=True,
            env=_environment(),
            timeout=limits.MODEL_CHECK_ELAPSED_S_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ScorerError("model_broken", f"the model check did not end within {limits.MODEL_CHECK_ELAPSED_S_MAX} s") from None
    if ended.returncode == 1 and ended.stdout:
        refusal = msgspec.json.decode(ended.stdout, type=Refusal)
        raise ScorerError(refusal.reason, refusal.detail)
    if ended.returncode == 1:
        last_line = ended.stderr.strip().rpartition(b"\n")[2]
        raise ScorerError("model_broken", f"the model check failed: {last_line.decode(errors='replace')[:300]}")
    if ended.returncode != 0:
        raise ScorerError("model_broken", f"the process of the model check died (status {ended.returncode})")


def _environment() -> dict[str, str]:
    """The environment without the gateway's secrets, and with one OpenBLAS thread, because each thread reserves address space."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WAYSIDE_")}
    return kept | {"OPENBLAS_NUM_THREADS": "1"}


def main() -> int:
    """Check the `CheckRequest` on standard input; the exit code: 0, or 1 with the `Refusal` on standard output."""
    _limit_resources()
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=CheckRequest)
    rows = np.frombuffer(request.rows, dtype="<f4").reshape(-1, len(request.entry.columns))
    expected = np.frombuffer(request.expected, dtype="<f4")
    untreated = None if request.untreated is None else np.frombuffer(request.untreated, dtype="<f4")
    try:
        _check(LoadableModel(request.onnx, request.entry, rows, expected, untreated))
    except ScorerError as error:
        sys.stdout.buffer.write(msgspec.json.encode(Refusal(error.reason, error.detail)))
        return 1
    return 0


def _check(model: LoadableModel) -> None:
    """Raises ScorerError if the model gives wrong scores, or needs more memory or time than a gateway has for it."""
    load_runtime()
    _limit_processor(time.process_time())
    before = _peak_bytes()
    scorer = OnnxScorer(model.onnx, model.entry)
    _check_time(scorer, model.rows)  # first, because each later step has many calls
    check_answers(scorer, model)
    _check_extremes(scorer)
    scorer.score(np.resize(model.rows, (limits.SCORE_ROWS_MAX, scorer.width)))
    if (added := _peak_bytes() - before) > limits.MODEL_MEMORY_BYTES_MAX:
        raise ScorerError("over_budget", f"it takes {added} bytes of memory, at most {limits.MODEL_MEMORY_BYTES_MAX} are allowed")


def _check_time(scorer: OnnxScorer, rows: NDArray[np.float32]) -> None:
    batch = np.resize(rows, (CALL_ROWS, scorer.width))
    fastest_ms = _call_ms(scorer, batch)
    for _ in range(CALLS - 1 if fastest_ms < HOPELESS * limits.MODEL_CALL_MS_MAX else 0):
        fastest_ms = min(fastest_ms, _call_ms(scorer, batch))
    if fastest_ms > limits.MODEL_CALL_MS_MAX:
        raise ScorerError(
            "over_budget",
            f"a call with {CALL_ROWS} rows takes {fastest_ms:.1f} ms of processor time, at most {limits.MODEL_CALL_MS_MAX} are allowed",
        )


def _call_ms(scorer: OnnxScorer, rows: NDArray[np.float32]) -> float:
    start = time.process_time()
    scorer.score(rows)
    return (time.process_time() - start) * 1_000


def _peak_bytes() -> int:
    """The most memory that this process has had so far. `getrusage` would count that of the parent before the exec."""
    (peak,) = (line for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1_024


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
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_processor(import_s: float) -> None:
    """End this process when the model has used its time; the time in which the runtime was imported is the measure of the machine."""
    seconds = math.ceil(import_s + processor_s(import_s))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def processor_s(import_s: float) -> float:
    """The processor time that a model has on a machine that imports the runtime in `import_s`."""
    return limits.MODEL_CHECK_S_MAX * max(1.0, import_s / IMPORT_S)


if __name__ == "__main__":
    sys.exit(main())

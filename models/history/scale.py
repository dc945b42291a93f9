"""Time and memory for a history of a given size: generated from a seed, then read, checked and summarised.

Rows are generated in a separate process, so that generation does not count. Memory is the resident peak of the measuring process and
grows from stage to stage; it consists of DuckDB's part (bounded by the limit) and the results held by Python.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from models.history import derived
from models.history.mapping import HistoryError
from models.history.reading import History, open_history
from models.patterns.itemsets import frequent_itemsets
from models.patterns.rules import prune, rules_of

Step = Callable[[str], None]

SUPPORT = 0.005
CONFIDENCE = 0.05
STAGES = ("generate", "read and check", "summaries", "sequences", "baskets", "rules")


class Stage(msgspec.Struct, frozen=True):
    """One stage: size of the result, duration, and the peak memory of the process up to its end."""

    name: str
    out: int
    seconds: float
    peak_mb: int


class ScaleReport(msgspec.Struct, frozen=True):
    """Measurement of all stages."""

    rows: int
    seed: int
    memory_limit_mb: int
    threads: int
    stages: tuple[Stage, ...]


def measure(rows: int, seed: int, memory_mb: int, threads: int, step: Step) -> ScaleReport:
    """Generate `rows` rows in a temporary folder, then run every stage once; `step` is called with the name of each finished stage."""
    with tempfile.TemporaryDirectory(prefix="wayside-scale-") as folder:
        stages: list[Stage] = []
        started = time.perf_counter()

        def done(name: str, out: int) -> None:
            nonlocal started
            now = time.perf_counter()
            stages.append(Stage(name, out, round(now - started, 2), _peak_mb()))
            step(name)
            started = time.perf_counter()

        tables = Path(folder) / "synthetic"
        _generate(tables, rows, seed)
        done("generate", rows)
        with open_history(
            interactions=tables / "interactions", baskets=tables / "baskets", memory_mb=memory_mb, threads=threads
        ) as history:
            used = sum(counted.used for counted in history.row_counts)
            done("read and check", used)
            _derive(history, done)
    return ScaleReport(used, seed, memory_mb, threads, tuple(stages))


def _derive(history: History, done: Callable[[str, int], None]) -> None:
    done("summaries", len(derived.rfm(history, derived.span(history).until_ms + 1)))
    done("sequences", len(derived.sequences(history)))
    baskets = derived.baskets(history, SUPPORT)
    done("baskets", baskets.total)
    found = rules_of(frequent_itemsets(baskets, SUPPORT), CONFIDENCE)
    done("rules", len(prune(found).kept))


def _generate(folder: Path, rows: int, seed: int) -> None:
    code = (
        "import sys, pathlib; from models.history import synthetic; synthetic.generate(pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:]))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(folder), str(rows), str(seed)], check=False, capture_output=True, text=True)  # noqa: S603
    if ended.returncode:
        raise HistoryError(f"the rows could not be generated: {ended.stderr.strip().splitlines()[-1][:200]}")


def _peak_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1_048_576 if sys.platform == "darwin" else 1_024)

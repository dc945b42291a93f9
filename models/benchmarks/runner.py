"""Registry of the benchmarks, and a loop that runs each and measures time and memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from models.benchmarks import bank, cdnow, coupon, groceries, hillstrom, journey, next_month, open_bandit, shoppers
from models.benchmarks.benchmark import Benchmark, Spec, Step
from models.errors import ModelsError

BENCHMARKS: dict[str, Spec] = {
    "online_shoppers": shoppers.SPEC,
    "in_vehicle_coupon": coupon.SPEC,
    "bank_marketing": bank.SPEC,
    "hillstrom": hillstrom.SPEC,
    "open_bandit": open_bandit.SPEC,
    "groceries": groceries.SPEC,
    "cdnow": cdnow.SPEC,
    "complete_journey": journey.SPEC,
    "online_retail": next_month.SPEC,
}


class BenchmarkError(ModelsError):
    """A benchmark cannot be run; the message names it and the reason."""


def chosen(data: Path, only: Sequence[str]) -> list[str]:
    """Names of the benchmarks in `only`, or of all with tables under `data`.

    Raises BenchmarkError for an unknown name, or if tables are missing.
    """
    if unknown := [name for name in only if name not in BENCHMARKS]:
        raise BenchmarkError(f"there is no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    root = tables_in(data)
    if absent := [name for name in only if not (root / BENCHMARKS[name].folder).is_dir()]:
        raise BenchmarkError(f"{root} has no folder {BENCHMARKS[absent[0]].folder}, which the benchmark {absent[0]} reads")
    names = [name for name in BENCHMARKS if (name in only or not only) and (root / BENCHMARKS[name].folder).is_dir()]
    if not names:
        raise BenchmarkError(f"{root} has none of the folders {', '.join(spec.folder for spec in BENCHMARKS.values())}")
    return names


def tables_in(data: Path) -> Path:
    """The folder of the tables: `data` itself, or `tables` in it."""
    return data / "tables" if (data / "tables").is_dir() else data


def steps_of(names: Sequence[str]) -> int:
    """Number of calls of `step` by these benchmarks."""
    return sum(BENCHMARKS[name].steps for name in names)


def run(
    data: Path, names: Sequence[str], seed: int, step: Step, *, aside: bool = False, clock: Callable[[], float] = time.monotonic
) -> Iterator[Benchmark]:
    """Run the benchmarks one after another, with `aside` without the rows put aside; `seconds` and `megabytes_peak` are filled in.

    Raises ModelsError if the tables of a benchmark cannot be used.
    """
    root = tables_in(data)
    for name in names:
        began = clock()
        benchmark = BENCHMARKS[name].run(root / BENCHMARKS[name].folder, seed, step, aside)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kilobytes on Linux
        yield msgspec.structs.replace(benchmark, seconds=clock() - began, megabytes_peak=peak)

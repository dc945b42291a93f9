"""JavaScript engines for codecs of makers: `python -m tests.decoders.engines` compares those installed (quickjs hides quickjs-ng).

For each engine: bytes installed, memory of the first context, microseconds a call of one codec, and whether an endless loop, an endless
allocation and an endless recursion end with an exception within the bounds of a codec. Each probe runs in a child process, because an
engine without bounds ends with it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from gateway.core import limits

CALLS = 2_000
ENDED_S = 5.0
CODEC = """
function run(text) {
  const input = JSON.parse(text), bytes = input.bytes, data = {};
  for (let at = 0; at + 2 < bytes.length;) {
    const channel = bytes[at++], type = bytes[at++];
    if (type === 0x67) { data.temperature = ((bytes[at + 1] << 24 >> 16) | bytes[at]) / 10; at += 2; }
    else if (type === 0x68) { data.humidity = bytes[at] / 2; at += 1; }
    else if (type === 0x75) { data.battery = bytes[at]; at += 1; }
    else break;
  }
  return JSON.stringify({ data });
}
"""
GIVEN = json.dumps({"bytes": [1, 0x75, 92, 3, 0x67, 0x34, 1, 4, 0x68, 0x65], "fPort": 85})
FOUND = {"data": {"battery": 92, "temperature": 30.8, "humidity": 50.5}}
HOSTILE: Mapping[str, str] = {
    "loop": "while (true) {}",
    "allocation": "let held = []; while (true) held.push('x'.repeat(1e6) + held.length);",
    "recursion": "function deeper(n) { return deeper(n + 1) + 1; } deeper(0);",
}

Run = Callable[[str], str]
"""Evaluates a script and returns its result as text."""


class Engine(NamedTuple):
    """A distribution, and a function that makes a context with the bounds of a codec where the engine has them."""

    distribution: str
    make: Callable[[], Run]


def _quickjs() -> Run:
    context = __import__("quickjs").Context()
    context.set_memory_limit(limits.CODEC_MEMORY_BYTES_MAX)
    context.set_time_limit(limits.CODEC_CALL_S_MAX)
    context.set_max_stack_size(limits.CODEC_STACK_BYTES_MAX)
    return lambda script: str(context.eval(script))


def _mini_racer() -> Run:
    context = __import__("py_mini_racer").MiniRacer()
    bounds = {"timeout_sec": limits.CODEC_CALL_S_MAX, "max_memory": limits.CODEC_MEMORY_BYTES_MAX}
    return lambda script: str(context.eval(script, **bounds))


def _dukpy() -> Run:
    interpreter = __import__("dukpy").JSInterpreter()
    return lambda script: str(interpreter.evaljs(script))


ENGINES: tuple[Engine, ...] = (
    Engine("quickjs-ng", _quickjs),
    Engine("quickjs", _quickjs),
    Engine("mini-racer", _mini_racer),
    Engine("dukpy", _dukpy),
)


def call_cost(make: Callable[[], Run]) -> dict[str, Any]:
    """Memory of a context with the codec in kB, and microseconds a call. Raises AssertionError for a wrong result."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run = make()
    run(CODEC + "1")
    script = f"run({json.dumps(GIVEN)})"
    assert json.loads(run(script)) == FOUND
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    started = time.perf_counter()
    for _ in range(CALLS):
        run(script)
    return {"memory_kb": memory, "us": (time.perf_counter() - started) / CALLS * 1e6}


def ends(make: Callable[[], Run], script: str) -> bool:
    """Whether a hostile script ends with an exception within ENDED_S."""
    run, started = make(), time.perf_counter()
    try:
        run(script)
    except Exception:  # noqa: BLE001 - each engine has its own
        return time.perf_counter() - started < ENDED_S
    return False


def probe(name: str, what: str) -> Any:
    """One probe in this process: "cost", or a name of HOSTILE."""
    make = next(one.make for one in ENGINES if one.distribution == name)
    return call_cost(make) if what == "cost" else ends(make, HOSTILE[what])


def probed(name: str, what: str) -> Any:
    """The result of a probe in a child process with 1 GiB at most; None if the child dies or does not end."""
    script = (
        "import json, resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30)); "
        "from tests.decoders.engines import probe; print(json.dumps(probe(*sys.argv[1:])))"
    )
    try:
        done = subprocess.run([sys.executable, "-c", script, name, what], capture_output=True, text=True, timeout=60, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return json.loads(done.stdout)


def size_bytes(name: str) -> int | None:
    """Bytes of a distribution's files, or None if it is not installed."""
    try:
        files = metadata.distribution(name).files or []
    except metadata.PackageNotFoundError:
        return None
    return sum(path.stat().st_size for path in (Path(one.locate()) for one in files) if path.is_file())


def main() -> int:
    """Print the table."""
    rows = Table("engine", "installed", "first context", "a call", *HOSTILE, title="JavaScript engines")
    for engine in ENGINES:
        name = engine.distribution
        if (size := size_bytes(name)) is None:
            continue
        cost = probed(name, "cost")
        figures = ("-", "-") if cost is None else (f"{cost['memory_kb'] / 1024:.1f} MiB", f"{cost['us']:.0f} µs")
        verdicts = ["ended" if probed(name, what) else "not ended" for what in HOSTILE]
        rows.add_row(f"{name} {metadata.version(name)}", f"{size / 1e6:.1f} MB", *figures, *verdicts)
    Console(width=110).print(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())

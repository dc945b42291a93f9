"""Time of JavaScript codecs: `python -m tests.decoders.codec_speed` prints microseconds a call, by maker, and the memory of one engine."""

from __future__ import annotations

import resource
import sys
import time

from rich.console import Console
from rich.table import Table

from tests.decoders.test_codecs import VECTORS, codec_of

CALLS = 2_000


def main() -> int:
    """Print the table."""
    table = Table("maker", "µs a call", "first call, µs", title="JavaScript codecs")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    codecs = []
    for maker, port, payload, _ in VECTORS:
        codec, given = codec_of(maker), bytes.fromhex(payload)
        started = time.perf_counter()
        codec.decode(given, port, None)
        first = time.perf_counter()
        for _ in range(CALLS):
            codec.decode(given, port, None)
        table.add_row(maker, f"{(time.perf_counter() - first) / CALLS * 1e6:.0f}", f"{(first - started) * 1e6:.0f}")
        codecs.append(codec)
    console = Console(width=100)
    console.print(table)
    console.print(f"{(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / len(codecs):.0f} kB a codec")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What a process costs, read from the kernel: processor time and resident memory (proc(5): stat, statm)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from firmware_sim.wire.broker import UsageError

MEGABYTE = 1_000_000
_USER_TIME = 11  # fields of /proc/PID/stat behind the name, which is in brackets and may hold anything


class Cost(NamedTuple):
    """Of one process over a while: per cent of one core, and megabytes at the end."""

    cpu_pct: float
    rss_mb: float


class Meter:
    """Measures one process from its making until `cost()`."""

    def __init__(self, pid: int | None = None) -> None:
        self._folder = Path("/proc") / str(os.getpid() if pid is None else pid)
        self._cpu_s = self._read_cpu_s()
        self._begun_s = time.monotonic()

    def restart(self) -> None:
        """From now on."""
        self._cpu_s, self._begun_s = self._read_cpu_s(), time.monotonic()

    def cost(self) -> Cost:
        """Since the beginning."""
        elapsed_s = max(1e-9, time.monotonic() - self._begun_s)
        pages = int((self._folder / "statm").read_text("ascii").split()[1])
        megabytes = pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE
        return Cost(round(100 * (self._read_cpu_s() - self._cpu_s) / elapsed_s, 1), round(megabytes, 1))

    def _read_cpu_s(self) -> float:
        try:
            fields = (self._folder / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
        except OSError as error:
            raise UsageError(f"no process {self._folder.name} to measure ({error.strerror})") from error
        return (int(fields[_USER_TIME]) + int(fields[_USER_TIME + 1])) / os.sysconf("SC_CLK_TCK")

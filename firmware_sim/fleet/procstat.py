"""CPU time and resident memory of a process, from the Linux kernel (proc(5): stat, statm)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from firmware_sim.wire.broker import UsageError

MEGABYTE = 1_000_000
_USER_TIME = 11  # first index after the process name, which is in brackets and may contain spaces


class Cost(NamedTuple):
    """CPU use in per cent of one core, and resident memory in megabytes at the end."""

    cpu_pct: float
    rss_mb: float


class Meter:
    """Measures one process from its creation until `cost()`. Raises UsageError if there is no such process."""

    def __init__(self, pid: int | None = None) -> None:
        self._folder = Path("/proc") / str(os.getpid() if pid is None else pid)
        self._cpu_s = self._read_cpu_s()
        self._begun_s = time.monotonic()

    def restart(self) -> None:
        """Begin a new measurement."""
        self._cpu_s, self._begun_s = self._read_cpu_s(), time.monotonic()

    def cost(self) -> Cost:
        """CPU use since the beginning of the measurement, and current memory."""
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

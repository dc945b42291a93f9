"""Wear and reserves of a gateway's disk: bytes written a day against a budget, and the hours until a buffer is full without the cloud."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import msgspec

from gateway.core import limits

if TYPE_CHECKING:
    from pathlib import Path

RATE_S_MIN = 3_600  # the writes of a start are no rate
DAY_S, HOUR_S = 86_400, 3_600
ALARM_HOURS = 48.0  # a weekend


class Reserves(msgspec.Struct, frozen=True):
    """State of the disk of the database, in bytes.

    `written_day_bytes` are the bytes that the process has caused to be written, as a day at the rate since its start;
    `written_day_bytes_max` is the budget. `buffer_hours` is the time until the outbox or the disk is full at the rate since the start, if
    no record leaves. Both are None in the first hour, and `buffer_hours` also if nothing grows.
    """

    written_day_bytes: int | None
    written_day_bytes_max: int
    store_bytes: int
    free_bytes: int
    buffer_hours: float | None

    @property
    def is_worn(self) -> bool:
        """Whether more is written than the budget allows."""
        return self.written_day_bytes is not None and self.written_day_bytes > self.written_day_bytes_max

    @property
    def is_short(self) -> bool:
        """Whether the buffer ends within ALARM_HOURS."""
        return self.buffer_hours is not None and self.buffer_hours < ALARM_HOURS


class Gauge:
    """Reads the reserves of the database at `path`, and remembers its size at the start."""

    def __init__(self, path: Path, written_day_bytes_max: int) -> None:
        self._path, self._written_max = path, written_day_bytes_max
        self._start_bytes = _size(path)

    def read(self, uptime_s: int, written_bytes: int | None, records_made: int, records_waiting: int) -> Reserves:
        """The reserves now. Raises OSError if the folder of the database is gone."""
        store, free = _size(self._path), shutil.disk_usage(self._path.parent).free
        is_early = uptime_s < RATE_S_MIN
        return Reserves(
            None if is_early or written_bytes is None else written_bytes * DAY_S // uptime_s,
            self._written_max,
            store,
            free,
            None if is_early else buffer_hours(uptime_s, store - self._start_bytes, free, records_made, records_waiting),
        )


def buffer_hours(uptime_s: int, grown_bytes: int, free_bytes: int, records_made: int, records_waiting: int) -> float | None:
    """Hours until the disk or the outbox is full at the rates of the last `uptime_s`; None if neither grows."""
    ends_s = []
    if grown_bytes > 0:
        ends_s.append(free_bytes / grown_bytes * uptime_s)
    if records_made > 0:
        ends_s.append((limits.OUTBOX_RECORDS_MAX - records_waiting) / records_made * uptime_s)
    return round(max(0.0, min(ends_s)) / HOUR_S, 1) if ends_s else None


def _size(path: Path) -> int:
    """Bytes of the database and its log."""
    return sum(file.stat().st_size for file in (path, path.with_name(f"{path.name}-wal")) if file.exists())

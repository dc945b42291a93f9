"""Wear against its budget, and the hours of buffer that are left."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.commands.doctor.diagnose import _reserves
from gateway.core import limits
from gateway.runtime.reserves import Gauge, Reserves, buffer_hours

HOUR_S = 3_600


@pytest.mark.parametrize(
    ("grown", "free", "made", "waiting", "hours"),
    [
        (0, 10**9, 0, 0, None),
        (-500, 10**9, 0, 0, None),
        (1_000_000, 10**9, 0, 0, 2_000.0),
        (0, 10**9, 100, 0, limits.OUTBOX_RECORDS_MAX / 50),
        (1_000_000, 10**9, 100, limits.OUTBOX_RECORDS_MAX - 200, 4.0),
        (1_000_000, 0, 100, limits.OUTBOX_RECORDS_MAX + 5, 0.0),
    ],
)
def test_hours_until_the_outbox_or_the_disk_is_full(grown: int, free: int, made: int, waiting: int, hours: float | None) -> None:
    assert buffer_hours(2 * HOUR_S, grown, free, made, waiting) == hours


def test_the_gauge_reads_the_growth_since_its_start(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"1" * 1_000)
    gauge = Gauge(path, 2_000_000)
    (tmp_path / "a.db-wal").write_bytes(b"1" * 500)
    found = gauge.read(2 * HOUR_S, 100_000, 0, 0)
    assert (found.written_day_bytes, found.written_day_bytes_max, found.store_bytes) == (1_200_000, 2_000_000, 1_500)
    assert found.buffer_hours == pytest.approx(found.free_bytes / 250, rel=0.01)
    assert not found.is_worn
    early = gauge.read(HOUR_S - 1, 10**12, 10**6, 0)
    assert (early.written_day_bytes, early.buffer_hours) == (None, None)


def test_both_alarms() -> None:
    fine = Reserves(2_000_000, 2_000_000, 1, 1, 48.0)
    assert list(_reserves(fine)) == []
    codes = [one.code for one in _reserves(Reserves(2_000_001, 2_000_000, 1, 1, 47.9))]
    assert codes == ["wear", "buffer_short"]

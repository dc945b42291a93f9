"""Batches that the collector stores in a second of processor time: `python -m tests.web.collector_cost`.

A batch has 30 records of hours with three zones each, of 50 gateways in turn; decoding and the commit on SQLite are included.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from dashboard.intake import decode
from dashboard.store import Store
from gateway.core.privacy.laplace import variance
from gateway.core.records import MILLION, Batch, HourCounts, Noise

BATCHES, WARM_UP, RECORDS, GATEWAYS = 500, 20, 30, 50
HOUR_MS = 3_600_000
NOW_MS = 1_790_000_000_000 // HOUR_MS * HOUR_MS
ZONES = ("zone-1", "zone-2", "zone-3")
NOISE = Noise(epsilon_millionths=MILLION, contacts_max=1, variance=float(variance(Fraction(1))))


def batches(count: int) -> Iterator[tuple[bytes, str]]:
    """Bodies of batches and their gateways."""
    for number in range(count):
        gateway, hour = f"gw-{number % GATEWAYS}", number // GATEWAYS * RECORDS + 1
        records = tuple(
            HourCounts(
                id=f"{number:08x}{at:08x}",
                gateway=gateway,
                window_start_ms=NOW_MS - (hour + at) * HOUR_MS,
                window_ms=HOUR_MS,
                noise=NOISE,
                zones=ZONES,
                counts=(1, 2, 3),
            )
            for at in range(RECORDS)
        )
        yield msgspec.json.encode(Batch(batch=f"b{number}", gateway=gateway, records=records)), gateway


def rate(folder: Path, count: int = BATCHES) -> float:
    """Batches for a second of processor time."""
    store, bodies = Store(f"sqlite:///{folder / 'cost.db'}"), list(batches(count + WARM_UP))
    for body, gateway in bodies[:WARM_UP]:
        store.take(decode(body, gateway), NOW_MS)
    started = time.process_time()
    for body, gateway in bodies[WARM_UP:]:
        store.take(decode(body, gateway), NOW_MS)
    took = time.process_time() - started
    store.close()
    return count / took


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        sys.stdout.write(f"{rate(Path(name)):,.0f} batches of {RECORDS} records in a second of processor time\n")

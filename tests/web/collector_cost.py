"""Batches that the collector stores in a second of processor time: `python -m tests.web.collector_cost`.

A batch has 30 records of hours with three zones each, of 50 gateways in turn; decoding and the commit on SQLite are included. One sender
waits for the disk at each batch; batches of many senders share transactions.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from dashboard.intake import decode
from dashboard.store import Store
from gateway.core.privacy.laplace import variance
from gateway.core.records import MILLION, Batch, HourCounts, Noise

BATCHES, WARM_UP, RECORDS, GATEWAYS, SENDERS = 500, 20, 30, 50, 40
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


def rate(folder: Path, count: int = BATCHES, senders: int = 1) -> float:
    """Batches of so many senders at once, for a second of processor time."""
    store, bodies = Store(f"sqlite:///{folder / 'cost.db'}"), list(batches(count + WARM_UP))
    for body, gateway in bodies[:WARM_UP]:
        store.take(decode(body, gateway), NOW_MS)
    started = time.process_time()
    with ThreadPoolExecutor(senders) as pool:
        list(pool.map(lambda one: store.take(decode(*one), NOW_MS), bodies[WARM_UP:]))
    took = time.process_time() - started
    store.close()
    return count / took


if __name__ == "__main__":
    for number in (1, SENDERS):
        with TemporaryDirectory() as name:
            found = rate(Path(name), senders=number)
        sys.stdout.write(f"senders: {number}; {found:,.0f} batches of {RECORDS} records in a second of processor time\n")

"""Devices of a day that belong to no consenting person, counted by zone without being stored.

A device is a keyed hash in memory. The key is drawn for each day and each start, and is in no file: so nothing links two days, two gateways
or two starts, and only the numbers by zone are stored. Each start on a day is a key epoch, in which a device may count once more;
EPOCHS_MAX of them count. Addresses that change by themselves, as those of phones do, are not counted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable

from gateway.core import limits
from gateway.core.addresses import is_fixed
from gateway.core.records import VISITOR_ZONES_MAX

HASH_BYTES = 16


class Visitors:
    """`fresh` has the devices by zone that were counted since `take`; of a day at most VISITOR_DEVICES_MAX count."""

    def __init__(self, new_key: Callable[[], bytes]) -> None:
        """`new_key` draws 32 random bytes."""
        self._new_key = new_key
        self._zones: dict[bytes, tuple[str, ...]] = {}
        self.fresh: Counter[str] = Counter()
        self.begin()

    def begin(self) -> None:
        """Forget all devices, under a new key."""
        self._key = self._new_key()
        self._zones.clear()
        self.fresh.clear()

    def take(self) -> None:
        """Begin the counts of the next window."""
        self.fresh.clear()

    def hear(self, device: str, zone: str) -> None:
        """Count a device in a zone, once a day and in at most VISITOR_ZONES_MAX zones."""
        if not is_fixed(device):
            return
        digest = hashlib.blake2b(device.encode("utf-8", "surrogatepass"), key=self._key, digest_size=HASH_BYTES).digest()
        zones = self._zones.get(digest, ())
        is_full = not zones and len(self._zones) >= limits.VISITOR_DEVICES_MAX
        if zone in zones or len(zones) >= VISITOR_ZONES_MAX or is_full:
            return
        self._zones[digest] = (*zones, zone)
        self.fresh[zone] += 1

"""Retention: whole months (UTC) that ended over `--keep-days` ago are deleted, with their sums, ids and quarantined records.

PostgreSQL drops the partitions of a month. SQLite deletes a day in a transaction, so that batches wait for a day only.
"""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool

from dashboard import limits, partitions
from dashboard.database import DESK, RECORDS
from dashboard.people.accounts import Accounts
from dashboard.rollups import forget
from dashboard.schema import batches, quarantined, records, sums
from dashboard.settings import Settings
from dashboard.store import Store

log = logging.getLogger("wayside.dashboard")
DAY_MS = 86_400_000


def delete_before(connection: Connection, before_ms: int) -> None:
    """Delete counts of windows that begin before a time, and ids and quarantined records that arrived before it."""
    partitions.drop_partitions(connection, before_ms)
    for table in partitions.by_time():
        connection.execute(delete(table).where(table.c.window_start_ms < before_ms))
    for table in (records, batches):
        connection.execute(delete(table).where(table.c.received_ms < before_ms))
    connection.execute(delete(quarantined).where(quarantined.c.since_ms < before_ms))
    forget(connection, before_ms)


def first_ms(connection: Connection) -> int | None:
    """Start of the oldest period of all sums, None without one."""
    found: int | None = connection.execute(select(func.min(sums.c.window_start_ms)).where(sums.c.window_start_ms >= 0)).scalar_one()
    return found


class Retention:
    """Deletes old months at the start and then every RETENTION_S."""

    def __init__(self, settings: Settings, store: Store, accounts: Accounts) -> None:
        self._settings, self._store, self._accounts = settings, store, accounts

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                while await run_in_threadpool(self.step):
                    pass
            except DBAPIError as fault:
                log.warning("retention: %s; the next try is in %g s", str(fault.orig).strip().split("\n", 1)[0], limits.RETENTION_S)
            await asyncio.sleep(limits.RETENTION_S)

    def step(self) -> bool:
        """Delete the oldest part; whether there may be more. Raises DBAPIError."""
        if self._settings.keep_days is None:
            return False
        border_ms = partitions.month_start_ms(self._settings.now_ms() - self._settings.keep_days * DAY_MS)
        with self._store.writing(RECORDS, DESK) as connection:
            oldest_ms = first_ms(connection)
            if oldest_ms is None or oldest_ms >= border_ms:
                return False
            before_ms = border_ms if self._store.is_shared else min(border_ms, oldest_ms // DAY_MS * DAY_MS + DAY_MS)
            delete_before(connection, before_ms)
            if before_ms == border_ms:
                self._accounts.note(connection, "", "old records deleted", f"those of before {partitions.month_name(border_ms)}")
        return before_ms != border_ms

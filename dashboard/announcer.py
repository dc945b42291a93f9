"""News between desks on one PostgreSQL: what wakes the open pages and held requests of one wakes those of the others.

A desk sends NOTIFY with its own id and the kind of news, each kind at most once in ANNOUNCE_S; its own are left out when they come back.
Without the connection, pages still show newer figures at the next refresh, and a held request answers at its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Mapping

import psycopg
from psycopg import sql

from dashboard import limits
from dashboard.database import Database
from dashboard.live import Notifier

log = logging.getLogger("wayside.dashboard")
CHANNEL = "wayside"


class Announcer:
    """Connects notifiers by kind with those of other desks, until `run` is cancelled or the notifiers are closed."""

    def __init__(self, database: Database, notifiers: Mapping[str, Notifier]) -> None:
        self._address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._notifiers = notifiers
        self._id = secrets.token_hex(8)

    async def run(self) -> None:
        """Listen and announce; a lost connection is made again."""
        while not any(notifier.closed for notifier in self._notifiers.values()):
            try:
                await self._connected()
            except (psycopg.Error, OSError) as fault:
                log.warning("other desks are not reached: %s; the next try is in %g s", str(fault).splitlines()[0], limits.RECONNECT_S)
            await asyncio.sleep(limits.RECONNECT_S)

    async def _connected(self) -> None:
        listening = await psycopg.AsyncConnection.connect(self._address, autocommit=True, connect_timeout=limits.CONNECT_S_MAX)
        sending = await psycopg.AsyncConnection.connect(self._address, autocommit=True, connect_timeout=limits.CONNECT_S_MAX)
        async with listening, sending:
            await listening.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
            for notifier in self._notifiers.values():  # news may have been missed
                notifier.notify(is_own=False)
            tasks = [asyncio.create_task(self._listen(listening))]
            tasks += [asyncio.create_task(self._announce(sending, kind, notifier)) for kind, notifier in self._notifiers.items()]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                for task in tasks:
                    with contextlib.suppress(asyncio.CancelledError, psycopg.Error, OSError):
                        await task

    async def _listen(self, connection: psycopg.AsyncConnection) -> None:
        async for news in connection.notifies():
            sender, _, kind = news.payload.partition(" ")
            if sender != self._id and kind in self._notifiers:
                self._notifiers[kind].notify(is_own=False)

    async def _announce(self, connection: psycopg.AsyncConnection, kind: str, notifier: Notifier) -> None:
        sent = notifier.own
        while not notifier.closed:
            seen = notifier.count
            if notifier.own != sent:
                sent = notifier.own
                await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{self._id} {kind}"))
                await asyncio.sleep(limits.ANNOUNCE_S)
            await notifier.wait(seen, limits.READER_S_MAX)

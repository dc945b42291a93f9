"""Alarms of the fleet: found from the stored state, sent to a webhook once, and kept until the cause is gone.

An alarm is its gateway and kind. It is sent again until the webhook has answered with 2xx, so with two desks on one database, or after a
broken connection, it may arrive twice: `gateway`, `kind` and `since_ms` are the same then.
"""

from __future__ import annotations

import asyncio
import logging
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, and_, delete, func, insert, select, update
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool

from dashboard import limits
from dashboard.formats import age
from dashboard.gateways import find_gateways
from dashboard.schema import alarms, gateways, quarantined, reported
from dashboard.settings import Settings
from dashboard.store import Store
from gateway.core.condition import Condition

log = logging.getLogger("wayside.dashboard")
DAY_MS = 86_400_000
Post = Callable[[str, bytes], int]
"""Posts a body to an address; the status of the answer. Raises OSError."""


class Alarm(msgspec.Struct, frozen=True):
    """One alarm; `account` has acknowledged it (empty: none has)."""

    gateway: str
    kind: str
    since_ms: int
    text: str
    account: str


class Change(NamedTuple):
    """Numbers of alarms that began and ended."""

    began: int
    ended: int


def evaluate(connection: Connection, now_ms: int) -> Change:
    """Begin and end alarms by the stored state of the fleet."""
    wanted = dict(_found(connection, now_ms))
    held = {(row.gateway, row.kind): row.text for row in connection.execute(select(alarms.c.gateway, alarms.c.kind, alarms.c.text))}
    new = [key for key in wanted if key not in held]
    ended = [key for key in held if key not in wanted]
    if new:
        rows = [{"gateway": name, "kind": kind, "since_ms": now_ms, "text": wanted[name, kind], "account": ""} for name, kind in new]
        connection.execute(insert(alarms), rows)
    for key in ended:
        connection.execute(delete(alarms).where(_is(key)))
    for key, text in held.items():
        if key in wanted and wanted[key] != text:
            connection.execute(update(alarms).where(_is(key)).values(text=wanted[key]))
    return Change(len(new), len(ended))


def _found(connection: Connection, now_ms: int) -> Iterator[tuple[tuple[str, str], str]]:
    """(gateway, kind) and text of every present alarm."""
    for one in find_gateways(connection, now_ms, state="silent")[0]:
        if one.last_seen_ms is not None:
            yield (one.gateway, "silent"), f"no batch since {age(one.age_ms).removesuffix(' ago')}"
    query = select(gateways.c.gateway, gateways.c.backlog).where(gateways.c.backlog > limits.BACKLOG_RECORDS_MAX)
    for name, backlog in connection.execute(query):
        yield (name, "backlog"), f"{backlog:,} records wait on the gateway"
    held = select(quarantined.c.gateway, func.count()).where(quarantined.c.reason != "retracted").group_by(quarantined.c.gateway)
    for name, count in connection.execute(held):
        yield (name, "quarantine"), f"implausible records: {count:,}"
    for name, fault, stated in connection.execute(select(reported.c.gateway, reported.c.fault, reported.c.condition)):
        if fault:
            yield (name, "refused"), fault
        if stated:
            yield from (((name, kind), text) for kind, text in _of_condition(msgspec.json.decode(stated, type=Condition), now_ms))


def _of_condition(stated: Condition, now_ms: int) -> Iterator[tuple[str, str]]:
    if not stated.connected:
        yield "broker", "not connected to its broker"
    silent = [f"{one.decoder} for {one.silent_days} days" for one in stated.sources if one.silent_days]
    if silent:
        yield "source", f"sources are silent: {', '.join(silent)}"
    if stated.certificate_ends_ms is not None and stated.certificate_ends_ms < now_ms + limits.CERTIFICATE_DAYS_MIN * DAY_MS:
        days = (stated.certificate_ends_ms - now_ms) // DAY_MS
        yield "certificate", f"a certificate ends in {days} days" if days >= 0 else "a certificate has ended"
    if stated.buffer_days is not None and stated.buffer_days < limits.BUFFER_DAYS_MIN:
        yield "buffer", f"without the desk its buffer is full within {stated.buffer_days + 1} days"
    if stated.wear_percent is not None and stated.wear_percent > limits.WEAR_PERCENT_MAX:
        yield "wear", f"it writes {stated.wear_percent} % of the budget of its disk"


def open_alarms(connection: Connection) -> tuple[list[Alarm], int]:
    """The newest alarms, those that are not acknowledged first, and the number of all."""
    columns = [alarms.c[name] for name in Alarm.__struct_fields__]
    query = select(*columns).order_by(alarms.c.account != "", alarms.c.since_ms.desc(), alarms.c.gateway, alarms.c.kind)
    found = [Alarm(*row) for row in connection.execute(query.limit(limits.ALARMS_ROWS_MAX))]
    return found, connection.execute(select(func.count()).select_from(alarms)).scalar_one()


def acknowledge(connection: Connection, gateway: str, kind: str, account: str, now_ms: int) -> bool:
    """Note that an account has seen an alarm; whether there is such an alarm that no account has seen."""
    where = and_(_is((gateway, kind)), alarms.c.account == "")
    return connection.execute(update(alarms).where(where).values(account=account, acknowledged_ms=now_ms)).rowcount == 1


def unsent(connection: Connection) -> list[Alarm]:
    """Alarms that the webhook has not taken yet, oldest first, at most ALARMS_ROWS_MAX."""
    query = select(*(alarms.c[name] for name in Alarm.__struct_fields__)).where(alarms.c.sent_ms.is_(None))
    return [Alarm(*row) for row in connection.execute(query.order_by(alarms.c.since_ms).limit(limits.ALARMS_ROWS_MAX))]


def _is(key: tuple[str, str]) -> Any:
    return and_(alarms.c.gateway == key[0], alarms.c.kind == key[1])


def post_json(url: str, body: bytes) -> int:
    """POST; the status of the answer. Raises OSError."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310  the settings allow http(s) only
    with urllib.request.urlopen(request, timeout=limits.HOOK_S_MAX) as answer:  # noqa: S310
        return int(answer.status)


class AlarmWatch:
    """Evaluates the alarms every ALARM_S, and sends new ones."""

    def __init__(self, settings: Settings, store: Store, post: Post = post_json) -> None:
        self._settings, self._store, self._post = settings, store, post

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await run_in_threadpool(self.step)
            except (DBAPIError, OSError) as fault:
                log.warning("alarms: %s; the next try is in %g s", fault, limits.ALARM_S)
            await asyncio.sleep(limits.ALARM_S)

    def step(self) -> int:
        """One look at the fleet; the number of alarms that were sent. Raises OSError if the webhook does not answer with 2xx."""
        now_ms = self._settings.now_ms()
        with self._store.writing() as connection:
            evaluate(connection, now_ms)
            waiting = unsent(connection) if self._settings.alarm_url else []
        if waiting:
            self._send(waiting, now_ms)
        return len(waiting)

    def _send(self, waiting: Sequence[Alarm], now_ms: int) -> None:
        body = [{"gateway": one.gateway, "kind": one.kind, "since_ms": one.since_ms, "text": one.text} for one in waiting]
        status = self._post(self._settings.alarm_url, msgspec.json.encode({"alarms": body}))
        if not 200 <= status < 300:
            raise OSError(f"the webhook answers {status}")
        with self._store.writing() as connection:
            for one in waiting:
                where = and_(_is((one.gateway, one.kind)), alarms.c.since_ms == one.since_ms)
                connection.execute(update(alarms).where(where).values(sent_ms=now_ms))

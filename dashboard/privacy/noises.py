"""The noise that gateways state: a row for each gateway, table of records and pair of epsilon and bound, kept when it first arrives.

Stored counts have the variance of their noise only; with these rows a day of counts has its epsilon again.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from dashboard.schema_desk import noises
from dashboard.store import Store
from gateway.core.records import MILLION, Batch, ControlCounts, GatewayHealth, HourCounts, OfferCounts, Record, VisitorCounts

Key = tuple[str, str, int, int]
KNOWN_ROWS_MAX = 100_000  # kept in memory; a further gateway costs a look at the database
KINDS: dict[type, str] = {HourCounts: "hours", OfferCounts: "offers", ControlCounts: "control", VisitorCounts: "visitors"}


class Stated(NamedTuple):
    """A statement of a gateway on one table: epsilon of a service day, the most that one person's day changes, and the variance."""

    kind: str
    epsilon: float
    contacts_max: int
    variance: float
    since_ms: int


class Noises:
    """Keeps new statements."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: set[Key] = set()

    def note(self, batch: Batch, now_ms: int) -> None:
        """Keep the statements of a batch that are new."""
        found = {key: record for record in batch.records if (key := _key(record)) is not None and key not in self._known}
        if not found:
            return
        with self._store.writing("noises") as connection:
            for key, record in found.items():
                assert not isinstance(record, GatewayHealth)
                row = dict(zip(("gateway", "kind", "epsilon_millionths", "contacts_max"), key, strict=True))
                where = [noises.c[name] == value for name, value in row.items()]
                if connection.execute(select(noises.c.gateway).where(*where)).first() is None:
                    connection.execute(insert(noises), [row | {"variance": record.noise.variance, "since_ms": now_ms}])
        if len(self._known) < KNOWN_ROWS_MAX:
            self._known |= set(found)


def _key(record: Record) -> Key | None:
    if isinstance(record, GatewayHealth):
        return None
    return record.gateway, KINDS[type(record)], record.noise.epsilon_millionths, record.noise.contacts_max


def stated(connection: Connection, gateway: str) -> list[Stated]:
    """The statements of a gateway, newest first."""
    rows = connection.execute(select(noises).where(noises.c.gateway == gateway).order_by(noises.c.since_ms.desc(), noises.c.kind))
    return [Stated(row.kind, row.epsilon_millionths / MILLION, row.contacts_max, row.variance, row.since_ms) for row in rows]


def epsilon_of(found: list[Stated], kind: str, variance: float) -> float:
    """The epsilon of counts of one table with this variance; 0 for a variance that no statement has."""
    alike = (one.epsilon for one in found if one.kind == kind and abs(one.variance - variance) <= 1e-6 * variance)
    return max(alike, default=0.0)

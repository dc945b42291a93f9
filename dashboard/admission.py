"""New records: plausible ones become rows of the counts and change the sums, the others go into quarantine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, func, select

from dashboard import quarantine
from dashboard.bounds import Known, implausible
from dashboard.bulk import Row, stored_windows
from dashboard.counts import TABLE_OF, rows_of
from dashboard.keeping import keep
from dashboard.rollups import Changes
from dashboard.schema import catalogue, contacts, metadata
from gateway.core.records import GatewayHealth, OfferCounts, Record


def admit(connection: Connection, found: Sequence[tuple[Sequence[Record], int]], people_max: int, changes: Changes) -> None:
    """Keep new records, each list of one gateway and with the time of its arrival; their ids are stored already."""
    known = known_of(connection, [record for records, _ in found for record in records])
    rows: dict[str, list[Row]] = defaultdict(list)
    for records, now_ms in found:
        before = known[records[0].gateway]
        named = len(before.zones), len(before.offers)
        for record in records:
            reason = implausible(record, before, now_ms, people_max)
            if reason is None:
                rows[TABLE_OF[type(record)]] += rows_of(record)
            else:
                quarantine.set_aside(connection, record, reason, now_ms)
        if (len(before.zones), len(before.offers)) != named:
            quarantine.learn(connection, records[0].gateway, before.zones, before.offers)
    keep(connection, rows, changes)


def known_of(connection: Connection, records: Collection[Record]) -> dict[str, Known]:
    """By gateway: its catalogue, and those of its stored windows that `records` are of."""
    starts: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for record in records:
        if not isinstance(record, GatewayHealth):
            starts[TABLE_OF[type(record)]][record.gateway].add(record.window_start_ms)
    known = {gateway: Known(set(), set(), None, set()) for gateway in {record.gateway for record in records}}
    for gateway, kind, name in connection.execute(select(catalogue).where(catalogue.c.gateway.in_(known))):
        (known[gateway].zones if kind == "zone" else known[gateway].offers).add(name)
    for table, wanted in starts.items():
        for gateway, offer, start_ms in stored_windows(connection, metadata.tables[table], wanted):
            known[gateway].windows.add((table, offer, start_ms))
    for gateway in {one.gateway for one in records if isinstance(one, OfferCounts) and one.offer not in known[one.gateway].offers}:
        first_day = select(func.min(contacts.c.window_start_ms)).where(contacts.c.gateway == gateway)
        known[gateway].first_day_ms = connection.execute(first_day).scalar_one()
    return known

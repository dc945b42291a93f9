"""Tables in SQLAlchemy Core, without dialect, so that both SQLite and PostgreSQL can hold them.

`records` keeps the id and a digest of the content of every stored record, so that a repeated record is
recognised; `cells` and `health` keep the numbers. Keys include the gateway, so no gateway can use or
probe the ids of another. Times are milliseconds, hence BIGINT.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, LargeBinary, MetaData, String, Table

VERSION = 1

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", BigInteger, primary_key=True, autoincrement=False))

gateways = Table(
    "gateways",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("first_seen_ms", BigInteger, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("batch", String(128), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)

records = Table(
    "records",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)


def _of_record() -> list[ForeignKeyConstraint]:
    return [ForeignKeyConstraint(["gateway", "id"], ["records.gateway", "records.id"])]


cells = Table(
    "cells",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("window_start_ms", BigInteger, nullable=False),
    Column("window_ms", BigInteger, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("offer", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("count", BigInteger, nullable=False),
    *_of_record(),
    Index("cells_by_window", "window_start_ms"),
)

health = Table(
    "health",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("window_start_ms", BigInteger, nullable=False),
    Column("window_ms", BigInteger, nullable=False),
    Column("messages", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("facts", BigInteger, nullable=False),
    Column("decisions", BigInteger, nullable=False),
    Column("triggers", BigInteger, nullable=False),
    Column("backlog", BigInteger, nullable=False),
    *_of_record(),
    Index("health_by_window", "gateway", "window_start_ms"),
)

"""One database for SQLite and PostgreSQL: connections, transactions, locks and migrations.

SQLite needs nothing and serves one process: a writing transaction begins with BEGIN IMMEDIATE, because one that began as a reader cannot
always become a writer. PostgreSQL serves several: a writing transaction takes an advisory lock, so that two desks keep the order that one
has; records and all that people change have different locks. A reading transaction sees one state in both.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, inspect, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from dashboard import limits
from dashboard.schema import metadata

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000")
DESK = "desk"  # lock of all that people change
RECORDS = "records"  # lock of all that changes counts; taken before DESK by those that need both
MIGRATIONS = Path(__file__).parent / "migrations"


class StoreError(RuntimeError):
    """The database cannot be used; the text is one line with the cause."""


class Database:
    """The database at `url`, at the newest migration. Raises StoreError if it cannot be used."""

    def __init__(self, url: str) -> None:
        try:
            parsed = database_url(url)
            self.is_shared = parsed.get_backend_name() == "postgresql"
            if self.is_shared:
                arguments = {"connect_timeout": limits.CONNECT_S_MAX, "application_name": "wayside-dashboard"}
                pool = {"pool_size": limits.POOL_CONNECTIONS, "max_overflow": limits.POOL_CONNECTIONS, "pool_pre_ping": True}
                self._engine = create_engine(parsed, hide_parameters=True, connect_args=arguments, **pool)
            else:
                self._engine = create_engine(parsed, hide_parameters=True)
                _make_private(parsed.database)
                _sqlite(self._engine)
            self._migrate()
        except (ArgumentError, DBAPIError, OSError) as fault:
            cause = fault.orig if isinstance(fault, DBAPIError) else fault
            raise StoreError(f"cannot use the store: {str(cause).strip().splitlines()[0]}") from fault

    def _migrate(self) -> None:
        """Bring the database to the newest migration. Raises StoreError."""
        try:
            with self.writing("migrations") as connection:
                migrate(connection)
        except StoreError:
            self.close()
            raise

    @property
    def url(self) -> URL:
        """The address, with its password."""
        return self._engine.url

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in one transaction, so that all reads see the same state."""
        options = {"isolation_level": "REPEATABLE READ"} if self.is_shared else {}
        with self._engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self, *locks: str) -> Iterator[Connection]:
        """A connection in one transaction that writes; it waits for others with one of its locks, by default DESK (SQLite: for all)."""
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            for lock in (locks or (DESK,)) if self.is_shared else ():
                connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"wayside {lock}", 0))))
            yield connection


def database_url(text: str) -> URL:
    """The address of a database; postgresql:// is that of psycopg 3. Raises ArgumentError."""
    url = make_url(text)
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


def migrate(connection: Connection) -> None:
    """Bring the database to the newest migration; an empty one gets all. Raises StoreError for one of an unknown release."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(connection).get_current_revision()
    if present == script.get_current_head():
        return
    if present is None and set(inspect(connection).get_table_names()) & {*metadata.tables, "schema_version"}:
        raise StoreError("the store was made before the first release; use the program that made it, or another one")
    if present is not None and present not in {one.revision for one in script.walk_revisions()}:
        raise StoreError(f"the store is at migration {present}, which this release does not know; use a newer one, or another store")
    command.upgrade(config, "head")


def _make_private(database: str | None) -> None:
    """Make the file readable by its owner only; SQLite gives its journal files the same mode."""
    if not database or database == ":memory:":
        return
    path = Path(database)
    path.touch(mode=0o600)
    for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        if file.exists() and file.stat().st_uid == os.getuid():
            file.chmod(0o600)


def _sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # Turn off the driver's implicit transactions; `_on_begin` issues BEGIN.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

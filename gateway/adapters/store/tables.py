"""The tables of a database, and the transaction that all writes go through."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import apsw

from gateway.adapters.store.budgets import BudgetsTable
from gateway.adapters.store.clock import ClockTable
from gateway.adapters.store.counts import CountsTable
from gateway.adapters.store.coupons import CouponsTable
from gateway.adapters.store.dead_letters import DeadLettersTable
from gateway.adapters.store.decisions import DecisionsTable
from gateway.adapters.store.entropy import SystemEntropy
from gateway.adapters.store.facts import FactsTable
from gateway.adapters.store.filters import FiltersTable
from gateway.adapters.store.history import HistoryTable
from gateway.adapters.store.incidents import IncidentsTable
from gateway.adapters.store.learning import LearningTable
from gateway.adapters.store.occasions import OccasionsTable
from gateway.adapters.store.outcomes import OutcomesTable
from gateway.adapters.store.people import PeopleTable
from gateway.adapters.store.register import RegisterTable
from gateway.adapters.store.retention import RetentionTable
from gateway.adapters.store.screens import ScreensTable
from gateway.adapters.store.sensors import SensorsTable
from gateway.adapters.store.table import Hasher, Table
from gateway.adapters.store.visits import VisitsTable
from gateway.adapters.store.words import Words
from gateway.core.ports import StoreDamagedError, StoreFullError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.core.privacy.laplace import Entropy


class Tables:
    """The tables of the file at `path`, by slice in `_tables`. Used by one thread only."""

    def __init__(self, path: Path, connection: apsw.Connection, hasher: Hasher, entropy: Entropy | None) -> None:
        """`entropy` is the source of noise; the operating system's without one."""
        self._path, self._db = path, connection
        self._inode = (path.stat().st_dev, path.stat().st_ino)
        self.register = RegisterTable(connection)
        self._words = Words(connection)
        self.people = PeopleTable(connection, self.register, self._words)
        self.facts = FactsTable(connection, hasher)
        self.visits = VisitsTable(connection)
        self.history = HistoryTable(connection)
        self.decisions = DecisionsTable(connection, self._words)
        self.budgets = BudgetsTable(connection)
        self.outcomes = OutcomesTable(connection)
        self.learning = LearningTable(connection)
        self.counts = CountsTable(connection, hasher, entropy or SystemEntropy())
        self.sensors = SensorsTable(connection)
        self.retention = RetentionTable(connection)
        self.occasions = OccasionsTable(connection)
        self.incidents = IncidentsTable(connection)
        self.clock = ClockTable(connection)
        self.screens = ScreensTable(connection)
        self.dead_letters = DeadLettersTable(connection, hasher)
        self.coupons = CouponsTable(connection, hasher)
        self.filters = FiltersTable(connection)
        self._tables: dict[str, Table] = {
            "people": self.people,
            "facts": self.facts,
            "visits": self.visits,
            "history": self.history,
            "decisions": self.decisions,
            "budgets": self.budgets,
            "outcomes": self.outcomes,
            "learning": self.learning,
            "counts": self.counts,
            "sensors": self.sensors,
            "retention": self.retention,
            "register": self.register,
            "claims": Table(connection),
            "replies": Table(connection),
            "coupons": self.coupons,
            "occasions": self.occasions,
            "incidents": self.incidents,
            "clock": self.clock,
            "screens": self.screens,
        }

    def _reconnect(self, opened: apsw.Connection) -> None:
        """Use another connection, because the file was replaced."""
        self._db = opened
        self._inode = (self._path.stat().st_dev, self._path.stat().st_ino)
        self._words.reconnect(opened)
        for table in (*self._tables.values(), self.dead_letters, self.filters):
            table.reconnect(opened)

    def _check_file(self) -> None:
        """Raise StoreFullError if the file was deleted or replaced: its rows would be lost with the open descriptor."""
        try:
            found = self._path.stat()
        except OSError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._inode:
            raise StoreFullError(f"{self._path} was deleted or replaced; new messages wait at the broker: restart the gateway")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing. Raises StoreFullError for a full disk or a lock of another program, and StoreDamagedError."""
        try:
            self._check_file()
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._words.forget()
            for table in self._tables.values():
                table.rolled_back()
            if isinstance(error, apsw.BusyError):
                raise StoreFullError(
                    "another program holds the database: close it; nothing is lost, new messages wait at the broker"
                ) from error
            if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
                raise StoreDamagedError(f"{self._path} is damaged") from error
            if isinstance(error, (apsw.FullError, apsw.IOError, apsw.ReadOnlyError)):  # a failing card is remounted read-only
                raise StoreFullError(
                    "the disk is full or failing: free some space; nothing is lost, new messages wait at the broker"
                ) from error
            raise

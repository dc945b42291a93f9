"""Erasure in a store: withdrawals, the traces in the files, and rows that an older copy of the file would bring back."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import apsw

from gateway.adapters.store import database, in_use, rekey
from gateway.adapters.store.released import ReleaseMarks, marks_path
from gateway.adapters.store.tables import Tables
from gateway.core import limits
from gateway.core.context import may_be_offered, may_be_remembered
from gateway.core.ports import StoreDamagedError, StoreError, StoreFullError

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.adapters.store.marks import Marks
    from gateway.adapters.store.table import Hasher
    from gateway.core.context import SubjectContext
    from gateway.core.privacy.laplace import Entropy


class Erasing(Tables):
    """Tables from which people can be erased. `marks` are the withdrawals, `release_marks` the releases, both beside the file.

    With `_key_file`, which holds the key, the key is replaced after an erasure.
    """

    _key_file: Path | None
    _is_exclusive: bool

    def __init__(self, path: Path, connection: apsw.Connection, marks: Marks, hasher: Hasher, entropy: Entropy | None) -> None:
        """Carry out marks that this copy of the file lacks.

        Raises StoreError and StoreDamagedError for a file and marks that do not belong together; the caller closes the connection.
        """
        super().__init__(path, connection, hasher, entropy)
        self.marks = marks
        self._erases = True  # of the last process, which may have ended before
        self._carry_out_marks(path)
        self.release_marks = ReleaseMarks(marks_path(path))
        self._note_lost_releases(path)

    def _mark_in_use(self) -> None:
        """Mark the file of the one gateway that writes; on a full disk a copy of it is not recognised."""
        if self._is_exclusive:
            with suppress(apsw.Error):
                in_use.mark(self._db)

    def finish_erasure(self) -> None:
        """Empty the write-ahead log after a deletion: a part of it would show the rows again. A reader that holds it delays that.

        Raises StoreDamagedError.
        """
        if self._erases:
            try:
                self._db.set_busy_timeout(0)
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
                self._erases = False
            except (apsw.CorruptError, apsw.NotADBError):
                raise StoreDamagedError(f"{self._path} is damaged") from None
            except (apsw.BusyError, apsw.FullError, apsw.IOError, apsw.ReadOnlyError):
                pass  # a reader may hold the log, and a failing disk is reported by the next commit
            finally:
                self._db.set_busy_timeout(database.WRITER_BUSY_MS)

    @property
    def awaits_new_key(self) -> bool:
        """Whether people were erased since the key was made."""
        return self._key_file is not None and bool(self.people.one("SELECT 1 FROM meta WHERE name = 'erased'"))

    def replace_key(self) -> bool:
        """Replace the key if people were erased since it was made; returns False while another program has the database open.

        Raises StoreFullError if the new file or the new key cannot be written; then everything stays as it is.
        """
        if self._key_file is None or not self.awaits_new_key:
            return True
        before = rekey.salt(self._path)
        try:
            in_use.clear(self._db)  # the log is removed meanwhile
            key = rekey.copied(self._db, self._path, self._key_file)
        except apsw.BusyError:
            self._mark_in_use()
            return False
        except (apsw.Error, OSError) as error:
            self._mark_in_use()
            raise StoreFullError(f"the key of {self._path} cannot be replaced after an erasure ({error}): free some space") from None
        finally:
            self._db.set_busy_timeout(database.WRITER_BUSY_MS)
        self._db.close()
        rekey.adopt(self._path)
        self.marks.restart(key, before)
        rekey.settle(self._path, self._key_file)
        self._reconnect(database.open_database(self._path, key, StoreError))
        with self._transaction():
            self._db.execute("DELETE FROM meta WHERE name = 'erased'")
        self._mark_in_use()
        return True

    def forget_everyone(self) -> None:
        """Erase all people as a withdrawal does, and end the open period of the counts. Raises StoreFullError."""
        with self._transaction():
            for subject in self.people.subjects():
                self._apply_consent(subject, None)
            self.counts.forget_period()
        self._db.execute("VACUUM")  # the file becomes as small as its rows

    def _note_erasure(self) -> None:
        self._db.execute("INSERT OR IGNORE INTO meta VALUES ('erased', 1)")

    def _carry_out_marks(self, path: Path) -> None:
        """Carry out the withdrawals since this copy of the file was made.

        Raises StoreError if the marks are older than the file, and StoreDamagedError if marks of that time are gone.
        """
        known = self.people.generation()
        if known < self.marks.floor and self.people.owners():
            raise StoreDamagedError(f"{path} is a copy from before an erasure, whose mark went with the key of that time")
        if known > self.marks.generation:
            raise StoreError(
                f"{path}.withdrawn holds {self.marks.generation} withdrawals, the database {known}: restore the file that belongs to it, "
                "because an older one could revive withdrawn consents"
            )
        if known == self.marks.generation:
            return
        with self._transaction():
            for device, subject in self.people.owners():
                person = self.people.context(subject)
                if person is not None and person.device == device and self.marks.newest(device) > person.generation:
                    self._apply_consent(subject, None)
                    self._note_erasure()
            self.people.save_generation(self.marks.generation)
        self.people.clear()

    def _note_lost_releases(self, path: Path) -> None:
        """Note the releases since this copy of the file was made. Raises StoreError if the marks are older than the file."""
        newest = self.counts.newest_release()
        if newest is not None and newest not in {mark[:2] for mark in self.release_marks.marks}:
            raise StoreError(
                f"{path}.released lacks releases that the database has: restore the file that belongs to it, "
                "because an older one could release a period twice"
            )
        with self._transaction():
            self.counts.note_lost(list(self.release_marks.marks)[-limits.RELEASED_MARKS_MAX // 2 :])

    def _apply_consent(self, subject: str, context: SubjectContext | None) -> None:
        """Delete the rows that the consent no longer covers; all of them after a withdrawal."""
        if context is None:
            for table in (
                self.facts,
                self.coupons,
                self.decisions,
                self.visits,
                self.history,
                self.register,
                self.counts,
                self.people,
            ):  # facts and coupons read the decisions
                table.forget(subject)
            return
        if not may_be_offered(context.purposes):
            self.decisions.withhold(subject)
        if "measurement" not in context.purposes:
            self.counts.forget(subject)
        if not may_be_remembered(context.purposes):
            self.visits.forget_ended(subject)
            self.history.forget(subject)

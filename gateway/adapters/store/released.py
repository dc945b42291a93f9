"""Marks of releases, in a separate file beside the database: an older copy of the database releases no period again.

Each line is a table, start and end of the period, the start of its service day, and the epsilon of that day and of the table in
millionths.
The file is only appended to, and every append is on the disk before the release is committed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from gateway.core import limits
from gateway.core.ports import StoreFullError
from gateway.core.privacy.tables import TABLES, TableName

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PARTS = 6


class Released(NamedTuple):
    """One table and period that was released."""

    table: TableName
    start_ms: int
    end_ms: int
    day_start_ms: int
    budget_millionths: int
    share_millionths: int


class ReleaseMarks:
    """`marks` are those of the file, oldest first."""

    def __init__(self, path: Path) -> None:
        """Read the file; a last line that a power cut left incomplete is ignored, and its release was not committed."""
        self._path = path
        self.marks = read_marks(path)
        if len(self.marks) > 2 * limits.RELEASED_MARKS_MAX:
            self._compact()

    def append(self, marks: Iterable[Released]) -> None:
        """Append the marks that are not in the file yet. Raises StoreFullError if that is impossible."""
        new = [mark for mark in marks if mark not in self.marks]
        if not new:
            return
        text = "".join(line(mark) for mark in new)
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                # A line end first, because a power cut may have left half a line.
                os.write(descriptor, b"\n" + text.encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StoreFullError(f"{self._path} cannot be written ({error.strerror}): counts wait; free some space") from None
        self.marks |= dict.fromkeys(new)

    def _compact(self) -> None:
        """Keep the newest RELEASED_MARKS_MAX marks."""
        self.marks = dict.fromkeys(list(self.marks)[-limits.RELEASED_MARKS_MAX :])
        draft = self._path.with_name(f"{self._path.name}.new")
        draft.write_text("".join(line(mark) for mark in self.marks))
        draft.chmod(0o600)
        draft.replace(self._path)


def marks_path(database: Path) -> Path:
    """The file of marks of a database."""
    return database.with_name(f"{database.name}.released")


def read_marks(path: Path) -> dict[Released, None]:
    """The marks of a file, oldest first; none without a file."""
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    return dict.fromkeys(mark for line in lines if (mark := _parsed(line)) is not None)


def line(mark: Released) -> str:
    """The line of a mark in the file."""
    return f"{' '.join(map(str, mark))} .\n"


def _parsed(line: bytes) -> Released | None:
    """The mark of a complete line; the full stop at its end shows that no digit is missing."""
    *parts, end = line.decode("ascii", "replace").split(" ")
    if end != "." or len(parts) != PARTS or not all(part.isdecimal() for part in parts[1:]):
        return None
    table = next((name for name in TABLES if name == parts[0]), None)
    return None if table is None else Released(table, *[int(part) for part in parts[1:]])

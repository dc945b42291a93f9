"""A disk without mercy for what was not synced: a recording of all writes below SQLite, and the files that a power cut leaves of it.

`Recorder` stands between SQLite (below its encryption) and the file system as a VFS, and notes each write, truncation and sync.
`Images` replays the recording up to a cut. What was synced is there. Of what was not, each sector of 512 bytes is there, is missing, or
is torn: only its first bytes are there. Sectors are independent of each other, so they also overtake each other. SQLite's assumption
about disks ("powersafe overwrite") is kept: a torn write changes no byte outside of its own range.

The marks beside the database are written by the gateway itself, append-only and synced; a cut while they grow leaves a part of the line.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import apsw

SECTOR_BYTES = 512
NAME = "wayside-rig"
BELOW, ABOVE = "unix", f"multipleciphers-{NAME}"  # SQLite3 Multiple Ciphers makes an encrypting VFS above any by this name
MARKS = (".withdrawn", ".released")
SHARES = (0.0, 0.1, 0.5, 0.9, 1.0)
"""Share of the sectors in flight that reach the disk; drawn for each cut."""
TORN_SHARE = 0.2


Kind = Literal["write", "truncate", "sync", "delete"]


class Operation(NamedTuple):
    """What was done to a file, and how long the marks beside the database were then."""

    kind: Kind
    file: str
    marks: tuple[int, ...]
    offset: int = 0
    data: bytes = b""


class Recorder:
    """Records the operations on the database at `path` while `recording`; one recorder at a time."""

    def __init__(self, path: Path) -> None:
        self._marks = [path.with_name(path.name + ending) for ending in MARKS]
        self.operations: list[Operation] = []

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Databases that are opened in the block are recorded until they are closed."""
        _vfs().recorder = self
        apsw.set_default_vfs(ABOVE)
        try:
            yield
        finally:
            apsw.set_default_vfs(f"multipleciphers-{BELOW}")

    def note(self, kind: Kind, file: str | None, offset: int = 0, data: bytes = b"") -> None:
        """Record an operation."""
        marks = tuple(mark.stat().st_size if mark.exists() else 0 for mark in self._marks)
        self.operations.append(Operation(kind, Path(file or "temporary").name, marks, offset, data))


@functools.cache
def _vfs() -> _Vfs:
    """The one VFS of the process: the encrypting one above it keeps a pointer to it for ever."""
    made = _Vfs()
    apsw.Connection(":memory:", vfs=ABOVE).close()  # makes the encrypting one
    return made


class _Vfs(apsw.VFS):
    """Passes everything on to the file system, and notes what changes a file."""

    recorder: Recorder

    def __init__(self) -> None:
        super().__init__(NAME, BELOW)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return _File(self.recorder, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, FBT001 - SQLite's signature
        self.recorder.note("delete", filename)
        super().xDelete(filename, syncdir)


class _File(apsw.VFSFile):
    """One file of a recorded database."""

    def __init__(self, recorder: Recorder, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._recorder = recorder
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else name
        super().__init__(BELOW, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._recorder.note("write", self._name, offset, bytes(data))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        self._recorder.note("truncate", self._name, newsize)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._recorder.note("sync", self._name)
        super().xSync(flags)


class Images:
    """The disk after the first n operations of a recording, n rising from cut to cut."""

    def __init__(self, operations: Sequence[Operation], draws: random.Random) -> None:
        self._operations, self._draws = operations, draws
        self._durable: dict[str, bytearray] = {}
        self._flying: dict[str, list[Operation]] = {}
        self._done = 0

    def cut(self, after: int, folder: Path, database: Path) -> int:
        """Write into `folder` what is left of `database` after so many operations; returns the number of sectors that are lost or torn."""
        for operation in self._operations[self._done : after]:
            self._apply(operation)
        self._done = after
        share, lost = self._draws.choice(SHARES), 0
        for file, durable in self._durable.items():
            content = bytearray(durable)
            for operation in self._flying[file]:
                lost += self._survive(content, operation, share)
            (folder / file).write_bytes(content)
        hashes = database.with_name(f"{database.name}.hashes")  # synced before the database refers to it
        (folder / hashes.name).write_bytes(hashes.read_bytes())
        for place, ending in enumerate(MARKS):
            mark = database.with_name(database.name + ending)
            low = self._operations[after - 1].marks[place]
            high = self._operations[after].marks[place] if after < len(self._operations) else low
            if mark.exists():
                (folder / mark.name).write_bytes(mark.read_bytes()[: self._draws.randint(low, max(low, high))])
        return lost

    def _apply(self, operation: Operation) -> None:
        durable = self._durable.setdefault(operation.file, bytearray())
        flying = self._flying.setdefault(operation.file, [])
        if operation.kind == "sync":
            for one in flying:
                _write(durable, one)
            flying.clear()
        elif operation.kind == "delete":
            del self._durable[operation.file], self._flying[operation.file]
        else:
            flying.append(operation)

    def _survive(self, content: bytearray, operation: Operation, share: float) -> int:
        """Apply what the cut leaves of an operation that was not synced; returns the number of sectors that are lost or torn."""
        if operation.kind == "truncate":
            survives = self._draws.random() < share
            if survives:
                _write(content, operation)
            return not survives
        lost = 0
        for one in _sectors(operation):
            fate = self._draws.random()
            if fate < share:
                _write(content, one)
                continue
            lost += 1
            if fate < share + TORN_SHARE * (1 - share):
                _write(content, one._replace(data=one.data[: self._draws.randrange(len(one.data))]))
        return lost


def _sectors(operation: Operation) -> Iterator[Operation]:
    at = operation.offset
    end = at + len(operation.data)
    while at < end:
        until = min(end, (at // SECTOR_BYTES + 1) * SECTOR_BYTES)
        yield operation._replace(offset=at, data=operation.data[at - operation.offset : until - operation.offset])
        at = until


def _write(content: bytearray, operation: Operation) -> None:
    end = operation.offset + len(operation.data)
    if operation.kind == "truncate":
        del content[operation.offset :]
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if operation.kind == "write":
        content[operation.offset : end] = operation.data

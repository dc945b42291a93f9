"""Marks of withdrawals, in a file of their own beside the database: an older copy of the database brings nobody back.

Each line is a number and a keyed hash of the device (BLAKE2b, keyed with the database key, which lies in another file). Numbers rise by one
with each withdrawal. The file is appended to, and every append is on the disk before the withdrawal is committed. When the database key is
replaced, older copies cannot be read any more: the hashes go, and the salt of the replaced file is noted instead. The line of `NOBODY`
holds the number up to which hashes are gone: a copy with fewer withdrawals cannot be brought up to date, even if its key was restored too.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from gateway.core import limits
from gateway.core.ports import StoreFullError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

HASH_BYTES = 16
REPLACED = "replaced"
NOBODY = "0" * 2 * HASH_BYTES  # the mark of the line with `floor`


class Marks:
    """`generation` is the number of the newest mark, `floor` the newest one without a hash, `replaced` the salts of replaced files."""

    def __init__(self, path: Path, key: bytes) -> None:
        """Read the file; a last line that a power cut left incomplete is ignored, and its withdrawal was not acknowledged."""
        self._path, self._key = path, key
        self._numbers: dict[str, int] = {}
        self.generation = 0
        self.replaced: dict[str, None] = {}
        lines = path.read_bytes().split(b"\n") if path.exists() else []
        for line in lines:
            number, _, mark = line.decode("ascii", "replace").partition(" ")
            if number == REPLACED:
                self.replaced[mark] = None
            if number.isdecimal() and len(mark) == 2 * HASH_BYTES:
                self._numbers[mark] = max(int(number), self._numbers.get(mark, 0))
                self.generation = max(int(number), self.generation)
        if len(lines) > limits.WITHDRAWN_MARKS_MAX:
            self._compact()

    @property
    def floor(self) -> int:
        """The number up to which hashes are gone; 0 if none is."""
        return self._numbers.get(NOBODY, 0)

    def newest(self, device: str) -> int:
        """The number of the device's newest withdrawal; 0 without one."""
        return self._numbers.get(self._mark(device), 0)

    def append(self, devices: Collection[str], last: int) -> None:
        """Append one mark for each device, the last one with the number `last`. Raises StoreFullError if that is impossible."""
        first = last - len(devices) + 1
        marks = {self._mark(device): number for number, device in enumerate(devices, start=first)}
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                # A line end first, because a power cut may have left half a line.
                os.write(descriptor, b"\n" + b"".join(b"%d %b\n" % (number, mark.encode()) for mark, number in marks.items()))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StoreFullError(f"{self._path} cannot be written ({error.strerror}): withdrawals wait; free some space") from None
        self._numbers |= marks
        self.generation = last

    def _mark(self, device: str) -> str:
        text = device.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=HASH_BYTES, person=b"withdrawn").hexdigest()

    def restart(self, key: bytes, salt: str) -> None:
        """Go on with the new database key: drop the marks, and note the salt of the file that was replaced. Raises OSError."""
        self._key, self._numbers = key, {NOBODY: self.generation}
        self.replaced[salt] = None
        self._rewrite()

    def _compact(self) -> None:
        """Keep the newest mark of each device, and of these the newest half of the maximum."""
        marks = sorted(self._numbers.items(), key=lambda one: one[1])
        gone = marks[: -limits.WITHDRAWN_MARKS_MAX // 2]
        self._numbers = dict(marks[len(gone) :])
        if gone:
            self._numbers[NOBODY] = max(self.floor, gone[-1][1])
        self._rewrite()

    def _rewrite(self) -> None:
        self.replaced = dict.fromkeys(list(self.replaced)[-limits.REPLACED_FILES_MAX :])
        draft = self._path.with_name(f"{self._path.name}.new")
        lines = [f"{REPLACED} {salt}\n" for salt in self.replaced] + [f"{number} {mark}\n" for mark, number in self._numbers.items()]
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write("".join(lines))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

"""Compression of small rows: DEFLATE with a dictionary of bytes that the rows repeat.

A row of some hundred bytes repeats little in itself, but much of the rows before it. The common part (names of fields, ids and
columns of the campaign's offers, nothing about a person) stands once in the table `words`, under a number that each row begins with.
"""

from __future__ import annotations

import zlib
from typing import Any

import apsw

NUMBER_BYTES = 2
LEVEL = 6
BYTES_MAX = 8_192  # of a dictionary: a longer one costs more time for each row than it saves

ADD = "INSERT INTO words VALUES ((SELECT coalesce(max(number), 0) + 1 FROM words), ?) RETURNING number"


class Words:
    """The dictionaries of one connection. A change of `words` applies to the rows that are written from then on."""

    def __init__(self, database: apsw.Connection) -> None:
        """Read each dictionary when it is first needed."""
        self._db = database
        self._known: dict[int, bytes] = {}
        self._numbers: dict[bytes, int] = {}

    def reconnect(self, database: apsw.Connection) -> None:
        """Use another connection, because the file was replaced."""
        self._db = database
        self.forget()

    def forget(self) -> None:
        """Read the table again: a transaction that may have written it was rolled back."""
        self._known.clear()
        self._numbers.clear()

    def packed(self, content: bytes, words: bytes) -> bytes:
        """`content` compressed with a dictionary, which is stored in the transaction that is open."""
        words = words[-BYTES_MAX:]
        number = self._numbers.get(words)
        if number is None:
            number = self._numbers[words] = self._stored(words)
        deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_DEFAULT_STRATEGY, words)
        return number.to_bytes(NUMBER_BYTES, "little") + deflate.compress(content) + deflate.flush()

    def unpacked(self, body: bytes) -> bytes:
        """The content of a row. Raises zlib.error for bytes that `packed` did not write, and KeyError if its dictionary is missing."""
        inflate = zlib.decompressobj(-zlib.MAX_WBITS, zdict=self._of(int.from_bytes(body[:NUMBER_BYTES], "little")))
        return inflate.decompress(body[NUMBER_BYTES:]) + inflate.flush()

    def _of(self, number: int) -> bytes:
        words = self._known.get(number)
        if words is None:
            row = self._db.execute("SELECT body FROM words WHERE number = ?", (number,)).fetchone()
            if row is None:
                raise KeyError(number)
            words = self._known[number] = row[0]
        return words

    def _stored(self, words: bytes) -> int:
        row: Any = self._db.execute("SELECT number FROM words WHERE body = ?", (words,)).fetchone()
        if row is None:
            row = self._db.execute(ADD, (words,)).fetchone()
        return int(row[0])

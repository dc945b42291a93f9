"""Pseudonyms of anonymous visitors that hold for one day.

A visitor's tag is hashed with a key that is drawn each day and dropped the next, so visits can be counted within a day and
never joined across days: yesterday's pseudonyms cannot be computed again, and a table of thirty days cannot be joined.
(Without a key, all addresses of one vendor are hashed in seconds.) The caller draws the key, 32 bytes of the system's
entropy; it is kept in memory only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date

from models.errors import ModelsError

KEY_BYTES = 32
PSEUDONYM_BYTES = 16


class ExpiredKeyError(ModelsError):
    """The key of that day was dropped; its pseudonyms cannot be computed."""


class DailyPseudonyms:
    """Pseudonyms of the latest day asked for. `draw(n)` returns n secret bytes and is called once a day."""

    def __init__(self, draw: Callable[[int], bytes]) -> None:
        self._draw = draw
        self._day: date | None = None
        self._key = b""

    def of(self, tag: str, day: date) -> str:
        """The pseudonym of `tag` on `day`, 32 hex digits.

        Raises ExpiredKeyError for a day before the latest one, and ModelsError if `draw` returns a key of another length.
        """
        if self._day is None or day > self._day:
            self._day, self._key = day, self._draw(KEY_BYTES)
            if len(self._key) != KEY_BYTES:
                raise ModelsError(f"a day's key has {KEY_BYTES} bytes, {len(self._key)} were drawn")
        elif day < self._day:
            raise ExpiredKeyError(f"the key of {day} was dropped when {self._day} began")
        return hashlib.blake2b(tag.encode(), digest_size=PSEUDONYM_BYTES, key=self._key, person=b"wayside-day").hexdigest()

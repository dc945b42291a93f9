"""Visitors who never said who they are: a pseudonym for a day, and no way from one day to the next.

A keyed hash under a key that is drawn each day and forgotten the next makes a visitor countable within the day. Yesterday's
pseudonyms cannot be computed again by anybody, us included, so a table that holds thirty days of them cannot be joined.
(Without a key, one vendor's addresses are guessed in seconds.) The key is drawn by whoever makes this: 32 bytes from
the system's entropy, kept in memory only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date

from models.errors import ModelsError

KEY_BYTES = 32
PSEUDONYM_BYTES = 16


class ForgottenDayError(ModelsError):
    """The key of that day is gone, and with it every way to its pseudonyms."""


class DayPseudonyms:
    """Pseudonyms of the current day. `draw(n)` gives n secret bytes and is asked once a day."""

    def __init__(self, draw: Callable[[int], bytes]) -> None:
        self._draw = draw
        self._day: date | None = None
        self._key = b""

    def of(self, tag: str, day: date) -> str:
        """The pseudonym of `tag` on `day`, 32 hex digits. `ForgottenDayError` for a day before the latest one asked for."""
        if self._day is None or day > self._day:
            self._day, self._key = day, self._draw(KEY_BYTES)
            if len(self._key) != KEY_BYTES:
                raise ModelsError(f"a day's key has {KEY_BYTES} bytes, {len(self._key)} were drawn")
        elif day < self._day:
            raise ForgottenDayError(f"the key of {day} was forgotten when {self._day} began")
        return hashlib.blake2b(tag.encode(), digest_size=PSEUDONYM_BYTES, key=self._key, person=b"wayside-day").hexdigest()

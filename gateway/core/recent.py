"""A bounded map of the values that were used last."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Keeps at most `most` values in two halves: a value that is used while the older half is dropped moves to the newer one.

    So a flood of new keys drops the unused ones only, and a use costs one look.
    """

    def __init__(self, most: int) -> None:
        """Start empty."""
        self._half = most // 2
        self._newer: dict[str, T] = {}
        self._older: dict[str, T] = {}

    def get(self, key: str) -> T | None:
        """The value of a key, or None."""
        found = self._newer.get(key)
        if found is None and key in self._older:
            found = self._older.pop(key)
            self.put(key, found)
        return found

    def put(self, key: str, value: T) -> None:
        """Keep a value."""
        if len(self._newer) >= self._half:
            self._older, self._newer = self._newer, {}
        self._newer[key] = value

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

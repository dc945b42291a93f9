"""Tables whose rows lie by day: the rows of a person are in each of some hundred days, a step into the table for each."""

from __future__ import annotations

DAY_MS = 86_400_000


def of_person(table: str) -> str:
    """A condition on the rows of the person `?1` in a table by day."""
    return (
        f"subject = ?1 AND day IN (WITH RECURSIVE days(day) AS (SELECT min(day) FROM {table} UNION ALL "  # noqa: S608 - a table's name
        f"SELECT (SELECT min(day) FROM {table} WHERE day > days.day) FROM days WHERE day IS NOT NULL) SELECT day FROM days)"
    )
